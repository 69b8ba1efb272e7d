# Checks by hand, with `peft`, `transformers`, `gguf` and numpy, what `hydra export`, `import` and `merge` wrote:
#     hydra export ADAPTER --base BASE --to peft-heads --text TEXT --out OUT/heads            (and so on, see below)
#     HF_HUB_OFFLINE=1 python check_exports.py BASE ADAPTER TEXT OUT
# OUT holds any of: heads (peft-heads), collapsed (peft-collapsed), gguf (gguf-heads), collapsed.gguf (gguf-collapsed),
# merged (the model that `hydra merge` made of the import of `collapsed`). All made with --text TEXT, which must be a base
# of bytes' text no longer than --length. Prints what is measured; the expected weights are computed here from ADAPTER.
import json
import pathlib
import sys

import gguf
import numpy as np
import torch
from peft import PeftModel
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

base, adapter, text, out = map(pathlib.Path, sys.argv[1:])
config = json.loads((adapter / "adapter_config.json").read_text())
tensors = load_file(adapter / "adapter_model.safetensors")
scale = config["lora_alpha"] / config["r"]
heads = config["lora_nums"]
gates = json.loads((out / "heads" / "gates.json").read_text())["modules"]
ids = torch.tensor([[256, *text.read_bytes(), 256]])
prefix = "base_model.model.model."
worst = {}


def note(what, value):
    worst[what] = max(worst.get(what, 0.0), float(value))


def a_b(module, head):
    key = prefix + module
    a = tensors.get(f"{key}.lora_A.weight", tensors.get(f"{key}.lora_A{head}.weight"))
    return a.astype(np.float64), tensors[f"{key}.lora_B{head}.weight"].astype(np.float64)


def delta(module, weights):
    return scale * sum(w * b @ a for w, (a, b) in ((weights[i], a_b(module, i)) for i in range(heads)))


def load():
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)


def logits_of(model):
    with torch.no_grad():
        return model(ids).logits[0].double()


def loss_of(logits):
    return torch.nn.functional.cross_entropy(logits[:-1], ids[0, 1:]).item()


dense = load()
for module, weights in gates.items():
    dense.model.get_submodule(module).weight.data += torch.tensor(delta(module, weights), dtype=torch.float32)
expected = logits_of(dense)
print(f"logits of the base move by at most {(expected - logits_of(load())).abs().max():.3g} with the adapter collapsed")
print(f"loss with the mean gates, by dense weights here: {loss_of(expected):.6f}")

if (out / "collapsed").exists():
    model = PeftModel.from_pretrained(load(), out / "collapsed")
    logits = logits_of(model)
    note("peft-collapsed: logits", (logits - expected).abs().max())
    print(f"loss of the peft-collapsed directory in peft: {loss_of(logits):.6f}   <- `hydra export` printed this as collapsed")

if (out / "heads").exists():
    for module, weights in gates.items():
        total = 0
        for i in range(heads):
            one = load_file(out / "heads" / f"head_{i}" / "adapter_model.safetensors")
            c = json.loads((out / "heads" / f"head_{i}" / "adapter_config.json").read_text())
            key = prefix + module
            total = total + weights[i] * c["lora_alpha"] / c["r"] * (
                one[f"{key}.lora_B.weight"].astype(np.float64) @ one[f"{key}.lora_A.weight"].astype(np.float64))
        note("peft-heads: weighted sum of delta weights", np.abs(total - delta(module, weights)).max())
    model = PeftModel.from_pretrained(load(), out / "heads" / "head_0", adapter_name="head_0")
    for i in range(1, heads):
        model.load_adapter(out / "heads" / f"head_{i}", adapter_name=f"head_{i}")
    one = load()
    for module in gates:
        one.model.get_submodule(module).weight.data += torch.tensor(
            delta(module, [1.0 if i == heads - 1 else 0.0 for i in range(heads)]), dtype=torch.float32)
    model.set_adapter(f"head_{heads - 1}")
    note("peft-heads: logits of the last head alone", (logits_of(model) - logits_of(one)).abs().max())

base_config = json.loads((base / "config.json").read_text())
names = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
         "up_proj": "ffn_up", "down_proj": "ffn_down"}
llama = base_config["model_type"] in ("llama", "mistral")


def permuted(b, n):
    rows, r = b.shape
    return b.reshape(n, 2, rows // n // 2, r).swapaxes(1, 2).reshape(rows, r)


def check_gguf(path, weights_of, what):
    reader = gguf.GGUFReader(path)
    field = lambda key: reader.get_field(key).contents()
    assert field("general.type") == "adapter" and field("adapter.type") == "lora", path
    assert field("general.architecture") == ("llama" if llama else base_config["model_type"]), path
    found = {t.name: t.data for t in reader.tensors}
    assert len(found) == 2 * len(gates), (path, len(found))
    for module in gates:
        _, layer, _, target = module.split(".")
        stem = f"blk.{layer}.{names[target]}.weight.lora_"
        a, b = found[stem + "a"].astype(np.float64), found[stem + "b"].astype(np.float64)
        wanted = delta(module, weights_of(module))
        if llama and target in ("q_proj", "k_proj"):
            n = base_config["num_attention_heads" if target == "q_proj" else "num_key_value_heads"]
            wanted = permuted(wanted, n)
        note(what, np.abs(field("adapter.lora.alpha") / b.shape[1] * b @ a - wanted).max())


if (out / "collapsed.gguf").exists():
    check_gguf(out / "collapsed.gguf", lambda m: gates[m], "gguf-collapsed: delta weights")
if (out / "gguf").exists():
    for i in range(heads):
        check_gguf(out / "gguf" / f"head_{i}.gguf", lambda m: [float(i == j) for j in range(heads)],
                   "gguf-heads: delta weights")
if (out / "merged").exists():
    merged = AutoModelForCausalLM.from_pretrained(out / "merged", dtype=torch.float32)
    print(f"loss of the merged model: {loss_of(logits_of(merged)):.6f} (its storage type rounds)")
    plain, kept = load(), AutoModelForCausalLM.from_pretrained(out / "merged", dtype="auto").dtype
    for name, weight in merged.named_parameters():
        wanted = plain.get_parameter(name).data.double()
        if (module := name.removeprefix("model.").removesuffix(".weight")) in gates:
            wanted = wanted + torch.tensor(delta(module, gates[module]))
        # Half a unit in the last place of the stored type, and float's rounding before it.
        unit = torch.finfo(kept).eps / 2 * wanted.abs() * 1.001 + 1e-7
        note(f"merged weights, {kept}: difference over half a unit in the last place", ((weight - wanted).abs() / unit).max())
for what, value in worst.items():
    print(f"{what}: largest difference {value:.3g}")
