#!/usr/bin/env python3
"""The linear layer of HydraLoRA in eager PyTorch on a GPU, in turn with the one of this library.

    python3 bench/peers/gpu_layer.py --beside build/gpu/gpu_bench     # rows as lines of JSON
    python3 bench/peers/gpu_layer.py                                  # PyTorch alone: milliseconds

A pass: forward, and backward to the input and the adapter's parameters; everything in bfloat16, the router's softmax in
float32. The forms are those of adapter_forms.py.

`--beside` names the program that times this library's layer: `PROGRAM --serve` answers a request a line, so that each
round has every form and ours. On a GPU both take CUDA events around as many repeats.
"""
import argparse
import json
import shlex
import statistics
import sys
import time

from side_by_side import Beside, digits, holds, interleave, over

NAMES = {"ratio": "released in PyTorch / our layer, fwd+bwd", "matmul": "torch.matmul / our product",
         "saved": "saved by the adapters: released (counted in PyTorch) / ours"}


def row(name, case, unit, values, target=None, sense=">=", command=""):
    """A line as bench/thrust/row.hpp makes it: median, least and most, and the verdict on the median."""
    median = statistics.median(values)
    line = {"row": name, "case": case, "unit": unit, "measured": digits(median), "min": digits(min(values)),
            "max": digits(max(values)), "target": target}
    if target is None:
        line["holds"] = None
    else:
        line["sense"] = sense
        line["holds"] = holds(median, target, sense)
    line["command"] = command
    return line


def words(shape, tokens):
    width, out = shape
    return f"{width}^2, T = {tokens}" if width == out else f"{width}->{out}, T = {tokens}"


class Ours:
    """`PROGRAM --serve`; without a program every answer is None."""

    def __init__(self, command):
        self.program = Beside(shlex.split(command) + ["--serve"]) if command else None

    def __call__(self, what, shape, tokens, repeats=1):
        return float(self.program.ask(what, *shape, tokens, repeats)) if self.program else None

    def close(self):
        if self.program:
            self.program.close()


class Clock:
    def __init__(self, torch, device):
        self.torch, self.events = torch, device == "cuda"

    def __call__(self, run, repeats):
        """Seconds of one."""
        if not self.events:
            begin = time.perf_counter()
            for _ in range(repeats):
                run()
            return (time.perf_counter() - begin) / repeats
        run()  # the device is busy when the first mark is queued
        begin, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(repeats):
            run()
        end.record()
        end.synchronize()
        return 1e-3 * begin.elapsed_time(end) / repeats


def measure(torch, args, emit):
    import adapter_forms
    clock, ours = Clock(torch, args.device), Ours(args.beside)
    end = time.monotonic() + args.seconds
    dtype = torch.bfloat16
    try:
        for shape, target in zip(args.shapes, [2.5, None, 3.5]):
            case, hydra = words(shape, args.tokens), ", r = 8, N = 4"
            if time.monotonic() > end:
                print(f"gpu_layer.py: {case} left out, the time is spent", file=sys.stderr)
                emit({"row": NAMES["ratio"], "case": case + hydra, "unit": "x", "measured": None, "target": target,
                      "sense": ">=", "holds": None, "reason": "the time is spent", "command": args.command})
                continue
            layer = adapter_forms.make_layer(shape, args.device, dtype)
            forms = adapter_forms.make_forms(layer)
            x = torch.randn(args.tokens, shape[0], device=args.device).to(dtype).requires_grad_(True)
            dy = (0.01 * torch.randn(args.tokens, shape[1], device=args.device)).to(dtype)
            rows, back = x.detach(), layer["w"]
            cases = {name: lambda n, form=form: clock(lambda: adapter_forms.backward_of(form, x, dy), n)
                     for name, form in forms.items()}
            products = {"matmul": lambda n: clock(lambda: torch.matmul(rows, back.t()), n),
                        "matmul_back": lambda n: clock(lambda: torch.matmul(dy, back), n)}
            if args.beside:
                for what in ["layer", "layer_dropout"]:
                    cases["our_" + what] = lambda n, what=what: ours(what, shape, args.tokens, n)
                for what in ["product", "product_back"]:
                    products["our_" + what] = lambda n, what=what: ours(what, shape, args.tokens, n)
            times = interleave(cases, args.rounds, args.block)
            for name in forms:
                emit(row(f"PyTorch {name} fwd+bwd", case + hydra, "ms", [1e3 * t for t in times[name]]))
            if args.beside:
                emit(row(NAMES["ratio"], case + hydra, "x", over(times, "released", "our_layer"), target))
                emit(row(NAMES["ratio"], case + hydra + ", dropout 0.05", "x",
                         over(times, "released_dropout", "our_layer_dropout")))
                emit(row("fused by hand in PyTorch / our layer, fwd+bwd", case + hydra, "x",
                         over(times, "fused", "our_layer")))
                times = interleave(products, args.rounds, args.block)
                emit(row(NAMES["matmul"], "x W^T " + case, "x", over(times, "matmul", "our_product"), 0.97))
                emit(row(NAMES["matmul"], "dy W " + case, "x", over(times, "matmul_back", "our_product_back"), 0.97))
            del layer, forms, x, dy, rows, back, cases, products
        if args.beside:
            emit_saved(torch, args, ours, emit)
    finally:
        ours.close()


def emit_saved(torch, args, ours, emit):
    import adapter_forms
    (d, _), (_, f) = args.shapes[0], args.shapes[1]
    block = [(d, d)] * 4 + [(d, f)] * 2 + [(f, d)]
    mine, theirs, dropping = 0, 0, 0
    for shape in block:
        layer = adapter_forms.make_layer(shape, args.device, torch.bfloat16)
        forms = adapter_forms.make_forms(layer)
        x = torch.randn(args.tokens, shape[0], device=args.device).to(torch.bfloat16).requires_grad_(True)
        frozen = adapter_forms.saved_bytes(forms["frozen"], x, layer)
        theirs += adapter_forms.saved_bytes(forms["released"], x, layer) - frozen
        dropping += adapter_forms.saved_bytes(forms["released_dropout"], x, layer) - frozen
        mine += ours("saved", shape, args.tokens)
    emit(row(NAMES["saved"], "7B-shaped block", "x", [theirs / mine], 50.0))
    emit(row(NAMES["saved"], "7B-shaped block, dropout 0.05", "x", [dropping / mine], 50.0))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", metavar="PROGRAM", help="gpu_bench, to be timed in turn")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small shapes, to try the paths")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--block", type=float, default=0.02, help="seconds between two marks, about (0.02)")
    parser.add_argument("--seconds", type=float, default=120, help="shapes that would begin later are left out (120)")
    parser.add_argument("--json", metavar="FILE", help="append the lines there instead of printing them")
    args = parser.parse_args()
    import torch
    import adapter_forms
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("gpu_layer.py: this PyTorch sees no GPU")
    adapter_forms.check_forms()
    args.command = "python3 bench/peers/gpu_layer.py" + (f" --beside '{args.beside}'" if args.beside else "")
    args.shapes = [(32, 32), (32, 48), (16, 16)] if args.tiny else [(4096, 4096), (4096, 11008), (2048, 2048)]
    args.tokens = 64 if args.tiny else 8192
    if args.tiny:
        args.rounds, args.block = min(args.rounds, 3), 0
    with open(args.json, "a") if args.json else sys.stdout as file:
        def emit(line):
            file.write(json.dumps({**line, "command": args.command}, separators=(",", ":")) + "\n")
            file.flush()
        measure(torch, args, emit)


if __name__ == "__main__":
    main()
