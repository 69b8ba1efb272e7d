#!/usr/bin/env python3
"""Writes gguf_models/: small random models in GGUF by the gguf package, and their logits by transformers.

    pip install torch==2.15.* transformers==5.24.* safetensors gguf==0.19.0
    HF_HUB_OFFLINE=1 python3 tests/golden/make_gguf_models.py

| model | what is particular |
|---|---|
| llama | Q4_0 to Q8_0, Q4_K, Q6_K, F16, BF16, F32 side by side; q and k in the file's row order; llama3's RoPE as factors; a tokenizer of bytes with ChatML's template; embeddings of more rows than a block |
| qwen2 | biases (F16 and F32), tied, arrays of a number a layer |
| qwen3 | norms of heads; in three parts |
| gemma3 | norms as the factors they are, local and global layers, linear scaling of the global ones, norms around |

Weights are drawn at random and quantised; matrices of 256-wide blocks, which the package cannot make, are random blocks with
moderate scales. expected.safetensors has, for each model, `<model>.ids` [2, T] int32 and `<model>.logits` [2, T, V]: what
transformers computes in double of the weights as the package dequantises them, kept as float32.
Two of one layer, for fuzzing, go to tests/fuzz/corpus/gguf_model/.
q8_0.safetensors: `values` [n, 64] float32 and the package's `blocks` of them.
"""
import pathlib

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from make_models import everything_in
from safetensors.numpy import save_file
from transformers import AutoConfig, AutoModelForCausalLM

