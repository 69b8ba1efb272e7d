#!/usr/bin/env python3
"""Writes llama_tiny.safetensors: logits, loss and gradients of Hugging Face's LlamaForCausalLM in double.

    pip install torch transformers safetensors
    python3 make_llama.py

Two models of 2 layers: `own` with a head of its own, `tied` with a tied one and llama3 rope scaling. Recorded with
torch 2.15.0 and transformers 5.23.0. Weights are `<model>.<name>`, gradients of the mean loss `<model>.grad.<name>`.

The model's code asks for float32 by name in its norms, softmax and rotary tables: `everything_in_double` makes these
names mean float64, so that the numbers are good to 1e-14.
"""
import contextlib
import os

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}
MODELS = {
    "own": dict(tie_word_embeddings=False, rope_theta=10000.0),
    "tied": dict(tie_word_embeddings=True, rope_theta=500.0, rope_scaling=LLAMA3),
}


@contextlib.contextmanager
def everything_in_double():
    names = torch.float, torch.float32, torch.Tensor.float
    torch.float, torch.float32, torch.Tensor.float = torch.float64, torch.float64, torch.Tensor.double
    try:
        yield
    finally:
        torch.float, torch.float32, torch.Tensor.float = names


def run(options, ids, labels):
    config = LlamaConfig(vocab_size=32, hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
                         num_key_value_heads=2, head_dim=6, intermediate_size=24, max_position_embeddings=64,
                         rms_norm_eps=1e-5, attn_implementation="eager", **options)
    model = LlamaForCausalLM(config).double()
    with torch.no_grad():
        for path, p in model.named_parameters():
            p.copy_(1 + 0.2 * torch.randn_like(p) if "norm" in path else 0.4 * torch.randn_like(p))
    logits = model(input_ids=ids).logits
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, 32), labels.reshape(-1), ignore_index=-100)
    loss.backward()
    return model, logits, loss


def main():
    torch.manual_seed(1)
    torch.set_default_dtype(torch.float64)
    tensors = {}
    ids = torch.randint(0, 32, (2, 12))
    labels = torch.randint(0, 32, (2, 12))
    labels[0, :3] = labels[1, 7] = -100
    tensors["ids"], tensors["labels"] = ids.to(torch.int32), labels.to(torch.int32)
    for name, options in MODELS.items():
        with everything_in_double():
            model, logits, loss = run(options, ids, labels)
        assert model.model.rotary_emb.inv_freq.dtype == torch.float64
        for path, p in model.named_parameters():
            tensors[f"{name}.{path}"] = p.detach().clone()
            tensors[f"{name}.grad.{path}"] = p.grad.clone()
        tensors[f"{name}.logits"] = logits.detach().reshape(-1, 32)
        tensors[f"{name}.loss"] = loss.detach().reshape(1)
        print(name, "loss", loss.item())
    here = os.path.dirname(os.path.abspath(__file__))
    save_file(tensors, os.path.join(here, "llama_tiny.safetensors"))


if __name__ == "__main__":
    main()
