#!/usr/bin/env python3
"""Makes gguf_tokenizer/* and two seeds of fuzz/corpus/gguf: pip install gguf==0.19.0 xllamacpp==2026.10.11549; python3 make_gguf_tokenizers.py

NAME.gguf are small vocabularies without tensors, made from those of make_tokenizers.py; what llama.cpp, run on the same
fields and the tensors of a tiny model, makes of texts is
    special.json: of `texts`, by NAME: ids with special tokens as text, recognised (`add_special` besides), and what the
        recognised ids stand for
    NAME.bin: of the first `count` of tokenizer/texts.bin, little endian: u64 sum over the sums of all texts, u16 sum of
        each, for special tokens as text, then recognised. A sum is xxh64 of the ids as u32.
Every name in gguf_pre_tokenisers.hpp is run beside the one that stands for its split.
"""
import http.client
import json
import pathlib
import re
import struct
import tempfile
import urllib.parse

import gguf
import numpy as np
import xllamacpp

here = pathlib.Path(__file__).resolve().parent
out = here / "gguf_tokenizer"
count = 4000
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
M64 = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                      0x27D4EB2F165667C5)


def rotl(x, r):
    return ((x << r) | (x >> (64 - r))) & M64


def mix(lane, word):
    return rotl((lane + word * P2) & M64, 31) * P1 & M64


