#!/usr/bin/env python3
"""Row N: how far the log-probabilities of llama.cpp and ours are apart, on a GGUF file and on its weights as float32; without an
adapter, with one of four heads as the one LoRA that gguf-collapsed writes, and as four that llama.cpp weights itself.
bench/gguf_peers.sh runs this:

    python3 bench/peers/gguf_agreement.py --hydra PROGRAM --gguf FILE --text FILE [--quick] [--threads N]

The largest difference over llama.cpp's 5 likeliest tokens behind 24 prefixes of 8 to 96 tokens of two English texts; flash
attention off, keys and values in float32. Prints as gguf_generate.py does.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import gguf
import numpy
import xllamacpp

from gguf_runs import tell, train, train_options

GATES = [0.4, 0.3, 0.2, 0.1]
PROMPTS = ["examples/data/licences/GPL-3.txt", "examples/data/prose.txt"]
LENGTH, STEP = 96, 8


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hydra", metavar="PROGRAM", required=True)
    parser.add_argument("--gguf", metavar="FILE", required=True)
    parser.add_argument("--text", metavar="FILE", required=True, help="what the adapter is trained on")
    parser.add_argument("--quick", action="store_true", help="every third prefix")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def as_float32(source, to):
    """The same file with float32 matrices."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(to, reader.fields["general.architecture"].contents())
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key not in ("general.architecture", "general.file_type"):
            kinds = field.types
            writer.add_key_value(key, field.contents(), kinds[0],
                                 kinds[1] if kinds[0] == gguf.GGUFValueType.ARRAY else None)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(numpy.float32)
        writer.add_tensor(tensor.name, values.reshape([int(n) for n in tensor.shape[::-1]]))
    writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()


def serve(model, threads, loras=()):
    p = xllamacpp.CommonParams()
    p.model.path, p.n_ctx, p.n_parallel, p.warmup, p.verbosity = str(model), 2048, 1, False, 0
    p.cpuparams.n_threads = threads
    p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    p.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), scale) for path, scale in loras]
    return xllamacpp.Server(p)


def ids_of(server, path):
    body = json.dumps({"content": pathlib.Path(path).read_text()[:4000], "add_special": True}).encode()
    request = urllib.request.Request(server.listening_address + "/tokenize", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)["tokens"][:LENGTH]


def likeliest(server, rows, step):
    """(row, tokens, [(id, log-probability), ...]) of each prefix."""
    for number, row in enumerate(rows):
        for tokens in range(step, len(row) + 1, step):
            reply = server.handle_completions({"prompt": row[:tokens], "n_predict": 1, "temperature": 0, "n_probs": 5,
                                               "cache_prompt": False})
            reply = json.loads(reply) if isinstance(reply, (str, bytes)) else reply
            top = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            yield number, tokens, [(t["id"], t["logprob"]) for t in top]


def save_ids(path, rows):
    values = numpy.array(rows, numpy.int64)
    header = json.dumps({"input_ids": {"dtype": "I64", "shape": list(values.shape), "data_offsets": [0, values.nbytes]}})
    text = header.encode() + b" " * (-len(header) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + values.tobytes())


def log_probabilities(path):
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    entry = json.loads(raw[8:8 + size])["logits"]
    begin, end = (8 + size + at for at in entry["data_offsets"])
    logits = numpy.frombuffer(raw[begin:end], numpy.float32).reshape(entry["shape"]).astype(float)
    logits -= logits.max(-1, keepdims=True)
    return logits - numpy.log(numpy.exp(logits).sum(-1, keepdims=True))


def main():
    args = parse()

    def hydra(*arguments):
        subprocess.run([args.hydra, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bases = {"float32": folder / "float32.gguf", "as it is": pathlib.Path(args.gguf)}
        as_float32(args.gguf, bases["float32"])
        server = serve(args.gguf, args.threads)
        rows = [ids_of(server, path) for path in PROMPTS]
        del server
        ids = folder / "ids.safetensors"
        save_ids(ids, rows)
        options = train_options(args.gguf, args.threads, "--heads", 4, "--batch", 2, "--steps", 10, "--lr", 5e-3, "--warm-up", 0)
        train(args.hydra, args.text, folder / "run", options)
        gates = ",".join(map(str, GATES))
        for kind, out in [("gguf-collapsed", "lora.gguf"), ("gguf-heads", "heads"), ("peft-collapsed", "peft")]:
            hydra("export", folder / "run/adapter", "--base", args.gguf, "--to", kind, "--gate", gates, "--out", folder / out)
        hydra("import", folder / "peft", "--base", args.gguf, "--out", folder / "lora")
        heads = [(folder / f"heads/head_{i}.gguf", gate) for i, gate in enumerate(GATES)]
        for kind, base in bases.items():
            for adapter, loras, what in [(None, [], "no adapter"), ("lora", [(folder / "lora.gguf", 1.0)], "gguf-collapsed"),
                                         ("lora", heads, "weighted gguf-heads")]:
                logits = folder / "logits.safetensors"
                hydra("eval", ids, "--base", base, "--logits", logits, *(["--adapter", folder / adapter] if adapter else []))
                ours = log_probabilities(logits)
                server = serve(base, args.threads, loras)
                apart = [max(abs(value - ours[row, tokens - 1, token]) for token, value in top)
                         for row, tokens, top in likeliest(server, rows, 3 * STEP if args.quick else STEP)]
                del server
                tell("N", f"{kind}, {what}", [max(apart)])
                print(f"N, {kind}, {what}: median of the prefixes {numpy.median(apart):.2g}", file=sys.stderr)


if __name__ == "__main__":
    main()
