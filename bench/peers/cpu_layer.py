#!/usr/bin/env python3
"""HydraLoRA's linear layer in PyTorch on the CPU, in turn with the one of this library. bench/peers.sh runs this:

    python3 bench/peers/cpu_layer.py --beside build/plain/bench/peer_layer [--quick] [--json FILE]

A pass: forward, and backward to the input and the adapter's parameters; float32, r = 8. The forms are those of
adapter_forms.py. Both sides compute on the same numbers, and before they are timed their outputs and gradients are
compared. Ours packs A, B and the router anew in each pass, as a training step must.
"""
import pathlib
import sys
import tempfile
from dataclasses import dataclass

from side_by_side import Pressure, Report, answer_trials, begin, clocked, interleave, note_of, over, read, write

AGREE = 1e-4  # relative, in the Euclidean norm
SLOW = 3      # seconds of a pass: what would take minutes is left out


@dataclass
class Case:
    width: int
    out: int
    tokens: int
    heads: int
    targets: dict
    quick: bool = False

    def words(self):
        return f"{self.width}x{self.out} T={self.tokens}"


CASES = [Case(2048, 2048, 512, 3, {"B": 1.6, "B'": 2.2, "C": 1.0, "J": (0.55, 1.0)}, True),
         Case(2048, 2048, 512, 8, {"B": 2.5, "B'": 4.0}, True),
         Case(768, 3072, 512, 3, {"B": 2.1}, True),
         Case(768, 3072, 512, 8, {"B": 3.5}, True),
         Case(2048, 5632, 2048, 3, {"B": 1.4}),
         Case(2048, 5632, 2048, 8, {"B": 2.3}),
         Case(2048, 2048, 128, 3, {"C": 0.8}),
         Case(2048, 2048, 2048, 3, {"C": 1.1})]


def hand_over(ours, case, layer, x, dy, folder):
    tensors = {"w": layer["w"], "a": layer["a"], "b": layer["b"], "router": layer["route"], "x": x, "dy": dy}
    for name, tensor in tensors.items():
        write(folder / f"{name}.f32", tensor)
    ours.ask("layer", case.width, case.out, case.tokens, case.heads, folder)


def compare(ours, form, x, dy, folder):
    """Outputs and gradients of both sides; raises where they differ."""
    import torch
    from adapter_forms import backward_of
    dx, da, drouter, *dbs = backward_of(form, x, dy)
    expected = {"y": form[0](x).detach(), "dx": dx, "da": da, "drouter": drouter, "db": torch.cat(dbs, dim=1)}
    ours.ask("passes", folder)
    for name, tensor in expected.items():
        error = ((read(folder / f"{name}.f32", tensor.shape) - tensor).norm() / tensor.norm()).item()
        if not error <= AGREE:
            raise RuntimeError(f"{name} of both sides differs by {error:.2g}, expected at most {AGREE:g}, relative")


