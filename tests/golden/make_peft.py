# Makes LoRA adapters with `peft` on small random models, which are the oracle of io/peft_test.cpp:
#     HF_HUB_OFFLINE=1 python make_peft.py         (torch 2, transformers 5, peft 0.21, gguf 0.17)
# Each folder of peft/ is what save_pretrained left, README.md apart, and delta.safetensors: get_delta_weight of every
# adapted module. logits.safetensors, where there is one: ids [1, T] and logits [T, V] of the model of that name in models/
# with the adapter. adapter.gguf in it is the same adapter as GGUF, q and k rows of lora_b permuted for Llama by numpy.
import json
import pathlib

import gguf
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

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
    config["target_modules"] = sorted(config["target_modules"])  # a set: its order changes from run to run
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
# What is refused: adapters that are more than A and B on every layer.
make("dora", llama(), LoraConfig(r=2, target_modules=["down_proj"], use_dora=True, task_type="CAUSAL_LM"))
make("some_layers", llama(), LoraConfig(r=2, target_modules=["down_proj"], layers_to_transform=[1],
                                        task_type="CAUSAL_LM"))
for folder in ("dora", "some_layers"):
    (out / folder / "delta.safetensors").unlink()
