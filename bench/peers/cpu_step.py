#!/usr/bin/env python3
"""A training step of a small Llama in PyTorch on the CPU, in turn with the one of this library. bench/peers.sh runs
this:

    python3 bench/peers/cpu_step.py --beside build/plain/bench/peer_step [--quick] [--json FILE]

Vocabulary 260, width 256, 6 layers, 8 heads, feed-forward 704, 8 sequences of 256 tokens; the released layer
(adapter_forms.py) on all seven linears, r = 8; float32. A step is forward, loss, backward, clipping to norm 1, AdamW on
the adapters, zeroing of their gradients. Both sides start from the same weights, and before they are timed the losses
and gradient norms of the first steps are compared.
"""
import pathlib
import sys
import tempfile

from side_by_side import Pressure, Report, answer_trials, begin, clocked, interleave, note_of, over, write

AGREE, STEPS = 1e-4, 4  # relative, of the first steps
TARGETS = {3: 1.5, 8: 2.5}
VOCABULARY, WIDTH, LAYERS, HEADS, FEED_FORWARD, SEQUENCES, LENGTH = 260, 256, 6, 8, 704, 8, 256
LINEARS = {"q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "o": (WIDTH, WIDTH),
           "gate": (WIDTH, FEED_FORWARD), "up": (WIDTH, FEED_FORWARD), "down": (FEED_FORWARD, WIDTH)}


def make_model(torch, heads):
    """A Llama in the operations that PyTorch has fused for it, its adapters' B not 0, so that all gradients count."""
    from adapter_forms import Released
    from torch.nn.functional import linear, scaled_dot_product_attention, silu

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = torch.nn.ModuleList(torch.nn.RMSNorm(WIDTH, eps=1e-6) for _ in range(2))
            linears = {name: torch.nn.Linear(*shape, bias=False) for name, shape in LINEARS.items()}
            for layer in linears.values():
                torch.nn.init.normal_(layer.weight, std=0.02)
            self.linears = torch.nn.ModuleDict({name: Released(layer, heads=heads) for name, layer in linears.items()})

        def forward(self, x, cos, sin):
            on = self.linears
            normed = self.norms[0](x)
            q, k, v = (on[name](normed).unflatten(-1, (HEADS, -1)).transpose(1, 2) for name in ["q", "k", "v"])
            attended = scaled_dot_product_attention(turned(q, cos, sin), turned(k, cos, sin), v, is_causal=True)
            x = x + on["o"](attended.transpose(1, 2).flatten(-2))
            normed = self.norms[1](x)
            return x + on["down"](silu(on["gate"](normed)) * on["up"](normed))

    def turned(x, cos, sin):
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat([-second, first], dim=-1) * sin

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(VOCABULARY, WIDTH)
            torch.nn.init.normal_(self.embedding.weight, std=0.02)
            self.blocks = torch.nn.ModuleList(Block() for _ in range(LAYERS))
            self.norm = torch.nn.RMSNorm(WIDTH, eps=1e-6)
            size = WIDTH // HEADS
            pairs = torch.arange(0, size, 2, dtype=torch.float64)
            angles = torch.outer(torch.arange(LENGTH), 10000.0 ** (-pairs / size))
            self.cos, self.sin = (f(torch.cat([angles, angles], dim=-1)).float() for f in [torch.cos, torch.sin])

        def forward(self, ids):
            x = self.embedding(ids)
            for block in self.blocks:
                x = block(x, self.cos, self.sin)
            return linear(self.norm(x), self.embedding.weight)
    model = Model()
    model.requires_grad_(False)
    for adapter in adapters_of(model):
        adapter.a.requires_grad_(True)
        adapter.route.requires_grad_(True)
        for b in adapter.bs:
            torch.nn.init.normal_(b, std=0.02)
            b.requires_grad_(True)
    return model


def adapters_of(model):
    return [block.linears[name] for block in model.blocks for name in LINEARS]


def make_step(torch, model, ids, labels):
    """One training step; returns its loss and the norm of its gradients before clipping, as tensors."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    adamw = torch.optim.AdamW(parameters, lr=2e-4, weight_decay=0.0, fused=True)

    def step():
        loss = torch.nn.functional.cross_entropy(model(ids).flatten(0, 1), labels.flatten().long(), ignore_index=-100)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        adamw.step()
        adamw.zero_grad()
        return loss.detach(), norm
    return step


def hand_over(torch, ours, heads, model, ids, labels):
    """In the order in which this library visits tensors."""
    weights = [model.embedding.weight]
    for block in model.blocks:
        frozen = [block.linears[name].base.weight for name in LINEARS]
        weights += [block.norms[0].weight, *frozen, block.norms[1].weight]
    weights.append(model.norm.weight)
    adapters = [[adapter.a, torch.cat(list(adapter.bs), dim=1), adapter.route] for adapter in adapters_of(model)]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write(folder / "weights.f32", *weights)
        write(folder / "adapters.f32", *(tensor for adapter in adapters for tensor in adapter))
        write(folder / "ids.i32", ids)
        write(folder / "labels.i32", labels)
        ours.ask("model", heads, folder)


def compare(step, ours):
    for number in range(STEPS):
        loss, norm = (value.item() for value in step())
        our_loss, our_norm = (float(word) for word in ours.ask("step").split())
        for name, a, b in [("loss", our_loss, loss), ("gradient norm", our_norm, norm)]:
            if not abs(a - b) <= AGREE * abs(b):
                raise RuntimeError(f"{name} of step {number + 1}: ours {a:.7g}, PyTorch's {b:.7g}")


def measure(torch, heads, ours, args, report, pressure):
    model = make_model(torch, heads)
    ids, labels = make_batch(torch)
    hand_over(torch, ours, heads, model, ids, labels)
    step = make_step(torch, model, ids, labels)
    compare(step, ours)
    cases = {"PyTorch": clocked(step), "ours": lambda repeats: float(ours.ask("time", repeats))}
    times = interleave(cases, args.rounds, args.block, pressure)
    report.row("K", f"N={heads}", over(times, "PyTorch", "ours"), TARGETS[heads],
               note=note_of(times, "PyTorch", "ours"))


def make_batch(torch):
    ids = torch.randint(0, VOCABULARY, (SEQUENCES, LENGTH), dtype=torch.int32)
    return ids, torch.cat([ids[:, 1:], torch.full((SEQUENCES, 1), -100, dtype=torch.int32)], dim=1)


def main():
    args, torch, ours, environment = begin("peer_step")
    if args.trial:
        return answer_trials(make_step(torch, make_model(torch, min(TARGETS)), *make_batch(torch)))
    args.rounds, args.block = (5, 0.2) if args.quick else (9, 0.5)
    report, pressure = Report(args.json), Pressure()
    print(f"steps: torch's environment: {environment}; ours ({ours.ask('about')})", file=sys.stderr)
    try:
        for heads in TARGETS:
            measure(torch, heads, ours, args, report, pressure)
    finally:
        ours.close()
    print("steps:", pressure.words(), file=sys.stderr)


if __name__ == "__main__":
    main()