OUT = pathlib.Path(__file__).resolve().parent / "gguf_models"
SEEDS = OUT.parents[1] / "fuzz/corpus/gguf_model"
LENGTH = 16
NAMES = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
TOP = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
# By the kind of tensor; the others are F32.
MODELS = {
    "llama": dict(
        config=dict(model_type="llama", vocab_size=264, hidden_size=32, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                    intermediate_size=256, rms_norm_eps=1e-5,
                    rope_parameters={"rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0,
                                     "high_freq_factor": 4.0, "original_max_position_embeddings": 64}),
        types={"token_embd": "Q8_0", "output": "BF16", "attn_q": "Q4_1", "attn_k": "F16", "attn_v": "Q5_0", "attn_output": "Q4_0",
               "ffn_gate": "Q5_1", "ffn_up": "Q8_0", "ffn_down": ("Q4_K", "Q6_K")}),
    "qwen2": dict(
        config=dict(model_type="qwen2", vocab_size=40, hidden_size=32, num_attention_heads=2, num_key_value_heads=1,
                    intermediate_size=64, tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
        types={"token_embd": "F16", "attn_q": "Q8_0", "attn_q.bias": "F16", "attn_v": "BF16", "ffn_gate": "Q8_0", "ffn_up": "Q4_0",
               "ffn_down": "IQ4_NL"}),
    "qwen3": dict(
        config=dict(model_type="qwen3", vocab_size=40, hidden_size=32, num_attention_heads=2, num_key_value_heads=1, head_dim=32,
                    intermediate_size=64, rope_parameters={"rope_type": "default", "rope_theta": 1e6}),
        types={"attn_q": "BF16", "attn_k": "Q4_1", "attn_output": "Q8_0", "ffn_gate": "Q8_0", "ffn_up": "F16", "ffn_down": "Q5_1"}),
    "gemma3": dict(
        config=dict(model_type="gemma3_text", vocab_size=40, hidden_size=32, num_attention_heads=2, num_key_value_heads=1,
                    head_dim=16, intermediate_size=32, num_hidden_layers=7, query_pre_attn_scalar=16, sliding_window=6,
                    rope_parameters={"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                                     "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}),
        types={"token_embd": "Q8_0", "attn_q": "Q4_0", "attn_k": "Q8_0", "attn_v": "Q4_1", "attn_output": "Q5_0",
               "ffn_gate": "Q4_0", "ffn_up": "Q4_1", "ffn_down": "Q8_0"}),
}
random = np.random.default_rng(20261129)


def gguf_name(path, architecture):
    names = dict(NAMES)
    if architecture == "gemma3":
        names |= {"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
                  "post_feedforward_layernorm": "post_ffw_norm"}
    else:
        names |= {"post_attention_layernorm": "ffn_norm"}
    stem, kind = path.rsplit(".", 1)
    if stem in TOP:
        return TOP[stem], f"{TOP[stem]}.{kind}"
    layer, inside = stem.removeprefix("model.layers.").split(".", 1)
    return names[inside], f"blk.{layer}.{names[inside]}.{kind}"


def permute(a, heads):
    """convert_hf_to_gguf.py, LlamaModel.permute"""
    return a.reshape(heads, 2, a.shape[0] // heads // 2, *a.shape[1:]).swapaxes(1, 2).reshape(a.shape)


def unpermute(a, heads):
    return a.reshape(heads, a.shape[0] // heads // 2, 2, *a.shape[1:]).swapaxes(1, 2).reshape(a.shape)


def random_blocks(kind, shape):
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (shape[0], shape[1] // elements * size), np.uint8)
    for place in {Type.Q4_K: [0, 2], Type.Q6_K: [208]}[kind]:
        scales = (random.uniform(0.5, 1.5, blocks.shape[0] * (shape[1] // elements)) * 2.0 ** -13).astype(np.float16)
        blocks.reshape(-1, size)[:, place:place + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks


def stored(values, kind):
    """The bytes in the file, and the values that they are."""
    if kind in (Type.Q4_K, Type.Q6_K):
        blocks = random_blocks(kind, values.shape)
    elif kind == Type.IQ4_NL:  # as Q4_0, whose bytes it shares
        blocks = gguf.quantize(values, Type.Q4_0)
    elif kind == Type.F32:
        return values, values
    else:
        blocks = gguf.quantize(values, kind)
    return blocks, gguf.dequantize(blocks, kind).reshape(values.shape).astype(np.float32)


def add_tokenizer(w, size):
    letters = [chr(c) if c in [*range(33, 127), *range(161, 173), *range(174, 256)] else None for c in range(256)]
    extra = iter(range(256, 512))
    letters = [c if c is not None else chr(next(extra)) for c in letters]
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    pair = ["qz"]  # the package leaves a list of no merges out
    unused = [f"[PAD{i}]" for i in range(size - 257 - len(specials))]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(letters + specials + pair + unused)
    w.add_token_types([1] * 256 + [3] * len(specials) + [1] + [5] * len(unused))
    w.add_token_merges(["q z"])
    w.add_eos_token_id(258)
    w.add_bos_token_id(257)
    w.add_add_bos_token(False)
    w.add_chat_template("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
                        "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def make(name, file, options, types):
    """Writes the file. Returns its configuration and the weights that transformers would have."""
    options = {"num_hidden_layers": 2} | options
    config = AutoConfig.for_model(**options, max_position_embeddings=512, bos_token_id=None, eos_token_id=None, pad_token_id=None)
    config._attn_implementation = "eager"
    torch.manual_seed(7)
    weights = {path: p.shape for path, p in AutoModelForCausalLM.from_config(config).named_parameters()}
    parts = dict(split_max_tensors=12) if name == "qwen3" else {}
    w = gguf.GGUFWriter(file, name, **parts)
    layers, heads, kv_heads = config.num_hidden_layers, config.num_attention_heads, config.num_key_value_heads
    w.add_block_count(layers)
    w.add_context_length(512)
    w.add_embedding_length(config.hidden_size)
    w.add_feed_forward_length([config.intermediate_size] * layers if name == "qwen2" else config.intermediate_size)
    w.add_head_count(heads)
    w.add_head_count_kv([kv_heads] * layers if name == "qwen2" else kv_heads)
    w.add_layer_norm_rms_eps(config.rms_norm_eps)
    if name != "qwen2":
        w.add_key_length(config.head_dim)
        w.add_value_length(config.head_dim)
    if name == "llama":
        w.add_rope_dimension_count(config.head_dim)
        w.add_vocab_size(config.vocab_size)
        if config.vocab_size > 256:
            add_tokenizer(w, config.vocab_size)
    rope = config.rope_parameters
    w.add_rope_freq_base(rope["full_attention"]["rope_theta"] if name == "gemma3" else rope["rope_theta"])
    if name == "gemma3":
        w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        w.add_rope_scaling_factor(8.0)
        w.add_sliding_window(6)
    if name == "llama":  # convert_hf_to_gguf.py, LlamaModel.generate_extra_tensors
        frequencies = rope["rope_theta"] ** -(np.arange(0, config.head_dim, 2, dtype=np.float64) / config.head_dim)
        low, high, length = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
        factors = []
        for wavelength in 2 * np.pi / frequencies:
            smooth = np.clip((length / wavelength - low) / (high - low), 0, 1)
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
        assert len({*factors}) > 2 or config.head_dim < 16
        w.add_tensor("rope_freqs.weight", np.array(factors, np.float32))

    values = {}
    for i, (path, shape) in enumerate(weights.items()):
        kind, to = gguf_name(path, name)
        if "norm" in path:
            drawn = 1 + 0.2 * random.standard_normal(shape)
        else:
            drawn = random.standard_normal(shape) * (0.3 if len(shape) == 1 else shape[1] ** -0.5)
        drawn = drawn.astype(np.float32)
        chosen = types.get(kind + ".bias" if path.endswith(".bias") else kind, "F32")
        chosen = chosen[int(path.split(".")[2])] if isinstance(chosen, tuple) else chosen
        chosen = Type.F32 if len(shape) == 1 and not path.endswith(".bias") else Type[chosen]
        turned = {"attn_q": heads, "attn_k": kv_heads}.get(kind) if name == "llama" else None
        blocks, exact = stored(permute(drawn, turned) if turned else drawn, chosen)
        w.add_tensor(to, blocks, raw_dtype=chosen)
        exact = unpermute(exact, turned) if turned else exact
        # Files of Gemma in GGUF have the factor; transformers' parameter is that less one.
        values[path] = torch.from_numpy(np.array(exact, np.float64) - (1 if name == "gemma3" and "norm" in path else 0))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return config, values


def record(name, config, values, expected):
    """Two texts and their logits."""
    ids = random.integers(0, config.vocab_size, (2, LENGTH)).astype(np.int32)
    with everything_in(torch.float64), torch.no_grad():
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float64)
        missing, unexpected = model.load_state_dict(values, strict=False)
        assert not unexpected and missing == (["lm_head.weight"] if config.tie_word_embeddings else []), missing
        model.tie_weights()
        expected[f"{name}.logits"] = model(torch.from_numpy(ids.astype(np.int64))).logits.numpy().astype(np.float32)
    expected[f"{name}.ids"] = ids


def make_q8_0():
    """Rows of many sizes, ties and zeros among them."""
    values = random.standard_normal((24, 64)).astype(np.float32) * (10.0 ** random.integers(-6, 5, (24, 1))).astype(np.float32)
    values[0] = 0
    values[1] = np.linspace(-127, 127, 64, dtype=np.float32).round(0) / 2  # halves of the scale
    values[1, :2] = 127, -127
    values[2] = 1e-7 * values[2]
    blocks = gguf.quantize(values, Type.Q8_0)
    save_file({"values": values, "blocks": blocks}, OUT / "q8_0.safetensors", {"gguf": "0.19.0"})


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    SEEDS.mkdir(exist_ok=True)
    for path in OUT.iterdir():
        path.unlink()
    expected = {}
    for name, model in MODELS.items():
        record(name, *make(name, OUT / f"{name}.gguf", model["config"], model["types"]), expected)
    save_file(expected, OUT / "expected.safetensors", {"gguf": "0.19.0", "transformers": "5.24.0"})
    make_q8_0()
    # What fuzzing begins with: as small as blocks allow.
    small = dict(vocab_size=8, hidden_size=32, num_attention_heads=2, num_key_value_heads=1, head_dim=16, intermediate_size=32,
                 num_hidden_layers=1)
    kinds = ["token_embd", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down", "output"]
    for name in ["llama", "gemma3"]:
        make(name, SEEDS / f"{name}.gguf", MODELS[name]["config"] | small, dict.fromkeys(kinds, "Q4_0"))
    for path in OUT.iterdir():
        path.chmod(0o644)
