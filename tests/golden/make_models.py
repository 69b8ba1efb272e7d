#!/usr/bin/env python3
"""Writes models/<name>/: small random models as transformers saves them, and what PyTorch computes of them.

    pip install torch transformers safetensors
    HF_HUB_OFFLINE=1 python3 make_models.py           # all of them; recorded with torch 2.15.0 and transformers 5.23.0 or 5.24.0
    HF_HUB_OFFLINE=1 python3 make_models.py qwen3     # one

| directory | storage | what is particular |
|---|---|---|
| llama | float32, one file | head of its own, grouped queries |
| llama_tied | bfloat16, 3 shards | tied, llama3 rope, own head_dim; config_4x.json: the same in transformers 4's keys |
| llama_old | float16 | torch_dtype, rope_theta, rope_scaling with "type"; no head_dim, no num_key_value_heads |
| mistral | float32 | a sliding window in every layer, head_dim of its own |
| qwen2 | bfloat16 | biases on q, k and v; tied; the last layer slides, by max_window_layers |
| qwen3 | float32 | norms of queries and keys, head_dim of its own, one key-value head; the first layer slides, by layer_types |
| gemma3 | bfloat16 | layers local, global, local; norms around, stored less 1; GELU; scales; linear rope in the global layer; \
config_4x.json: the same in transformers 4's keys |

Windows are shorter than the sequences, and than one of the packed documents.

expected.safetensors has, computed in double from the stored values and kept as float32 (T tokens, V vocabulary):

    input_ids labels             [2, T] int32; labels[s, i] is the token to predict at position i, -100: none
    logits loss                  [2, T, V], [1]: mean over the labelled positions
    base.grad.<name>             of that loss, for each stored tensor
    init.<key>                   a HydraLoRA adapter on all seven projections, keys as in its directory; B is not 0
    adapter.logits .loss         with the adapter
    grad.<key>                   of that loss
    adapter.losses after.<key>   [10] losses before each of ten steps of AdamW on that batch, and the adapter after them
    packed.input_ids .labels     [1, T]: three documents of different lengths in one row, the second of one token
    packed.starts                [1, T] int32: where in the row the document of each token begins
    packed.logits .loss          with the adapter, each document computed alone; the mean over all labelled tokens
    packed.grad.<key>            of that loss

__metadata__ has the hyper-parameters, and under "float32 ..." how far the same computation in float32 comes from these
numbers: of a tensor, the largest difference over the largest value. A comparison in float32 cannot ask for less.

The adapter is the layer of the released code (github.com/Clin0212/HydraLoRA) written as a loop over heads, with the
router's softmax in the precision of the run. The models' code asks for float32 by name in norms, softmax and rotary
tables: `everything_in(torch.float64)` makes these names mean float64. Besides, a second text (factorised adapters in
hooks, one pass over the packed row with a block mask) must find the same, and transformers' own loading and loss too.
"""
import contextlib
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy, linear
from transformers import AutoConfig, AutoModelForCausalLM

HERE = pathlib.Path(__file__).resolve().parent
RANK, HEADS, ALPHA = 4, 3, 8.0
STEPS, ADAMW = 10, dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
TARGETS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
BATCH, TIME, DOCUMENTS = 2, 27, (11, 1, 15)

LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}
OLD_LLAMA3 = LLAMA3 | {"rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 24}
PLAIN = {"rope_type": "default"}
MODELS = {
    "llama": dict(model_type="llama", vocab_size=101, hidden_size=24, num_attention_heads=6, num_key_value_heads=2,
                  intermediate_size=44, rms_norm_eps=1e-5, rope_parameters=PLAIN | {"rope_theta": 10000.0}),
    "llama_tied": dict(model_type="llama", vocab_size=113, hidden_size=32, num_attention_heads=4, num_key_value_heads=2,
                       head_dim=10, intermediate_size=52, tie_word_embeddings=True, rms_norm_eps=1e-5,
                       rope_parameters=LLAMA3),
    "llama_old": dict(model_type="llama", vocab_size=97, hidden_size=30, num_attention_heads=5, num_key_value_heads=5,
                      intermediate_size=38, rms_norm_eps=1e-6, rope_parameters=OLD_LLAMA3),
    "mistral": dict(model_type="mistral", vocab_size=103, hidden_size=28, num_attention_heads=4, num_key_value_heads=2,
                    head_dim=12, intermediate_size=58, sliding_window=9, rms_norm_eps=1e-5,
                    rope_parameters=PLAIN | {"rope_theta": 10000.0}),
    "qwen2": dict(model_type="qwen2", vocab_size=107, hidden_size=32, num_attention_heads=4, num_key_value_heads=2,
                  intermediate_size=46, tie_word_embeddings=True, rope_parameters=PLAIN | {"rope_theta": 1000000.0},
                  use_sliding_window=True, sliding_window=12, max_window_layers=1),
    "qwen3": dict(model_type="qwen3", vocab_size=109, hidden_size=28, num_attention_heads=4, num_key_value_heads=1,
                  head_dim=14, intermediate_size=50, rope_parameters=PLAIN | {"rope_theta": 1000000.0},
                  use_sliding_window=True, sliding_window=12, layer_types=["sliding_attention", "full_attention"]),
    "gemma3": dict(model_type="gemma3_text", vocab_size=99, hidden_size=28, num_attention_heads=4, num_key_value_heads=2,
                   head_dim=10, intermediate_size=48, num_hidden_layers=3, sliding_window=8, sliding_window_pattern=2,
                   query_pre_attn_scalar=14, rope_parameters={
                       "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 20000.0},
                       "sliding_attention": {"rope_type": "default", "rope_theta": 500.0}}),
}
SEEDS = {"llama_old": 200, "mistral": 203}
STORED = {"llama_tied": torch.bfloat16, "llama_old": torch.float16, "qwen2": torch.bfloat16,
          "gemma3": torch.bfloat16}  # the others: float32


@contextlib.contextmanager
def everything_in(dtype):
    """torch.float32 means `dtype` within."""
    names = torch.float, torch.float32, torch.Tensor.float
    torch.float, torch.float32, torch.Tensor.float = dtype, dtype, lambda x: x.to(dtype)
    try:
        yield
    finally:
        torch.float, torch.float32, torch.Tensor.float = names


def make_config(options):
    return AutoConfig.for_model(**({"num_hidden_layers": 2} | options), max_position_embeddings=64,
                                bos_token_id=None, eos_token_id=None, pad_token_id=None)


def save(name, directory):
    """The directory as save_pretrained makes it; for the old forms, with config.json in other keys."""
    model = AutoModelForCausalLM.from_config(make_config(MODELS[name]))
    with torch.no_grad():
        for path, p in model.named_parameters():
            if "norm" in path:
                p.copy_((name != "gemma3") + 0.2 * torch.randn_like(p))
            else:  # biases as large as what they are added to
                p.copy_(torch.randn_like(p) * (0.3 if p.dim() == 1 else p.shape[1] ** -0.5))
    dtype = STORED.get(name, torch.float32)
    model.to(dtype).save_pretrained(directory, **({"max_shard_size": "20KB"} if name == "llama_tied" else {}))
    (directory / "generation_config.json").unlink(missing_ok=True)
    for path in directory.iterdir():
        path.chmod(0o644)
    config = directory / "config.json"
    if name == "llama_old":
        config.write_text(in_old_keys(json.loads(config.read_text()), "type", ["head_dim", "num_key_value_heads"]))
    if name == "llama_tied":
        config.with_name("config_4x.json").write_text(in_old_keys(json.loads(config.read_text()), "rope_type", []))
        assert len(list(directory.glob("model-*-of-00003.safetensors"))) == 3
    if name == "gemma3":
        config.with_name("config_4x.json").write_text(gemma_in_old_keys(json.loads(config.read_text())))


def in_old_keys(config, type_key, left_out):
    rope = config.pop("rope_parameters")
    config["torch_dtype"] = config.pop("dtype")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = {type_key: rope.pop("rope_type"), **rope}
    config["transformers_version"] = "4.31.0" if type_key == "type" else "4.46.0"
    for key in left_out:
        del config[key]
    return json.dumps(dict(sorted(config.items())), indent=2) + "\n"


def gemma_in_old_keys(config):
    """As google/gemma-3-1b-it has them."""
    rope = config.pop("rope_parameters")
    config["torch_dtype"] = config.pop("dtype")
    config["rope_theta"] = rope["full_attention"].pop("rope_theta")
    config["rope_scaling"] = rope["full_attention"]
    config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
    config["sliding_window_pattern"] = MODELS["gemma3"]["sliding_window_pattern"]
    config["transformers_version"] = "4.50.0.dev0"
    del config["layer_types"]
    return json.dumps(dict(sorted(config.items())), indent=2) + "\n"


def stored(directory):
    tensors = {}
    for path in sorted(directory.glob("model*.safetensors")):
        tensors |= load_file(path)
    return tensors


def load(directory, values, dtype):
    """The model with the stored values, computing in `dtype` throughout; to be used within everything_in(dtype)."""
    config = AutoConfig.from_pretrained(directory)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    weights = {path: tensor.to(dtype) for path, tensor in values.items()}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and missing == (["lm_head.weight"] if config.tie_word_embeddings else [])
    model.tie_weights()
    assert all(t.dtype == dtype for t in [*model.parameters(), *model.buffers()])
    return model


class HydraLinear(torch.nn.Module):
    """y = W0 x + s sum_i softmax(W_g x)_i B_i (A x), head by head."""

    def __init__(self, base, a, bs, route):
        super().__init__()
        self.base, self.a, self.route = base, torch.nn.Parameter(a.clone()), torch.nn.Parameter(route.clone())
        self.bs = torch.nn.ParameterList(torch.nn.Parameter(b.clone()) for b in bs)

    def forward(self, x):
        y = self.base(x)
        gate = torch.softmax(linear(x, self.route), dim=-1)
        for i, b in enumerate(self.bs):
            y = y + ALPHA / RANK * gate[..., i:i + 1] * linear(linear(x, self.a), b)
        return y


def adapt(model, init):
    """Puts the adapter of the values `init` in; returns its parameters by their keys in the file."""
    parameters = {}
    for p in model.parameters():
        p.requires_grad_(False)
        p.grad = None
    for number, layer in enumerate(model.model.layers):
        for target in TARGETS:
            parent = layer.get_submodule(target.split(".")[0])
            stem = f"base_model.model.model.layers.{number}.{target}."
            values = {key.removeprefix(stem): v for key, v in init.items() if key.startswith(stem)}
            base = layer.get_submodule(target)
            adapted = HydraLinear(base, values["lora_A.weight"].to(base.weight.dtype),
                                  [values[f"lora_B{i}.weight"].to(base.weight.dtype) for i in range(HEADS)],
                                  values["lora_route.weight"].to(base.weight.dtype))
            setattr(parent, target.split(".")[1], adapted)
            parameters[stem + "lora_A.weight"] = adapted.a
            parameters |= {stem + f"lora_B{i}.weight": b for i, b in enumerate(adapted.bs)}
            parameters[stem + "lora_route.weight"] = adapted.route
    return parameters


def draw_adapter(model):
    init = {}
    for number, layer in enumerate(model.model.layers):
        for target in TARGETS:
            out, width = layer.get_submodule(target).weight.shape
            stem = f"base_model.model.model.layers.{number}.{target}."
            init[stem + "lora_A.weight"] = torch.randn(RANK, width) * width ** -0.5
            for i in range(HEADS):
                init[stem + f"lora_B{i}.weight"] = torch.randn(out, RANK) * 0.05
            init[stem + "lora_route.weight"] = torch.randn(HEADS, width) * width ** -0.5
    return init


def mean_loss(logits, labels):
    return cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=-100)