def xxh64(data):
    n, i = len(data), 0
    if n >= 32:
        v = [(P1 + P2) & M64, P2, 0, -P1 & M64]
        words = struct.unpack_from("<%dQ" % (n // 32 * 4), data)
        for k in range(0, len(words), 4):
            v = [mix(v[j], words[k + j]) for j in range(4)]
        i = n // 32 * 32
        h = (rotl(v[0], 1) + rotl(v[1], 7) + rotl(v[2], 12) + rotl(v[3], 18)) & M64
        for lane in v:
            h = ((h ^ mix(0, lane)) * P1 + P4) & M64
    else:
        h = P5
    h = (h + n) & M64
    while i + 8 <= n:
        h = (rotl(h ^ mix(0, struct.unpack_from("<Q", data, i)[0]), 27) * P1 + P4) & M64
        i += 8
    if i + 4 <= n:
        h = (rotl(h ^ (struct.unpack_from("<I", data, i)[0] * P1 & M64), 23) * P2 + P3) & M64
        i += 4
    while i < n:
        h = rotl(h ^ (data[i] * P5 & M64), 11) * P1 & M64
        i += 1
    h = (h ^ (h >> 33)) * P2 & M64
    h = (h ^ (h >> 29)) * P3 & M64
    return h ^ (h >> 32)


# ---- files


def write(path, fields, tensors):
    """`fields` as {key: value} of tokenizer.ggml; with `tensors` a model of one layer that llama.cpp loads."""
    w = gguf.GGUFWriter(path, "llama")
    for key, value in fields.items():
        key = "tokenizer." + ("" if key == "chat_template" else "ggml.") + key
        kind = ("bool" if isinstance(value, bool) else "uint32" if isinstance(value, int) else
                "string" if isinstance(value, str) else "array")
        getattr(w, "add_" + kind)(key, value)
    if tensors:
        n = 32
        for key in ("embedding_length", "feed_forward_length"):
            w.add_uint32("llama." + key, n)
        w.add_uint32("llama.context_length", 128)
        w.add_uint32("llama.block_count", 1)
        w.add_uint32("llama.attention.head_count", 1)
        w.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5)
        w.add_tensor("token_embd.weight", np.zeros((len(fields["tokens"]), n), np.float32))
        for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
            w.add_tensor(name + ".weight", np.zeros(n, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            w.add_tensor(f"blk.0.{name}.weight", np.zeros((n, n), np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


class Llama:
    """llama.cpp's server, in this process."""

    def __init__(self, fields):
        self.folder = tempfile.TemporaryDirectory()
        path = self.folder.name + "/model.gguf"
        write(path, fields, tensors=True)
        p = xllamacpp.CommonParams()
        p.model.path, p.n_ctx, p.n_parallel, p.warmup, p.verbosity = path, 128, 1, False, 0
        p.cpuparams.n_threads = 1
        self.server = xllamacpp.Server(p)
        address = urllib.parse.urlparse(self.server.listening_address)
        self.connection = http.client.HTTPConnection(address.hostname, address.port)

    def post(self, route, **body):
        self.connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200, answer
        return answer

    def encode(self, text, special, add=False):
        return self.post("/tokenize", content=text, parse_special=special, add_special=add)["tokens"]

    def decode(self, ids):
        return self.post("/detokenize", tokens=ids)["content"]


# ---- vocabularies


def byte_level(source, pre, **more):
    """The fields of a byte-level tokenizer.json."""
    file = json.loads((here / "tokenizer" / (source + ".json")).read_text())
    vocabulary = dict(file["model"]["vocab"])
    types = {}
    for token in file["added_tokens"]:
        vocabulary.setdefault(token["content"], token["id"])
        types[token["content"]] = CONTROL if token["special"] else USER
    tokens = sorted(vocabulary, key=vocabulary.get)
    assert [vocabulary[t] for t in tokens] == list(range(len(tokens)))
    merges = [m if isinstance(m, str) else " ".join(m) for m in file["model"]["merges"]]
    return {"model": "gpt2", "pre": pre, "tokens": tokens, "token_type": [types.get(t, NORMAL) for t in tokens],
            "merges": merges, **more}


def without(fields, lost):
    """The same without some tokens and what is made of them, as SmolLM2 lacks some bytes."""
    keep = [i for i, t in enumerate(fields["tokens"]) if not any(c in t for c in lost)]
    merges = [m for m in fields["merges"] if not any(c in m for c in lost)]
    return {**fields, "tokens": [fields["tokens"][i] for i in keep], "merges": merges,
            "token_type": [fields["token_type"][i] for i in keep]}


def scored(user=(), ties=1, **more):
    """Pieces of the Llama 2 family by the rank of their merge, `ties` of them with one score."""
    file = json.loads((here / "tokenizer" / "llama2.json").read_text())
    # Of the pieces of "<unk>" llama.cpp makes the token, even where special tokens are text.
    vocabulary = {t: i for t, i in file["model"]["vocab"].items() if "k>" not in t or t == "<unk>"}
    tokens = sorted(vocabulary, key=vocabulary.get)
    tokens += [t for t in user if t not in vocabulary]
    types = [UNKNOWN if t == "<unk>" else CONTROL if t in ("<s>", "</s>") else BYTE if t.startswith("<0x") else
             USER if t in user else NORMAL for t in tokens]
    scores, rank = [], 0
    for kind in types:
        scores.append(0.0 if kind in (BYTE, UNKNOWN, CONTROL) else -1000.0 if kind == USER else -float(rank // ties))
        rank += kind == NORMAL
    return {"model": "llama", "tokens": tokens, "scores": scores, "token_type": types, **more}


def families():
    yield "gpt2", without(byte_level("gpt2", "gpt-2", bos_token_id=0, eos_token_id=0), "\u0106%")  # no 0x06, no %
    yield "smollm", byte_level("smollm2", "smollm", bos_token_id=1, eos_token_id=2, unknown_token_id=0,
                               padding_token_id=2, add_bos_token=False, add_space_prefix=False,
                               chat_template="{{ '<|im_start|>' + message + '<|im_end|>' }}")
    yield "llama3", byte_level("llama3", "llama-bpe", bos_token_id=1500, eos_token_id=1502)
    yield "qwen2", byte_level("qwen2", "qwen2", eos_token_id=1301, bos_token_id=1300, add_eos_token=True)
    yield "default", byte_level("gpt2", "default", bos_token_id=0, eos_token_id=0)
    yield "llama2", scored(bos_token_id=1, eos_token_id=2)
    # As Gemma: no space before a text; runs of line ends and spaces; scores that are alike.
    yield "gemma", scored(user=["\n\n", "\n\n\n", "  ", "   ", "<table>", "[INST]"], ties=5, bos_token_id=1,
                          eos_token_id=2, add_space_prefix=False, add_bos_token=True, add_eos_token=True)


texts = ["", " ", "  ", "   a", "a ", "a  b   c    d", "Hello, world!", "\n", "\n\n", "a\n\n\nb\n\n\n\nc", "\t\tx", "\r\n \r\n",
         "\u2581", "a\u2581b", "\u2581\u2581", "12345 678.90 1,234,567", "x1y22z333w4444", "\u0663\u0664\u0665 \u00b2\u00b3",
         "don't DON'T we'll I'VE they're'd", "'s'S''t", "<s>", "</s>", "<s>a</s> b</s>b", "<unk>", "a<unk>b",
         "<|im_start|>user\nhi<|im_end|>\n", "<|endoftext|>x", "<|im_start|><|im_end|>", "<|im_end", "|im_end|>",
         "<|begin_of_text|>a<|eot_id|>", "<tool_call>{\"a\": 1}</tool_call>", "<table> <table>a", "[INST] x [/INST]",
         "if (a != b) { return &x[0]->y; } // $$$ +<=>^~| `` ~!@#", "a.b,c;d:e!f?g(h)i[j]k{l}m", "100% \x06 sure",
         "\u00e9 e\u0301 \u1e9b\u0323", "\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440",
         "\u0645\u0631\u062d\u0628\u0627 \u0661\u0662\u0663", "\u0928\u092e\u0938\u094d\u0924\u0947", "\uc548\ub155 \u1112\u1161\u11ab",
         "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f3f3\ufe0f\u200d\U0001f308", "\u200b\u200d\ufeff\u00ad", "\ufffd\ufffe\U0010ffff",
         "\x00a\x00", "\x1c\x1d\x85\u00a0\u3000\u2028x", "a" * 300, "ab " * 100, " " * 70 + "x", "\n" * 70 + "x",
         "0" * 100, "\u4e2d" * 60, "-" * 90, "the the theth ethe the"]


def record(lists):
    sums = [xxh64(struct.pack("<%dI" % len(i), *i)) for i in lists]
    return struct.pack("<Q", xxh64(struct.pack("<%dQ" % len(sums), *sums))) + struct.pack(
        "<%dH" % len(sums), *(s & 0xFFFF for s in sums))


def golden_texts():
    data, at, result = (here / "tokenizer" / "texts.bin").read_bytes(), 0, []
    while len(result) < count:
        size, = struct.unpack_from("<I", data, at)
        result.append(data[at + 4:at + 4 + size].decode())
        at += 4 + size
    return result


def check_names(fields, expected):
    """Every name of a split gives what the one that stands for it gave."""
    table = (here.parents[1] / "include/hydralora/text/gguf_pre_tokenisers.hpp").read_text()
    rows = re.findall(r'\{"([^"]+)", GgufSplit::(\w+)(, GgufPreTokeniser::Family::llama3)?\}', table)
    split, = [s for n, s, _ in rows if n == fields["pre"]]
    base, = [f for n, s, f in rows if n == fields["pre"]]
    for name, other, family in rows:
        if other != split or name == fields["pre"]:
            continue
        llama = Llama({**fields, "pre": name})
        if family == base:
            assert expected == [llama.encode(t, True, add=True) for t in texts], name
        else:  # words that are tokens are merged here, and no BOS token is added
            file = Llama({**fields, "pre": name, "add_bos_token": True})
            assert file.encode("a", True, add=True)[0] == fields["bos_token_id"] != llama.encode("a", True, add=True)[0]
        print("   ", name, "as", fields["pre"], "" if family == base else "but for merges and BOS")


def fuzz_seeds():
    """The smallest files of either kind, where the fuzz test of GGUF files begins."""
    corpus = here.parent / "fuzz/corpus/gguf"
    write(corpus / "scored.gguf", {
        "model": "llama", "tokens": ["<unk>", "<s>", "</s>", "\u2581", "a", "b", "ab", "<0x0A>", "x"],
        "scores": [0.0, 0.0, 0.0, -1.0, -1.0, -2.0, -3.0, 0.0, 0.0],
        "token_type": [UNKNOWN, CONTROL, CONTROL, NORMAL, NORMAL, NORMAL, NORMAL, BYTE, USER]}, tensors=False)
    write(corpus / "ranked.gguf", {
        "model": "gpt2", "pre": "llama-bpe", "tokens": ["a", "b", "ab", "\u0120", "</s>"],
        "token_type": [NORMAL, NORMAL, NORMAL, NORMAL, CONTROL], "merges": ["a b"], "bos_token_id": 4,
        "chat_template": "[INST]"}, tensors=False)


def main():
    fuzz_seeds()
    out.mkdir(exist_ok=True)
    many = golden_texts()
    special = {"texts": texts}
    for name, fields in families():
        write(out / (name + ".gguf"), fields, tensors=False)
        llama = Llama(fields)
        rows = [[llama.encode(t, s, a) for t in texts] for s, a in ((False, False), (True, False), (True, True))]
        special[name] = {"as_text": rows[0], "recognised": rows[1], "added": rows[2],
                         "decoded": [llama.decode(i) for i in rows[1]]}
        (out / (name + ".bin")).write_bytes(
            b"".join(record([llama.encode(t, s) for t in many]) for s in (False, True)))
        print(name, len(fields["tokens"]))
        if fields["model"] == "gpt2":
            check_names(fields, rows[2])
    text = json.dumps(special, separators=(",", ":"))
    (out / "special.json").write_text(text.replace("],\"", "],\n\"") + "\n")


main()
