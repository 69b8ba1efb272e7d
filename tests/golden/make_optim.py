"""Writes optim.hpp beside this file: what PyTorch's optimisers do to a small set of parameters, in double.

Needs PyTorch (recorded with 1.13): python3 make_optim.py
Source of the mathematics: torch.optim.AdamW, torch.optim.SGD, torch.nn.utils.clip_grad_norm_.
"""
import pathlib

import torch

SHAPES = {"A": (3, 5), "B": (4, 6), "router": (2, 5), "norm": (1, 4), "bias": (1, 3)}
STEPS = 5
FACTORS = [0.5, 1.0, 0.75, 0.5, 0.25]  # of the learning rate, step by step, in the scheduled cases
SPARED = ("norm", "bias")              # no weight decay


def flat(tensors):
    return torch.cat([t.detach().reshape(-1) for t in tensors]).tolist()


def groups(params, lr, decay, ratios):
    return [{"params": [p], "lr": lr * ratios.get(n, 1.0), "weight_decay": 0.0 if n in SPARED else decay}
            for n, p in params.items()]


def run(make, start, grads, max_norm=None, factors=None, dtype=torch.float64):
    """Parameters after the first and after the last step, and the norm before clipping at each step."""
    params = {n: torch.nn.Parameter(t.clone().to(dtype)) for n, t in start.items()}
    optimiser = make(params)
    rates = [g["lr"] for g in optimiser.param_groups]
    after, norms = [], []
    for step in range(STEPS):
        for n, p in params.items():
            p.grad = grads[step][n].clone().to(dtype)
        if max_norm is not None:
            norms.append(float(torch.nn.utils.clip_grad_norm_(list(params.values()), max_norm)))
        for group, rate in zip(optimiser.param_groups, rates):
            group["lr"] = rate * (factors[step] if factors else 1.0)
        optimiser.step()
        if step in (0, STEPS - 1):
            after += flat(params.values())
    return after, norms


def main():
    torch.manual_seed(7)
    # Values that float holds too, so that one record serves both precisions.
    rounded = lambda shape, scale: (torch.randn(shape, dtype=torch.float64) * scale).float().double()
    start = {n: rounded(s, 0.5) for n, s in SHAPES.items()}
    grads = [{n: rounded(s, 0.1 * 10 ** (k - 2)) for n, s in SHAPES.items()} for k in range(STEPS)]

    adamw = lambda p: torch.optim.AdamW(groups(p, 2e-3, 0.1, {}), betas=(0.9, 0.999), eps=1e-8)
    ratios = lambda p: torch.optim.AdamW(groups(p, 1e-2, 0.01, {"A": 0.5, "B": 4.0, "router": 2.0}),
                                         betas=(0.8, 0.95), eps=1e-6)
    sgd = lambda p: torch.optim.SGD(groups(p, 5e-2, 0.1, {}), lr=5e-2, momentum=0.9)
    plain = lambda p: torch.optim.SGD(groups(p, 5e-2, 0.1, {}), lr=5e-2)

    records = {"start": flat(start.values()), "gradients": sum((flat(g.values()) for g in grads), [])}
    records["adamw"], _ = run(adamw, start, grads)
    records["adamw_clipped"], records["norms"] = run(ratios, start, grads, 0.7, FACTORS)
    records["sgd_momentum"], _ = run(sgd, start, grads)
    records["sgd_clipped"], _ = run(plain, start, grads, 0.7, FACTORS)

    lines = ["// Written by make_optim.py with PyTorch " + torch.__version__ + "; do not edit.",
             "// Tensors A (3, 5), B (4, 6), router (2, 5), norm (1, 4), bias (1, 3) one after another: 56 numbers a set.",
             "// `start` one set, `gradients` 5 sets; the others the set after step 1 and after step 5.",
             "#pragma once", "", "namespace golden {"]
    for name, values in records.items():
        lines.append("inline constexpr double %s[] = {" % name)
        for i in range(0, len(values), 4):
            lines.append("    " + ", ".join("%.17g" % v for v in values[i:i + 4]) + ",")
        lines.append("};")
    lines.append("}  // namespace golden")
    pathlib.Path(__file__).with_name("optim.hpp").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
