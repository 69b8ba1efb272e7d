# Writes rope.json and rope.safetensors: what transformers makes of settings of RoPE in config.json.
#     HF_HUB_OFFLINE=1 python make_rope.py                       (torch 2.15, transformers 5.24)
# rope.json has, by name, the keys that replace those of models/llama/config.json (null: key taken away), the inverse frequencies
# of heads of 32 dimensions, and the factor of cosines and sines. rope.safetensors has input_ids and, by name, logits [T, V] of
# models/llama with some of these keys.
import json
import pathlib
import tempfile

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

here = pathlib.Path(__file__).parent
model_folder = here / "models" / "llama"
original = json.loads((model_folder / "config.json").read_text())
old = {"rope_parameters": None}
variants = {
    "linear": {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.5}},
    "linear_old": old | {"rope_theta": 500.0, "rope_scaling": {"type": "linear", "factor": 4.0}},
    "dynamic": {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 300.0, "factor": 2.0}},
    "yarn": {"rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
                                 "original_max_position_embeddings": 16}},
    "yarn_whole": {"rope_parameters": {"rope_type": "yarn", "rope_theta": 100.0, "factor": 8.0, "truncate": False,
                                       "original_max_position_embeddings": 32, "beta_fast": 4, "beta_slow": 0.5}},
    "yarn_mscale": {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1000.0, "factor": 40.0, "mscale": 1.5,
                                        "mscale_all_dim": 0.5, "original_max_position_embeddings": 64, "beta_fast": 0}},
    "yarn_given": old | {"rope_theta": 50.0, "rope_scaling": {"type": "yarn", "factor": 2.0, "attention_factor": 0.75}},
    "yarn_null": {"rope_parameters": {"rope_type": "yarn", "factor": None, "original_max_position_embeddings": 8}},
    "yarn_outside": {"original_max_position_embeddings": 24, "rope_parameters": {
        "rope_type": "yarn", "rope_theta": 200.0, "factor": 3.0, "original_max_position_embeddings": 48}},
    "two_thetas": {"rope_theta": 500.0, "rope_parameters": {"rope_type": "default", "rope_theta": 20.0}},
    "theta_outside": {"rope_theta": 500.0, "rope_parameters": {"rope_type": "default"}},
}
with_logits = ["linear_old", "dynamic", "yarn", "yarn_given", "two_thetas"]
ids = torch.randint(0, original["vocab_size"], (1, 20), generator=torch.Generator().manual_seed(5))
tensors, document = {"input_ids": ids.to(torch.int32)}, {}


def config_of(keys):
    config = {k: v for k, v in (original | keys).items() if v is not None or k not in keys}
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "config.json").write_text(json.dumps(config))
        return AutoConfig.from_pretrained(folder)


for name, keys in variants.items():
    rotary = LlamaRotaryEmbedding(config_of(keys | {"head_dim": 32}))
    document[name] = {"keys": keys, "inv_freq": [float(x) for x in rotary.inv_freq],
                      "attention_factor": float(rotary.attention_scaling)}
    if name in with_logits:
        model = AutoModelForCausalLM.from_pretrained(model_folder, config=config_of(keys), dtype=torch.float32,
                                                     attn_implementation="eager")
        with torch.no_grad():
            tensors[name] = model(ids).logits[0].contiguous()
save_file(tensors, here / "rope.safetensors")
(here / "rope.json").write_text(json.dumps(document, indent=1) + "\n")
(here / "rope.safetensors").chmod(0o644)
