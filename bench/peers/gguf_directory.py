#!/usr/bin/env python3
"""A Hugging Face directory of a Llama in GGUF, its weights decoded by the gguf package and rounded to bfloat16: what
stands beside the file in the rows of memory.

    pip install gguf tokenizers
    python3 bench/peers/gguf_directory.py FILE.gguf DIRECTORY
"""
import json
import pathlib
import sys

import numpy
from gguf import GGUFReader
from gguf.quants import dequantize

PARTS = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
         "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
         "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
CONTROL = 3  # the type of a token


def bfloat16(values):
    """The nearest, of ties the even one, as 16 bits."""
    bits = numpy.ascontiguousarray(values, dtype=numpy.float32).view(numpy.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(numpy.uint16)


def tensors_of(reader, heads, kv_heads):
    """Name -> elements; the rows of q and k in transformers' order again."""
    for tensor in reader.tensors:
        values = dequantize(tensor.data, tensor.tensor_type)
        name = tensor.name.removesuffix(".weight")
        if not name.startswith("blk."):
            yield f"{WHOLE[name]}.weight", values
            continue
        _, layer, part = name.split(".")
        if part in ("attn_q", "attn_k"):
            count = heads if part == "attn_q" else kv_heads
            rows, width = values.shape
            values = values.reshape(count, rows // count // 2, 2, width).swapaxes(1, 2).reshape(rows, width)
        yield f"model.layers.{layer}.{PARTS[part]}.weight", values


def save(path, tensors):
    header, end, blocks = {}, 0, []
    for name, values in tensors:
        blocks.append(bfloat16(values).tobytes())
        header[name] = {"dtype": "BF16", "shape": list(values.shape), "data_offsets": [end, end + len(blocks[-1])]}
        end += len(blocks[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.writelines(blocks)
    return header


def save_tokenizer(path, field):
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    tokens, kinds = field("tokenizer.ggml.tokens"), field("tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in field("tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False)
                                  for token, kind in zip(tokens, kinds) if kind == CONTROL])
    tokenizer.save(str(path))


def main(source, directory):
    reader, directory = GGUFReader(source), pathlib.Path(directory)

    def field(key):
        return reader.fields[key].contents()
    if field("general.architecture") != "llama" or field("tokenizer.ggml.pre") != "smollm":
        raise SystemExit(f"{source}: expected a file of architecture llama with smollm's pre-tokenizer")
    directory.mkdir(parents=True, exist_ok=True)
    heads, kv_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    header = save(directory / "model.safetensors", tensors_of(reader, heads, kv_heads))
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "torch_dtype": "bfloat16",
              "vocab_size": len(field("tokenizer.ggml.tokens")), "hidden_size": field("llama.embedding_length"),
              "intermediate_size": field("llama.feed_forward_length"), "num_hidden_layers": field("llama.block_count"),
              "num_attention_heads": heads, "num_key_value_heads": kv_heads,
              "max_position_embeddings": field("llama.context_length"), "rope_theta": field("llama.rope.freq_base"),
              "rms_norm_eps": round(field("llama.attention.layer_norm_rms_epsilon"), 9),
              "tie_word_embeddings": "lm_head.weight" not in header,
              "bos_token_id": field("tokenizer.ggml.bos_token_id"), "eos_token_id": field("tokenizer.ggml.eos_token_id")}
    (directory / "config.json").write_text(json.dumps(config, indent=1))
    save_tokenizer(directory / "tokenizer.json", field)
    (directory / "tokenizer_config.json").write_text(json.dumps({"model_max_length": config["max_position_embeddings"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
