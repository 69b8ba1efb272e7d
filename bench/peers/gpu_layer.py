#!/usr/bin/env python3
"""The linear layer of HydraLoRA in eager PyTorch on a GPU, in turn with the one of this library.

    python3 bench/peers/gpu_layer.py --beside build/gpu/gpu_bench     # rows as lines of JSON
    python3 bench/peers/gpu_layer.py                                  # PyTorch alone: milliseconds

A pass: forward, and backward to the input and the adapter's parameters; everything in bfloat16, the router's softmax in
float32. Forms:

    frozen      the product with W0 alone, and its dX
    lora        W0 x + s B A x, one head and no router
    released    as in the released code (github.com/Clin0212/HydraLoRA, HydraLoRA/peft/tuners/lora.py): softmax of the
                router in float32, then head by head a dropout of its own, A x again, and a weighted (T, out) tensor
    fused       by hand: one dropout, A x once, weighted by the gates, and one product with all heads side by side

`--beside` names the program that times this library's layer: `PROGRAM --serve` answers a request a line, so that each
round has every form and ours. On a GPU both take CUDA events around as many repeats.
"""
import argparse
import json
import math
import shlex
import statistics
import subprocess
import sys
import time

RANK, HEADS, ALPHA, DROPOUT = 8, 4, 32.0, 0.05
NAMES = {"ratio": "released in PyTorch / our layer, fwd+bwd", "matmul": "torch.matmul / our product",
         "saved": "saved by the adapters: released (counted in PyTorch) / ours"}


def row(name, case, unit, values, target=None, sense=">=", command=""):
    """A line as bench/thrust/row.hpp makes it: median, least and most, and the verdict on the median."""
    def digits(value):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    median = statistics.median(values)
    line = {"row": name, "case": case, "unit": unit, "measured": digits(median), "min": digits(min(values)),
            "max": digits(max(values)), "target": target}
    if target is None:
        line["holds"] = None
    else:
        line["sense"] = sense
        line["holds"] = bool(median >= target if sense == ">=" else median <= target)
    line["command"] = command
    return line


def words(shape, tokens):
    width, out = shape
    return f"{width}^2, T = {tokens}" if width == out else f"{width}->{out}, T = {tokens}"


class Ours:
    """`PROGRAM --serve`; without a program every answer is None."""

    def __init__(self, command):
        self.process = None
        if command:
            self.process = subprocess.Popen(shlex.split(command) + ["--serve"], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True)

    def __call__(self, what, shape, tokens, repeats=1):
        if self.process is None:
            return None
        try:
            self.process.stdin.write(f"{what} {shape[0]} {shape[1]} {tokens} {repeats}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the program beside has ended") from None
        answer = self.process.stdout.readline().strip()
        if not answer or answer.startswith("error"):
            raise RuntimeError(f"the program beside answers {answer!r} to {what} {shape}")
        return float(answer)

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


def make_layer(torch, shape, device, dtype, heads=HEADS, seed=1):
    """W0, A (r, in), B_i (out, r), the router (N, in) and the heads' B side by side."""
    generator = torch.Generator().manual_seed(seed)
    width, out = shape

    def draw(rows, cols, scale):
        return ((torch.rand(rows, cols, generator=generator) * 2 - 1) * scale).to(device=device, dtype=dtype)
    layer = {"w": draw(out, width, 0.02), "a": draw(RANK, width, width ** -0.5), "route": draw(heads, width, width ** -0.5)}
    layer["bs"] = [draw(out, RANK, 0.02) for _ in range(heads)]
    layer["b"] = torch.cat(layer["bs"], dim=1)
    for tensor in [layer["a"], layer["route"], layer["b"], *layer["bs"]]:
        tensor.requires_grad_(True)
    return layer


def make_forms(torch, layer):
    """Name -> (forward(x), the parameters it trains)."""
    linear, drop = torch.nn.functional.linear, torch.nn.functional.dropout
    w, a, b, bs, route, s = layer["w"], layer["a"], layer["b"], layer["bs"], layer["route"], ALPHA / RANK

    def dropped(x, p):
        return drop(x, p) if p > 0 else x  # the released code has nn.Identity for p = 0

    def gate(x):
        wide = torch.float64 if x.dtype == torch.float64 else torch.float32
        return torch.softmax(linear(x, route), dim=-1, dtype=wide).to(x.dtype)  # (T, N)

    def released(p):
        def forward(x):
            y, g = linear(x, w), gate(x)
            for i, head in enumerate(bs):
                y = y + g[:, i:i + 1] * linear(linear(dropped(x, p), a), head) * s  # (T, out)
            return y
        return forward

    def fused(p):
        def forward(x):
            u = linear(dropped(x, p), a)  # (T, r)
            z = (s * gate(x).unsqueeze(-1) * u.unsqueeze(-2)).flatten(-2)  # (T, N*r)
            return linear(x, w) + linear(z, b)
        return forward
    return {"frozen": (lambda x: linear(x, w), []),
            "lora": (lambda x: linear(x, w) + s * linear(linear(x, a), bs[0]), [a, bs[0]]),
            "released": (released(0), [a, route, *bs]),
            "released_dropout": (released(DROPOUT), [a, route, *bs]),
            "fused": (fused(0), [a, route, b]),
            "fused_dropout": (fused(DROPOUT), [a, route, b])}