def run(directory, dtype, init, ids, labels, packed_ids, packed_labels):
    """All expected numbers, computed in `dtype`."""
    values = stored(directory)  # safetensors too goes by the names of types
    with everything_in(dtype):
        model = load(directory, values, dtype)
        logits = model(input_ids=ids).logits
        loss = mean_loss(logits, labels)
        loss.backward()
        result = {"logits": logits, "loss": loss.reshape(1)}
        result |= {f"base.grad.{path}": p.grad.clone() for path, p in model.named_parameters() if path in values}

        parameters = adapt(model, init)
        parts = zip(packed_ids.split(DOCUMENTS), packed_labels.split(DOCUMENTS))
        packed = [(model(input_ids=part[None]).logits[0], part_labels) for part, part_labels in parts]
        logits = torch.cat([part for part, _ in packed])
        loss = mean_loss(logits, packed_labels)
        loss.backward()
        result |= {"packed.logits": logits[None], "packed.loss": loss.reshape(1)}
        result |= {f"packed.grad.{key}": p.grad.clone() for key, p in parameters.items()}

        adamw = torch.optim.AdamW(parameters.values(), **ADAMW)
        adamw.zero_grad()
        losses = []
        for step in range(STEPS):
            logits = model(input_ids=ids).logits
            loss = mean_loss(logits, labels)
            losses.append(loss.detach())
            loss.backward()
            if step == 0:
                result |= {"adapter.logits": logits, "adapter.loss": loss.reshape(1)}
                result |= {f"grad.{key}": p.grad.clone() for key, p in parameters.items()}
            adamw.step()
            adamw.zero_grad()
        result |= {f"after.{key}": p for key, p in parameters.items()} | {"adapter.losses": torch.stack(losses)}
    assert all(t.dtype == dtype for t in result.values())
    return {key: t.detach().clone() for key, t in result.items()}


