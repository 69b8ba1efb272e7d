# Makes LoRA adapters with `peft` on small random models, which are the oracle of io/peft_test.cpp:
#     HF_HUB_OFFLINE=1 python make_peft.py         (torch 2, transformers 5, peft 0.21, gguf 0.17)
# Each folder of peft/ is what save_pretrained left, README.md apart, and delta.safetensors: get_delta_weight of every
# adapted module. logits.safetensors, where there is one: ids [1, T] and logits [T, V] of the model of that name in models/
# with the adapter. adapter.gguf in it is the same adapter as GGUF, q and k rows of lora_b permuted for Llama by numpy.
import json
import pathlib
import re

import gguf
import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, LlamaModel, Qwen2Config, Qwen2ForCausalLM

out = pathlib.Path(__file__).parent / "peft"
sizes = dict(vocab_size=32, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=32)
all_targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
names = {"q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
         "up_proj": "ffn_up", "down_proj": "ffn_down"}


def permuted(b, heads):
    rows, r = b.shape
    return b.reshape(heads, 2, rows // heads // 2, r).swapaxes(1, 2).reshape(rows, r)


def write_gguf(folder, architecture, config, heads):
    tensors = load_file(folder / "adapter_model.safetensors")
    w = gguf.GGUFWriter(folder / "adapter.gguf", architecture)
    w.add_type("adapter")
    w.add_string("adapter.type", "lora")
    w.add_float32("adapter.lora.alpha", float(config["lora_alpha"]))
    for layer in range(sizes["num_hidden_layers"]):
        for target in all_targets:
            part = "self_attn" if target in all_targets[:4] else "mlp"
            key = f"base_model.model.model.layers.{layer}.{part}.{target}.lora_"
            if key + "A.weight" not in tensors:
                continue
            a, b = (tensors[key + x + ".weight"].float().numpy() for x in "AB")
            if architecture == "llama" and target in ("q_proj", "k_proj"):
                b = permuted(b, heads[target])
            w.add_tensor(f"blk.{layer}.{names[target]}.weight.lora_a", np.ascontiguousarray(a))
            w.add_tensor(f"blk.{layer}.{names[target]}.weight.lora_b", np.ascontiguousarray(b))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def make(name, model, lora, architecture=None, dtype=torch.float32, logits=False):
    folder = out / name
    peft_model = get_peft_model(model, lora)
    generator = torch.Generator().manual_seed(7)
    for key, p in sorted(peft_model.named_parameters()):
        if "lora_" in key:
            p.data = (torch.randn(p.shape, generator=generator) / 4).to(dtype)
    peft_model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = None  # a path of the machine it was made on
    if isinstance(config["target_modules"], list):  # a set: its order changes from run to run
        config["target_modules"] = sorted(config["target_modules"])
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    if logits:
        peft_model.eval()
        ids = torch.randint(0, model.config.vocab_size, (1, 11), generator=generator)
        with torch.no_grad():
            save_file({"ids": ids.to(torch.int32), "logits": peft_model(ids).logits[0].contiguous()},
                      folder / "logits.safetensors")
    deltas = {}
    for key, module in peft_model.named_modules():
        if hasattr(module, "get_delta_weight"):
            deltas[key.removeprefix("base_model.model.model.")] = module.get_delta_weight("default").detach().contiguous()
    save_file(deltas, folder / "delta.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)
    if architecture:
        write_gguf(folder, architecture, config, {"q_proj": 4, "k_proj": 2})


torch.manual_seed(0)
llama = lambda: LlamaForCausalLM(LlamaConfig(**sizes))
make("plain", llama(), LoraConfig(r=2, lora_alpha=6, lora_dropout=0.1, target_modules=all_targets,
                                  task_type="CAUSAL_LM"), "llama")
make("rslora", llama(), LoraConfig(r=3, lora_alpha=4, use_rslora=True, target_modules=["v_proj", "up_proj"],
                                   task_type="CAUSAL_LM"))
make("qwen2", Qwen2ForCausalLM(Qwen2Config(**sizes)), LoraConfig(r=2, lora_alpha=2, target_modules="all-linear",
                                                                 task_type="CAUSAL_LM"), "qwen2")
make("half", llama(), LoraConfig(r=2, lora_alpha=4, target_modules=["down_proj"], task_type="CAUSAL_LM"),
     dtype=torch.bfloat16)
for name, targets in (("llama", ["q_proj", "k_proj", "down_proj"]), ("qwen2", ["v_proj", "o_proj", "gate_proj", "up_proj"])):
    base = AutoModelForCausalLM.from_pretrained(out.parent / "models" / name, dtype=torch.float32)
    make(f"on_{name}", base, LoraConfig(r=2, lora_alpha=3, use_rslora=name == "qwen2", target_modules=targets,
                                        task_type="CAUSAL_LM"), logits=True)
    (out / f"on_{name}" / "delta.safetensors").unlink()


# Forms that are read by what their tensors are. delta.safetensors: of the directory as PeftModel.from_pretrained reads it.
def make_form(name, kind, lora, rename=None):
    folder = out / name
    make(name, kind(LlamaConfig(**sizes)), lora)
    tensors_file = folder / "adapter_model.safetensors"
    loaded = PeftModel.from_pretrained(kind(LlamaConfig(**sizes)), folder)
    deltas = {re.sub(r"^base_model\.model\.(model\.)?", "", key): module.get_delta_weight("default").detach().contiguous()
              for key, module in loaded.named_modules() if hasattr(module, "get_delta_weight")}
    save_file(deltas, folder / "delta.safetensors")
    if rename:
        save_file({rename(key): tensor for key, tensor in load_file(tensors_file).items()}, tensors_file,
                  metadata={"format": "pt"})
    for file in folder.iterdir():
        file.chmod(0o644)


form = dict(r=2, lora_alpha=6, task_type="CAUSAL_LM")
make_form("some_layers", LlamaForCausalLM, LoraConfig(target_modules=["down_proj"], layers_to_transform=[1], **form))
make_form("regex", LlamaForCausalLM, LoraConfig(target_modules=r"(?:.*?(?:self_attn|mlp).*?(?:q_proj|up_proj))", **form))
make_form("excluded", LlamaForCausalLM, LoraConfig(target_modules=["q_proj", "v_proj", "up_proj"], exclude_modules=[
    "layers.0.mlp.up_proj", "v_proj"], **form))
make_form("patterns", LlamaForCausalLM, LoraConfig(
    target_modules=["q_proj", "v_proj", "down_proj"], rank_pattern={"q_proj": 1, r"layers\.1\.mlp\.down_proj": 3},
    alpha_pattern={"^model.layers.0.self_attn.q_proj": 5, "v_proj": -3, ".*down_.*": 0}, **form))
make_form("patterns_rslora", LlamaForCausalLM, LoraConfig(
    target_modules=["q_proj", "v_proj"], rank_pattern={"1.self_attn.(q|v)_proj": 4}, use_rslora=True, **form))
make_form("inner", LlamaModel, LoraConfig(r=2, lora_alpha=6, target_modules=["q_proj", "down_proj"],
                                          task_type="FEATURE_EXTRACTION"))
make_form("wrapped", LlamaForCausalLM, LoraConfig(target_modules=["q_proj", "down_proj"], **form),
          lambda key: key.replace("base_model.model.", "base_model.model._orig_mod.").replace(".mlp", "._orig_mod.mlp"))

# The tensors of `regex` as mlx-lm has them: y += scale * (x lora_a) lora_b.
folder = out / "mlx"
folder.mkdir(exist_ok=True)
save_file({re.sub(r"base_model\.model\.(.*)\.lora_([AB])\.weight", lambda m: f"{m[1]}.lora_{m[2].lower()}", key): t.T.contiguous()
           for key, t in load_file(out / "regex" / "adapter_model.safetensors").items()}, folder / "adapters.safetensors")
(folder / "adapter_config.json").write_text(json.dumps(
    {"fine_tune_type": "lora", "lora_parameters": {"rank": 2, "scale": 3.0, "dropout": 0.0}, "model": "base",
     "num_layers": 2}, indent=2) + "\n")

# On the model models/llama: with a copy of the embedding, equal to the base's, as save_embedding_layers leaves it.
base = AutoModelForCausalLM.from_pretrained(out.parent / "models" / "llama", dtype=torch.float32)
make("on_llama_copies", base, LoraConfig(r=2, lora_alpha=3, target_modules=["q_proj", "up_proj"], layers_to_transform=[1],
                                         rank_pattern={"up_proj": 1}, task_type="CAUSAL_LM"), logits=True)
(out / "on_llama_copies" / "delta.safetensors").unlink()
tensors_file = out / "on_llama_copies" / "adapter_model.safetensors"
values = load_file(out.parent / "models" / "llama" / "model.safetensors")
save_file(load_file(tensors_file) | {"base_model.model." + key: values[key] for key in (
    "model.embed_tokens.weight", "lm_head.weight")} | {"base_model.model.model.norm.modules_to_save.weight": values[
        "model.norm.weight"]}, tensors_file, metadata={"format": "pt"})

# What no A and B of linear layers hold, for `hydra merge`: DoRA with a whole norm; the head and the embedding; rows of the
# embedding with a whole head.
def make_merge(name, **lora):
    base = AutoModelForCausalLM.from_pretrained(out.parent / "models" / "llama", dtype=torch.float32)
    torch.manual_seed(3)
    model = get_peft_model(base, LoraConfig(r=2, lora_alpha=3, task_type="CAUSAL_LM", **lora))
    generator = torch.Generator().manual_seed(8)
    for key, p in sorted(model.named_parameters()):
        if p.requires_grad:
            p.data = p.data + torch.randn(p.shape, generator=generator) / 4
    folder = out / name
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    config = json.loads((folder / "adapter_config.json").read_text()) | {"base_model_name_or_path": None}
    config["target_modules"] = sorted(config["target_modules"])
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n")
    loaded = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(out.parent / "models" / "llama", dtype=torch.float32), folder).eval()
    ids = torch.randint(0, loaded.config.vocab_size, (1, 11), generator=generator)
    ids[0, 3] = 5
    with torch.no_grad():
        save_file({"ids": ids.to(torch.int32), "logits": loaded(ids).logits[0].contiguous()}, folder / "logits.safetensors")
    for file in folder.iterdir():
        file.chmod(0o644)


make_merge("merge_dora", target_modules=["q_proj", "down_proj"], use_dora=True, modules_to_save=["input_layernorm"])
make_merge("merge_ends", target_modules=["v_proj", "lm_head", "embed_tokens"], rank_pattern={"lm_head": 3})
make_merge("merge_rows", target_modules=["up_proj"], trainable_token_indices=[5, 17], modules_to_save=["lm_head"])

# What is refused: adapters that are more than A and B.
make("dora", llama(), LoraConfig(r=2, target_modules=["down_proj"], use_dora=True, task_type="CAUSAL_LM"))
(out / "dora" / "delta.safetensors").unlink()
