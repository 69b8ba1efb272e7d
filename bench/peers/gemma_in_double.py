#!/usr/bin/env python3
"""Why llama.cpp and ours differ on a Gemma 3 in row N: a forward pass in double beside both ideas of its GELU.

    python3 bench/peers/gemma_in_double.py --hydra PROGRAM --gguf FILE [--threads N]      # gguf, numpy and xllamacpp

Prints the largest difference of log-probabilities over the 5 likeliest tokens of every place of row N's texts: ours from the
pass in double; that pass with GELU by a table of float16, as ggml's CPU code has it, from the one without; and the same with
what the table is asked for moved by one part in a million, from the one with it unmoved.
"""
import argparse
import math
import os
import pathlib
import subprocess
import tempfile

import gguf
import numpy as np

from gguf_agreement import PROMPTS, ids_of, log_probabilities, save_ids, serve

LOCAL_BASE, LOCAL_LAYERS = 10000.0, 5  # Gemma 3: every sixth layer is global; neither is in the file


class Gemma:
    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        field = lambda key: reader.fields["gemma3." + key].contents()
        self.layers, self.width = field("block_count"), field("embedding_length")
        self.heads, self.kv_heads = field("attention.head_count"), field("attention.head_count_kv")
        self.size, self.window = field("attention.key_length"), field("attention.sliding_window")
        self.eps, self.base = field("attention.layer_norm_rms_epsilon"), field("rope.freq_base")
        self.of = {t.name.removesuffix(".weight"):
                   gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float64).reshape([int(n) for n in t.shape[::-1]])
                   for t in reader.tensors}

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.of[name]

    def turned(self, x, base):  # (T, heads, size)
        half = self.size // 2
        angle = np.arange(len(x))[:, None] * base ** (-np.arange(0, self.size, 2) / self.size)
        cos, sin, a, b = np.cos(angle)[:, None], np.sin(angle)[:, None], x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def attend(self, x, layer):
        local = layer % (LOCAL_LAYERS + 1) != LOCAL_LAYERS
        base, tokens = LOCAL_BASE if local else self.base, np.arange(len(x))
        p = f"blk.{layer}.attn_"
        q, k, v = ((x @ self.of[p + n].T).reshape(len(x), -1, self.size) for n in "qkv")
        q, k = self.turned(self.norm(q, p + "q_norm"), base), self.turned(self.norm(k, p + "k_norm"), base)
        seen = (tokens <= tokens[:, None]) & ((tokens[:, None] - tokens < self.window) | (not local))
        made = []
        for h in range(self.heads):
            of = h // (self.heads // self.kv_heads)
            scores = np.where(seen, q[:, h] @ k[:, of].T / math.sqrt(self.size), -np.inf)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            made.append(scores / scores.sum(-1, keepdims=True) @ v[:, of])
        return np.concatenate(made, -1) @ self.of[p + "output"].T

    def log_probabilities(self, ids, gelu):
        x = self.of["token_embd"][ids] * math.sqrt(self.width)
        for layer in range(self.layers):
            p = f"blk.{layer}."
            x = x + self.norm(self.attend(self.norm(x, p + "attn_norm"), layer), p + "post_attention_norm")
            y = self.norm(x, p + "ffn_norm")
            y = gelu(y @ self.of[p + "ffn_gate"].T) * (y @ self.of[p + "ffn_up"].T)
            x = x + self.norm(y @ self.of[p + "ffn_down"].T, p + "post_ffw_norm")
        logits = self.norm(x, "output_norm") @ self.of["token_embd"].T
        logits -= logits.max(-1, keepdims=True)
        return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def exact(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x * x)))


def table(x):
    places = x.astype(np.float16).astype(float)
    return np.where(np.abs(x) < 10, exact(places).astype(np.float16).astype(float), np.maximum(x, 0))


def moved(x):
    return table(x * (1 + 1e-6 * np.random.default_rng(1).standard_normal(x.shape)))


def apart(of, from_):
    top = np.argsort(-from_, -1)[..., :5]
    return np.abs(np.take_along_axis(of, top, -1) - np.take_along_axis(from_, top, -1)).max()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hydra", required=True)
    parser.add_argument("--gguf", required=True)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        ids, logits = pathlib.Path(name) / "ids.safetensors", pathlib.Path(name) / "logits.safetensors"
        server = serve(args.gguf, args.threads)
        rows = [ids_of(server, path) for path in PROMPTS]
        del server
        save_ids(ids, rows)
        subprocess.run([args.hydra, "eval", ids, "--base", args.gguf, "--logits", logits], check=True, stdout=subprocess.DEVNULL)
        ours = log_probabilities(logits)
    model = Gemma(args.gguf)
    made = {gelu: np.stack([model.log_probabilities(row, gelu) for row in rows]) for gelu in (exact, table, moved)}
    print(f"ours from double: {apart(ours, made[exact]):.1e}")
    print(f"a table of float16 from GELU: {apart(made[table], made[exact]):.1e}")
    print(f"that table asked one part in a million beside: {apart(made[moved], made[table]):.1e}")


if __name__ == "__main__":
    main()
