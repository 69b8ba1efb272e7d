#!/usr/bin/env python3
"""A training step of HydraLoRA in PyTorch, to stand beside that of `hydra train`: adapters on all seven projections of
a random Llama in the shape of SmolLM2-135M (134,515,008 parameters).

    pip install torch transformers safetensors
    python3 bench/peers/train_step.py --make build/smollm2-135m       # the model, bfloat16, 270 MB, no tokenizer
    python3 bench/peers/train_step.py --measure build/smollm2-135m    # seconds a step
    python3 bench/peers/train_step.py --measure build/smollm2-135m --form factorised --json FILE

A step: forward, mean loss over all tokens but the last of a sequence, backward, clipping to norm 1, AdamW on the
adapters, zeroing of gradients; float32. The forms of the adapter, which compute the same, are those of adapter_forms.py.
"""
import argparse
import json
import pathlib
import platform
import resource
import statistics
import time

import torch
import transformers
from torch.nn.functional import cross_entropy

from adapter_forms import Factorised, Released

SHAPE = dict(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_attention_heads=9, num_key_value_heads=3,
             max_position_embeddings=8192, rms_norm_eps=1e-5, tie_word_embeddings=True,
             rope_parameters={"rope_type": "default", "rope_theta": 100000.0})
TARGETS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]


def make(args):
    torch.manual_seed(args.seed)
    config = transformers.LlamaConfig(**SHAPE, num_hidden_layers=args.layers, bos_token_id=0, eos_token_id=0)
    model = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(args.make)
    (pathlib.Path(args.make) / "generation_config.json").unlink(missing_ok=True)
    print(f"{args.make}: {sum(p.numel() for p in model.parameters()):,} parameters")


def adapt(model, args):
    """Puts an adapter around every target; returns their parameters."""
    model.requires_grad_(False)
    kind = {"released": Released, "factorised": Factorised}[args.form]
    adapters = []
    for layer in model.model.layers:
        for target in TARGETS:
            parent, name = target.split(".")
            adapters.append(kind(layer.get_submodule(target), args.rank, args.heads, args.alpha, args.dropout))
            setattr(layer.get_submodule(parent), name, adapters[-1])
    return [p for p in model.parameters() if p.requires_grad]


def measure(args):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = transformers.AutoModelForCausalLM.from_pretrained(args.measure, dtype=torch.float32)
    model.config.use_cache = False
    parameters = adapt(model, args)
    model.train()
    adamw = torch.optim.AdamW(parameters, lr=2e-4, weight_decay=0.0)
    ids = torch.randint(0, model.config.vocab_size, (args.batch, args.length))
    labels = torch.cat([ids[:, 1:], torch.full((args.batch, 1), -100)], dim=1)

    def step():
        begin = time.perf_counter()
        logits = model(input_ids=ids).logits
        loss = cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        del logits
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        adamw.step()
        adamw.zero_grad(set_to_none=False)
        return time.perf_counter() - begin, loss.item()

    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {torch.get_num_threads()} threads, "
          f"{platform.processor() or platform.machine()}; {model.config.num_hidden_layers} layers, "
          f"{sum(p.numel() for p in parameters):,} of the adapters' parameters")
    for number in range(args.warm_up):
        print("warm-up: %.2f s, loss %.4f" % step(), flush=True)
    seconds = []
    for number in range(args.steps):
        seconds.append(step()[0])
        print(f"step {number + 1}: {seconds[-1]:.2f} s", flush=True)
    median = statistics.median(seconds)
    tokens = args.batch * args.length
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
    case = (f"{args.form} {args.batch}x{args.length} r={args.rank} N={args.heads} p={args.dropout:g} "
            f"layers={model.config.num_hidden_layers} threads={args.threads}")
    print(f"{case}: {median:.3f} s a step [{min(seconds):.3f}, {max(seconds):.3f}], {tokens / median:.0f} tokens/s, "
          f"peak {peak / 2**30:.2f} GiB")
    if args.json:
        row = {"row": "train_step_pytorch", "case": case, "measured": median, "unit": "s", "least": min(seconds),
               "most": max(seconds), "tokens_per_second": tokens / median, "peak_bytes": peak,
               "torch": torch.__version__}
        with open(args.json, "a") as file:
            file.write(json.dumps(row) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--make", metavar="DIR", help="write the model directory")
    what.add_argument("--measure", metavar="DIR", help="time steps on a model directory")
    parser.add_argument("--layers", type=int, default=30, help="of the model to make (30)")
    parser.add_argument("--form", choices=["released", "factorised"], default="released")
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--alpha", type=float, default=32.0)
    parser.add_argument("--dropout", type=float, default=0.0, help="before A (0); the released script trains with 0.05")
    parser.add_argument("--batch", type=int, default=4, help="sequences a step (4)")
    parser.add_argument("--length", type=int, default=512, help="tokens a sequence (512)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warm-up", type=int, default=1, help="steps before those that count (1)")
    parser.add_argument("--steps", type=int, default=5, help="steps whose median is reported (5)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", help="append one JSON object")
    args = parser.parse_args()
    if args.make:
        make(args)
    else:
        measure(args)


if __name__ == "__main__":
    main()