def differences(found, expected):
    """The largest relative difference of each kind of tensor."""
    worst = {}
    for key, e in expected.items():
        kind = next((k for k in ("base.grad", "packed.grad", "grad", "after") if key.startswith(k + ".")), key)
        difference = ((found[key].double() - e).abs().max() / e.abs().max()).item()
        worst[kind] = max(worst.get(kind, 0.0), difference)
    return worst


def check_another_way(directory, t):
    """transformers' own loading, loss and default attention in float32; adapters in factorised form in hooks; the
    packed row in one pass, with a mask of blocks and positions that begin anew."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)

    def hook(a, b, route):  # b (out, N*r)
        def add(module, inputs, output):
            u, gate = linear(inputs[0], a), torch.softmax(linear(inputs[0], route), dim=-1)
            return output + linear((ALPHA / RANK * gate[..., :, None] * u[..., None, :]).flatten(-2), b)
        return add

    def expect(kind, logits, labels):
        difference = ((logits - t[f"{kind}logits"]).abs().max() / t[f"{kind}logits"].abs().max()).item()
        assert difference < 1e-5, (directory, kind, difference)
        assert abs(mean_loss(logits, labels) - t[f"{kind}loss"][0]).item() < 2e-6, (directory, kind)

    ids, labels, starts = t["input_ids"].long(), t["labels"].long(), t["packed.starts"][0].long()
    with torch.no_grad():
        out = model(input_ids=ids, labels=torch.cat([torch.full((BATCH, 1), -100), labels[:, :-1]], dim=1))
        expect("", out.logits, labels)
        assert abs(out.loss - t["loss"][0]).item() < 2e-6, directory
        for path, module in model.named_modules():
            stem = f"init.base_model.model.{path}."
            if stem + "lora_A.weight" in t:
                b = torch.cat([t[stem + f"lora_B{i}.weight"] for i in range(HEADS)], dim=1)
                module.register_forward_hook(hook(t[stem + "lora_A.weight"], b, t[stem + "lora_route.weight"]))
        expect("adapter.", model(input_ids=ids).logits, labels)
        place = torch.arange(len(starts))

        def mask_of(window):
            seen = (starts[:, None] == starts) & (place[:, None] >= place) & (place[:, None] - place < window)
            return torch.where(seen, 0.0, float("-inf"))[None, None]
        window = getattr(model.config, "sliding_window", None) or len(starts)
        mask = {"full_attention": mask_of(len(starts)), "sliding_attention": mask_of(window)}
        if not hasattr(model.config, "layer_types"):
            mask = mask["sliding_attention"]
        packed = t["packed.input_ids"].long()
        logits = model(input_ids=packed, attention_mask=mask, position_ids=(place - starts)[None]).logits
        expect("packed.", logits, t["packed.labels"].long())


def sort_metadata(path):
    """safetensors writes it in another order each time."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    assert len(text) <= length
    path.write_bytes(data[:8] + text.ljust(length) + data[8 + length:])


