"""Sets llama.cpp (the Python package xllamacpp) beside hydra: the same GGUF base, the same adapter, the same prompts, greedy.

    real_model_llama_cpp.py HYDRA BASE.gguf ADAPTER LORA.gguf REPORT.json [TOKENS]

ADAPTER and LORA.gguf are one LoRA, as hydra reads it and as llama.cpp does; the prompts are the samples of a run's
REPORT.json. Prints both texts and where they part, if they do: of a quantised base llama.cpp rounds what its products
read to 8 bits, hydra does not, so a near tie may fall the other way."""
import json
import re
import subprocess
import sys
import urllib.request

import xllamacpp

# What `hydra generate` writes around a prompt with the chat format chatml. Other prompts are continued as texts.
CHATML = re.compile(r"<\|im_start\|>user\n(.*)<\|im_end\|>\n<\|im_start\|>assistant\n", re.DOTALL)


def serve(base, lora):
    p = xllamacpp.CommonParams()
    p.model.path, p.n_ctx, p.n_parallel, p.warmup, p.verbosity = base, 1024, 1, False, 0
    # Flash attention, its default, rounds more.
    p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    p.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(lora, 1.0)]
    return xllamacpp.Server(p)


def ids_of(server, prompt, chat):
    """Control tokens are read as such in a conversation and are words in a text, as hydra has it."""
    body = json.dumps({"content": prompt, "add_special": True, "parse_special": chat}).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(server.listening_address + "/tokenize", body, headers)) as reply:
        ids = json.load(reply)["tokens"]
    return ids[1:] if ids[:1] == ids[1:2] else ids  # the prompt had its beginning-of-text token already


def llama_cpp_tokens(server, prompt, chat, tokens):
    """The generated tokens: bytes, and the likeliest ones in their place with their log-probabilities."""
    reply = server.handle_completions({"prompt": ids_of(server, prompt, chat), "n_predict": tokens, "temperature": 0,
                                       "n_probs": 20, "cache_prompt": False})
    reply = json.loads(reply) if isinstance(reply, (str, bytes)) else reply
    return [(bytes(t["bytes"]), [(bytes(o["bytes"]), o["logprob"]) for o in t["top_logprobs"]])
            for t in reply["choices"][0]["logprobs"]["content"]]


def hydra_text(hydra, base, adapter, words, raw, tokens):
    command = [hydra, "generate", *(["--raw"] if raw else []), "--base", base, "--adapter", adapter, "--temperature", "0",
               "--tokens", str(tokens), "--", words]
    made = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.removesuffix(b"\n")
    return made[len(words.encode()):] if raw else made


def parting(ours, theirs):
    """The number of tokens after which `ours` does not go on as `theirs` does, or None."""
    at = 0
    for n, (piece, _) in enumerate(theirs):
        if not ours.startswith(piece, at) or (not piece and at < len(ours)):  # an end of text has no bytes
            return n
        at += len(piece)
    return None if at == len(ours) else len(theirs)


def gap(ours, theirs, n):
    """By how many nats llama.cpp holds its token n likelier than hydra's; None where hydra's is not among its likeliest."""
    rest = ours[sum(len(piece) for piece, _ in theirs[:n]):]
    options = theirs[n][1] if n < len(theirs) else []
    fitting = [logprob for piece, logprob in options if (piece and rest.startswith(piece)) or rest == piece]
    return options[0][1] - fitting[0] if fitting else None


def shown(text):
    line = text.decode(errors="replace").replace("\n", "\\n")
    return line if len(line) <= 100 else line[:100] + "..."


def main():
    hydra, base, adapter, lora, report = sys.argv[1:6]
    tokens = int(sys.argv[6]) if len(sys.argv) > 6 else 32
    server = serve(base, lora)
    with open(report, encoding="utf-8") as file:
        samples = json.load(file)["samples"]
    same = 0
    for sample in samples:
        prompt = sample["prompt"]
        chat = CHATML.fullmatch(prompt)
        ours = hydra_text(hydra, base, adapter, chat.group(1) if chat else prompt, not chat, tokens)
        theirs = llama_cpp_tokens(server, prompt, bool(chat), tokens)
        n = parting(ours, theirs)
        print(f"{sample['domain']}\n  hydra     {shown(ours)}\n  llama.cpp {shown(b''.join(p for p, _ in theirs))}")
        if n is None:
            same += 1
            print(f"  the same {len(theirs)} tokens")
        else:
            nats = gap(ours, theirs, n)
            near = "" if nats is None else f", where llama.cpp holds its own likelier by {nats:.2f} nats"
            print(f"  part after {n} tokens{near}")
    print(f"\nllama.cpp continues {same} of {len(samples)} prompts token by token as hydra does")


if __name__ == "__main__":
    main()
