"""HydraLoRA's linear layer as PyTorch programs write it: the formulas, the layer that gpu_layer.py and cpu_layer.py time,
and the modules that train_step.py and cpu_step.py put into a model.

    frozen      the product with W0 alone
    lora        W0 x + s B A x, one head and no router
    released    as in the released code (github.com/Clin0212/HydraLoRA, HydraLoRA/peft/tuners/lora.py): softmax of the
                router in float32, then head by head a dropout of its own, A x again, and a weighted (T, out) tensor
    factorised  one dropout, A x once, weighted by the gates, and one product with all heads side by side
    fused       that with A and the router stacked in one matrix, where no dropout keeps their inputs apart

T tokens, r rank, N heads; A (r, in), B_i (out, r), the router (N, in).
"""
import torch
from torch.nn.functional import dropout, linear

RANK, HEADS, ALPHA, DROPOUT = 8, 4, 32.0, 0.05


def gates(logits):
    wide = torch.float64 if logits.dtype == torch.float64 else torch.float32
    return torch.softmax(logits, dim=-1, dtype=wide).to(logits.dtype)  # (..., N)


def dropped(x, p, training=True):
    return dropout(x, p) if p > 0 and training else x  # the released code has nn.Identity for p = 0


def released(x, y, a, route, bs, s, p, training=True):
    """y + delta(x)"""
    gate = gates(linear(x, route))
    for i, b in enumerate(bs):
        head = linear(linear(dropped(x, p, training), a), b)  # (..., out)
        y = y + gate[..., i:i + 1] * head * s
    return y


def mixed(u, logits, s):
    """z (..., N*r) from A x and the router's logits"""
    return (s * gates(logits).unsqueeze(-1) * u.unsqueeze(-2)).flatten(-2)


def factorised(x, y, a, route, b, s, p, training=True):
    """y + delta(x); b (out, N*r) is all heads side by side."""
    return y + linear(mixed(linear(dropped(x, p, training), a), linear(x, route), s), b)


def make_layer(shape, device, dtype, heads=HEADS, seed=1):
    """W0, A, B_i, the router; and the heads' B side by side, and A on the router, as parameters of their own."""
    generator = torch.Generator().manual_seed(seed)
    width, out = shape

    def draw(rows, cols, scale):
        return ((torch.rand(rows, cols, generator=generator) * 2 - 1) * scale).to(device=device, dtype=dtype)
    layer = {"w": draw(out, width, 0.02), "a": draw(RANK, width, width ** -0.5), "route": draw(heads, width, width ** -0.5)}
    layer["bs"] = [draw(out, RANK, 0.02) for _ in range(heads)]
    layer["b"], layer["down"] = torch.cat(layer["bs"], dim=1), torch.cat([layer["a"], layer["route"]])
    for tensor in parameters_of(layer):
        tensor.requires_grad_(True)
    return layer


def parameters_of(layer):
    return [layer["a"], layer["route"], layer["down"], layer["b"], *layer["bs"]]


def make_forms(layer):
    """Name -> (forward(x), the parameters it trains)."""
    w, a, b, bs, route, down = (layer[name] for name in ["w", "a", "b", "bs", "route", "down"])
    s = ALPHA / RANK

    def stacked(x):
        u, logits = linear(x, down).split([RANK, len(bs)], dim=-1)
        return linear(x, w) + linear(mixed(u, logits, s), b)
    return {"frozen": (lambda x: linear(x, w), []),
            "lora": (lambda x: linear(x, w) + s * linear(linear(x, a), bs[0]), [a, bs[0]]),
            "released": (lambda x: released(x, linear(x, w), a, route, bs, s, 0), [a, route, *bs]),
            "released_dropout": (lambda x: released(x, linear(x, w), a, route, bs, s, DROPOUT), [a, route, *bs]),
            "fused": (stacked, [down, b]),
            "fused_dropout": (lambda x: factorised(x, linear(x, w), a, route, b, s, DROPOUT), [a, route, b])}


def backward_of(form, x, dy):
    """Gradients of x and the form's parameters"""
    forward, parameters = form
    return torch.autograd.grad(forward(x), [x, *parameters], dy)


def saved_bytes(form, x, layer):
    """Bytes that autograd keeps of one forward pass, besides the input, the weight and the parameters."""
    spared = {t.untyped_storage().data_ptr() for t in [x, layer["w"], *parameters_of(layer)]}
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


def check_forms():
    """In double on the CPU: fused is released; lora is released with one head; frozen is released with B = 0. Outputs
    and gradients; where forms hold parameters differently, side by side."""
    def compare(what, a, b):
        worst = max(((p - q).abs().max() / q.abs().max().clamp(min=1e-12)).item() for p, q in zip(a, b))
        assert worst < 1e-12, f"{what}: {worst}"
    shape, tokens = (24, 20), 7
    torch.manual_seed(3)
    x = torch.randn(tokens, shape[0], dtype=torch.float64, requires_grad=True)
    dy = torch.randn(tokens, shape[1], dtype=torch.float64)

    def passes(layer, name):
        form = make_forms(layer)[name]
        return [form[0](x).detach(), *backward_of(form, x, dy)]
    layer = make_layer(shape, "cpu", torch.float64)
    y, dx, da, droute, *dbs = passes(layer, "released")
    compare("fused", passes(layer, "fused"), [y, dx, torch.cat([da, droute]), torch.cat(dbs, dim=1)])
    one = make_layer(shape, "cpu", torch.float64, heads=1)
    y, dx, da, _, db = passes(one, "released")
    compare("lora", passes(one, "lora"), [y, dx, da, db])
    with torch.no_grad():
        for b in layer["bs"]:
            b.zero_()
    y, dx, *_ = passes(layer, "released")
    compare("frozen", passes(layer, "frozen"), [y, dx])


class Adapter(torch.nn.Module):
    """What the forms of a module share: the frozen layer and the adapter's parameters. B is 0, as training starts."""

    def __init__(self, base, rank=RANK, heads=HEADS, alpha=ALPHA, p=0.0):
        super().__init__()
        out, width = base.weight.shape
        self.base, self.scaling, self.p = base, alpha / rank, p
        bound = width ** -0.5
        self.a = torch.nn.Parameter(torch.empty(rank, width).uniform_(-bound, bound))
        self.route = torch.nn.Parameter(torch.empty(heads, width).uniform_(-bound, bound))
        self.bs = torch.nn.ParameterList(torch.zeros(out, rank) for _ in range(heads))


class Released(Adapter):
    def forward(self, x):
        return released(x, self.base(x), self.a, self.route, self.bs, self.scaling, self.p, self.training)


class Factorised(Adapter):
    def forward(self, x):
        return factorised(x, self.base(x), self.a, self.route, torch.cat(list(self.bs), dim=1), self.scaling, self.p,
                          self.training)