def backward_of(torch, form, x, dy):
    forward, parameters = form
    return torch.autograd.grad(forward(x), [x, *parameters], dy)


def saved_bytes(torch, form, x, layer):
    """Bytes that autograd keeps of one forward pass, besides the input, the weight and the parameters."""
    spared = {t.untyped_storage().data_ptr() for t in [x, layer["w"], layer["a"], layer["route"], layer["b"], *layer["bs"]]}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in spared:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = form[0](x)
    total = sum(kept.values())
    del y
    return total


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


def interleave(cases, rounds, block):
    """Name -> seconds of each round; another case first in each, each repeated to fill a block of so many seconds."""
    times, names = {name: [] for name in cases}, list(cases)
    for name in names:
        cases[name](1)
    repeats = {name: max(1, min(200, math.ceil(block / max(cases[name](1), 1e-6)))) for name in names}
    for number in range(rounds):
        for i in range(len(names)):
            name = names[(i + number) % len(names)]
            times[name].append(cases[name](repeats[name]))
    return times


def over(times, subject, beside):
    return [a / b for a, b in zip(times[subject], times[beside])]


def measure(torch, args, emit):
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
            layer = make_layer(torch, shape, args.device, dtype)
            forms = make_forms(torch, layer)
            x = torch.randn(args.tokens, shape[0], device=args.device).to(dtype).requires_grad_(True)
            dy = (0.01 * torch.randn(args.tokens, shape[1], device=args.device)).to(dtype)
            rows, back = x.detach(), layer["w"]
            cases = {name: lambda n, form=form: clock(lambda: backward_of(torch, form, x, dy), n)
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
    (d, _), (_, f) = args.shapes[0], args.shapes[1]
    block = [(d, d)] * 4 + [(d, f)] * 2 + [(f, d)]
    mine, theirs, dropping = 0, 0, 0
    for shape in block:
        layer = make_layer(torch, shape, args.device, torch.bfloat16)
        forms = make_forms(torch, layer)
        x = torch.randn(args.tokens, shape[0], device=args.device).to(torch.bfloat16).requires_grad_(True)
        frozen = saved_bytes(torch, forms["frozen"], x, layer)
        theirs += saved_bytes(torch, forms["released"], x, layer) - frozen
        dropping += saved_bytes(torch, forms["released_dropout"], x, layer) - frozen
        mine += ours("saved", shape, args.tokens)
    emit(row(NAMES["saved"], "7B-shaped block", "x", [theirs / mine], 50.0))
    emit(row(NAMES["saved"], "7B-shaped block, dropout 0.05", "x", [dropping / mine], 50.0))


def check_forms(torch):
    """In double on the CPU: fused is released; lora is released with one head; frozen is released with B = 0. Outputs
    and gradients; where forms hold B differently, side by side."""
    def compare(what, a, b):
        worst = max(((p - q).abs().max() / q.abs().max().clamp(min=1e-12)).item() for p, q in zip(a, b))
        assert worst < 1e-12, f"{what}: {worst}"
    shape, tokens = (24, 20), 7
    torch.manual_seed(3)
    x = torch.randn(tokens, shape[0], dtype=torch.float64, requires_grad=True)
    dy = torch.randn(tokens, shape[1], dtype=torch.float64)

    def passes(layer, name):
        form = make_forms(torch, layer)[name]
        return form[0](x).detach(), backward_of(torch, form, x, dy)
    layer = make_layer(torch, shape, "cpu", torch.float64)
    y, (dx, da, droute, *dbs) = passes(layer, "released")
    compare("fused", [passes(layer, "fused")[0], *passes(layer, "fused")[1]], [y, dx, da, droute, torch.cat(dbs, dim=1)])
    one = make_layer(torch, shape, "cpu", torch.float64, heads=1)
    y, (dx, da, _, db) = passes(one, "released")
    compare("lora", [passes(one, "lora")[0], *passes(one, "lora")[1]], [y, dx, da, db])
    with torch.no_grad():
        for b in layer["bs"]:
            b.zero_()
    y, (dx, *_) = passes(layer, "released")
    compare("frozen", [passes(layer, "frozen")[0], *passes(layer, "frozen")[1]], [y, dx])


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
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("gpu_layer.py: this PyTorch sees no GPU")
    check_forms(torch)
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