def main():
    for number, name in enumerate(MODELS):
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        torch.manual_seed(SEEDS.get(name, 100 + number))
        directory = HERE / "models" / name
        save(name, directory)
        model = load(directory, stored(directory), torch.float32)
        init = draw_adapter(model)
        ids = torch.randint(0, model.config.vocab_size, (BATCH, TIME))
        labels = torch.cat([ids[:, 1:], torch.full((BATCH, 1), -100)], dim=1)
        labels[0, :7] = -100  # a prompt
        labels[1, 12] = -100
        packed_ids = torch.randint(0, model.config.vocab_size, (sum(DOCUMENTS),))
        packed_labels = torch.cat([torch.cat([part[1:], torch.tensor([-100])]) for part in packed_ids.split(DOCUMENTS)])
        starts = torch.cat([torch.full((n,), sum(DOCUMENTS[:i])) for i, n in enumerate(DOCUMENTS)])

        arguments = init, ids, labels, packed_ids, packed_labels
        expected = run(directory, torch.float64, *arguments)
        rope = AutoConfig.from_pretrained(directory).rope_parameters
        assert {k: v for k, v in rope.items() if k != "type"} == MODELS[name]["rope_parameters"]
        if name in ("llama_tied", "gemma3"):
            old = AutoConfig.from_pretrained(directory / "config_4x.json").to_dict()
            now = AutoConfig.from_pretrained(directory).to_dict()
            assert {k for k in now if old[k] != now[k]} <= {"transformers_version", "_name_or_path",
                                                            "sliding_window_pattern"}
        noise = differences(run(directory, torch.float32, *arguments), expected)
        # AdamW divides a gradient by its own size: where one is near 0, rounding decides about whole steps, and another
        # seed is due.
        assert max(noise.values()) < 1e-5, (name, noise)

        tensors = {key: t.to(torch.float32) for key, t in expected.items()}
        tensors |= {f"init.{key}": t for key, t in init.items()}
        integers = {"input_ids": ids, "labels": labels, "packed.input_ids": packed_ids[None],
                    "packed.labels": packed_labels[None], "packed.starts": starts[None]}
        tensors |= {key: t.to(torch.int32) for key, t in integers.items()}
        check_another_way(directory, tensors)
        metadata = {"torch": torch.__version__, "transformers": transformers.__version__, "rank": RANK, "heads": HEADS,
                    "alpha": ALPHA, "steps": STEPS, "lr": ADAMW["lr"], "beta1": ADAMW["betas"][0],
                    "beta2": ADAMW["betas"][1], "eps": ADAMW["eps"], "weight_decay": ADAMW["weight_decay"]}
        metadata |= {f"float32 {kind}": f"{difference:.1e}" for kind, difference in noise.items()}
        path = directory / "expected.safetensors"
        save_file({key: t.contiguous() for key, t in tensors.items()}, path,
                  {key: str(value) for key, value in metadata.items()})
        sort_metadata(path)
        path.chmod(0o644)
        spread = expected["logits"].std().item()
        print(f"{name}: logits {spread:.2f}, losses {expected['adapter.losses'].tolist()[::9]}, float32 {noise}")


if __name__ == "__main__":
    main()