def measure(case, ours, args, report, pressure):
    import torch
    import adapter_forms
    layer = adapter_forms.make_layer((case.width, case.out), "cpu", torch.float32, case.heads)
    forms = adapter_forms.make_forms(layer)
    x = torch.randn(case.tokens, case.width).requires_grad_(True)
    dy = 0.01 * torch.randn(case.tokens, case.out)

    def asked(what):
        return lambda repeats: float(ours.ask("time", what, repeats))

    def timed(torch_cases, our_cases):
        cases = {name: clocked(run) for name, run in torch_cases.items()}
        cases.update({"our " + name: asked(name) for name in our_cases})
        return interleave(cases, args.rounds, args.block, pressure)

    def passes(*names):
        return {name: lambda form=forms[name]: adapter_forms.backward_of(form, x, dy) for name in names}

    def row(name, words, times, subject, beside, target=None, sense=">="):
        report.row(name, f"{case.words()} {words}", over(times, subject, beside), target, sense,
                   note_of(times, subject, beside))

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        hand_over(ours, case, layer, x, dy, folder)
        compare(ours, forms["released"], x, dy, folder)
    heads, targets = f"N={case.heads}", case.targets
    if "B" in targets:
        times = timed(passes("released", "lora", "fused"), ["layer"])
        row("B", heads, times, "released", "our layer", targets["B"])
        row("fused", heads, times, "fused", "our layer")
        row("LoRA", heads, times, "lora", "our layer")
    if "B'" in targets:
        times = timed(passes("released_dropout"), ["layer_dropout", "layer_dropout_per_head"])
        row("B'", heads, times, "released_dropout", "our layer_dropout", targets["B'"])
        row("B'", heads + ", a mask a head", times, "released_dropout", "our layer_dropout_per_head")
    if "C" in targets:
        times = timed(passes("frozen"), ["layer"])
        row("C", heads, times, "our layer", "frozen", targets["C"], "<=")
    if "J" in targets:
        half_w, half_dy = layer["w"].bfloat16(), dy.bfloat16()
        half_x = x.detach().bfloat16().requires_grad_(True)
        half = (lambda rows: torch.nn.functional.linear(rows, half_w), [])
        few = clocked(lambda: adapter_forms.backward_of(half, half_x[:16], half_dy[:16]))(1) * case.tokens / 16
        peer = {"bfloat16": lambda: adapter_forms.backward_of(half, half_x, half_dy)} if few < SLOW else {}
        times = timed(peer, ["frozen", "frozen_bfloat16", "layer_bfloat16"])
        # Without instructions for it, bfloat16 saves memory and no time.
        row("J", "frozen, W0 in bfloat16 / float32", times, "our frozen_bfloat16", "our frozen",
            targets["J"][0] if "bfloat16" in ours.ask("about") else None, "<=")
        if peer:
            row("J", "frozen, W0 in bfloat16 / PyTorch's", times, "our frozen_bfloat16", "bfloat16",
                targets["J"][1], "<=")
            row("J", heads + ", W0 in bfloat16 / PyTorch's frozen", times, "our layer_bfloat16", "bfloat16")
        else:
            report.left_out("J", case.words() + " frozen, W0 in bfloat16 / PyTorch's",
                            f"PyTorch's takes {few:.0f} s a pass: it has no kernel for this processor")
    if "B" in targets:
        emit_saved(case, ours, forms, layer, x, report)


def emit_saved(case, ours, forms, layer, x, report):
    from adapter_forms import saved_bytes
    cache, room = (int(word) for word in ours.ask("saved").split())
    words = f"{case.words()} N={case.heads}"
    for name, bytes_kept in [("released", saved_bytes(forms["released"], x, layer)),
                             ("released, dropout 0.05", saved_bytes(forms["released_dropout"], x, layer)),
                             ("ours", cache), ("ours, with the room behind x", cache + room)]:
        report.row("E'", f"{words}, {name}", [bytes_kept], note="bytes")


def trial():
    import torch
    from adapter_forms import backward_of, make_forms, make_layer
    form = make_forms(make_layer((2048, 2048), "cpu", torch.float32, 3))["released"]
    x, dy = torch.randn(512, 2048).requires_grad_(True), torch.randn(512, 2048)
    answer_trials(lambda: backward_of(form, x, dy))


def main():
    args, torch, ours, environment = begin("peer_layer")
    if args.trial:
        return trial()
    args.rounds, args.block = (5, 0.05) if args.quick else (9, 0.2)
    report, pressure = Report(args.json), Pressure()
    print(f"layers: torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}; environment: {environment}), "
          f"ours ({ours.ask('about')}), {args.threads} threads", file=sys.stderr)
    try:
        for case in CASES:
            if case.quick or not args.quick:
                measure(case, ours, args, report, pressure)
    finally:
        ours.close()
    print("layers:", pressure.words(), file=sys.stderr)


if __name__ == "__main__":
    main()
