#!/usr/bin/env bash
# llama.cpp (PyPI xllamacpp 2026.10.11549) puts token 11 before a text, whatever that is, where a GGUF file of a byte-level
# vocabulary (`tokenizer.ggml.model` = gpt2) asks for a beginning token and names none.
#
# The file has `tokenizer.ggml.add_bos_token` = true and no `tokenizer.ggml.bos_token_id`, as a converter leaves it that copies
# one key and not the other. Nothing is logged as an error. With `tokenizer.ggml.pre` = llama-bpe the same happens without
# add_bos_token, which is then taken as true. Seen: [11, 97] for "a" in a vocabulary whose token 97 is "a" and 11 nothing of the kind.
#
# Output seen:
#   gpt-2, add_bos_token, no id: [11, 97]
#   llama-bpe, neither key: [11, 97]
#   gpt-2, neither key: [97]
#   gpt-2, both keys: [40, 97]
#
# The way out: write both keys. Needs a network and Python 3; exits 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.2.6 gguf==0.19.0 xllamacpp==2026.10.11549
"$folder/venv/bin/python" - "$folder/model.gguf" << 'END'
import http.client, json, sys, urllib.parse
import gguf, numpy as np, xllamacpp

# One token a byte, in the characters that byte-level vocabularies write bytes in; printable ASCII stands for itself.
shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
letters = [chr(b) for b in shown] + [chr(256 + i) for i in range(256 - len(shown))]
tokens = [chr(0x100 + i) for i in range(33)] + [chr(c) for c in range(33, 127)]
tokens += [t for t in letters if t not in set(tokens)]


def encode(path, pre, add_bos, bos):
    w = gguf.GGUFWriter(path, "llama")
    w.add_block_count(1), w.add_context_length(64), w.add_embedding_length(32), w.add_feed_forward_length(32)
    w.add_head_count(1), w.add_head_count_kv(1), w.add_layer_norm_rms_eps(1e-5)
    w.add_tokenizer_model("gpt2"), w.add_tokenizer_pre(pre), w.add_token_list(tokens)
    w.add_token_types([1] * len(tokens)), w.add_token_merges(["a b"])
    if add_bos is not None:
        w.add_add_bos_token(add_bos)
    if bos is not None:
        w.add_bos_token_id(bos)
    w.add_tensor("token_embd.weight", np.zeros((len(tokens), 32), np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        w.add_tensor(name + ".weight", np.zeros(32, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
        w.add_tensor(f"blk.0.{name}.weight", np.zeros((32, 32), np.float32))
    w.write_header_to_file(), w.write_kv_data_to_file(), w.write_tensors_to_file(), w.close()
    p = xllamacpp.CommonParams()
    p.model.path, p.n_ctx, p.n_parallel, p.warmup, p.verbosity = path, 64, 1, False, 0
    server = xllamacpp.Server(p)
    address = urllib.parse.urlparse(server.listening_address)
    connection = http.client.HTTPConnection(address.hostname, address.port)
    connection.request("POST", "/tokenize", json.dumps({"content": "a", "add_special": True}),
                       {"Content-Type": "application/json"})
    return json.loads(connection.getresponse().read())["tokens"]


a = tokens.index("a")
found = {name: encode(sys.argv[1], *case) for name, case in {
    "gpt-2, add_bos_token, no id": ("gpt-2", True, None),
    "llama-bpe, neither key": ("llama-bpe", None, None),
    "gpt-2, neither key": ("gpt-2", None, None),
    "gpt-2, both keys": ("gpt-2", True, 40),
}.items()}
for name, ids in found.items():
    print(f"{name}: {ids}")
expected = [[11, a], [11, a], [a], [40, a]]
if list(found.values()) != expected:
    sys.exit(f"changed: expected {expected}")
END
