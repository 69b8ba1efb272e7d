"""Matrices quantised to NF4 by bitsandbytes on a CPU, plain and with nested scales.

    pip install numpy==2.* torch==2.15.* bitsandbytes==0.50.2 safetensors==0.8.0
    python3 tests/golden/make_nf4.py                   # writes tests/golden/nf4.safetensors

`NAME.x` is a matrix (rows, cols) whose rows are whole blocks of 64, `NAME.codes` (rows, cols / 2) its codes, two a byte,
`NAME.scales` (1, blocks), `NAME.values` what is decoded. Nested, `NAME.scale_codes` (1, blocks) and `NAME.side`: the dynamic
map, the offset, a scale of each 256 scales. The values of `nested` are those of its last row alone.

What is in `edges`: numbers midway between two values and those beside them, blocks of zeros, of zeros of both signs, of the
largest floats, and of ones so small that bitsandbytes divides by 1e-38 instead.
"""

from pathlib import Path

import bitsandbytes.functional as F
import numpy as np
import torch
from safetensors.torch import save_file

torch.manual_seed(20261129)
tensors = {}


def put(name, x, rows=slice(None)):
    packed, state = F.quantize_4bit(x, blocksize=64, quant_type="nf4")
    tensors[f"{name}.x"] = x
    tensors[f"{name}.codes"] = packed.reshape(x.shape[0], -1)
    tensors[f"{name}.scales"] = state.absmax.reshape(1, -1)
    tensors[f"{name}.values"] = F.dequantize_4bit(packed, state)[rows].contiguous()


def put_nested(name, x, rows=slice(None)):
    packed, state = F.quantize_4bit(x, blocksize=64, quant_type="nf4", compress_statistics=True)
    plain, plain_state = F.quantize_4bit(x, blocksize=64, quant_type="nf4")
    assert torch.equal(packed, plain)
    mean = plain_state.absmax.double().mean().float()
    assert torch.equal(mean, state.offset), "a mean that depends on the order of its sum: draw another"
    tensors[f"{name}.x"] = x
    tensors[f"{name}.codes"] = packed.reshape(x.shape[0], -1)
    tensors[f"{name}.scale_codes"] = state.absmax.reshape(1, -1)
    tensors[f"{name}.side"] = torch.cat([state.state2.code, state.offset.reshape(1), state.state2.absmax]).reshape(1, -1)
    tensors[f"{name}.values"] = F.dequantize_4bit(packed, state)[rows].contiguous()


put("float32", torch.randn(4, 192) * torch.logspace(-3, 3, 4).reshape(4, 1))
put("bfloat16", (torch.randn(5, 128) * 0.02).to(torch.bfloat16))
put("float16", (torch.randn(3, 64) * 0.1).to(torch.float16))

code = F.get_4bit_type("nf4", device="cpu")
middle = (code[:-1] + code[1:]) / 2
edges = torch.zeros(12, 64)
edges[0, :15], edges[0, 15] = middle, 1.0
edges[1, :15], edges[1, 15] = torch.nextafter(middle, torch.tensor(2.0)), 1.0
edges[2, :15], edges[2, 15] = torch.nextafter(middle, torch.tensor(-2.0)), -1.0
edges[3, :15], edges[3, 15] = 3 * middle, -3.0
edges[5, ::2] = -0.0
edges[6] = torch.linspace(-1, 1, 64) * torch.finfo(torch.float32).max
for row, size in enumerate([1e-37, 1.1e-38, 9e-39, 1e-39, 1e-44], 7):
    edges[row] = torch.linspace(-size, size, 64)
put("edges", edges)

put_nested("nested", (torch.randn(20, 960) * 0.02).to(torch.bfloat16), slice(19, 20))
put_nested("nested_float", torch.randn(3, 128))
put_nested("nested_equal", torch.ones(2, 128))

# Scales alone, of many sizes and in more than one group; their sum is exact.
scales = torch.round(2.0 ** torch.empty(600).uniform_(-12, 2) * 4096) / 4096
scales[100:110] = 0
offset = scales.mean()
assert torch.equal(offset, scales.double().mean().float())
codes, state = F.quantize_blockwise(scales - offset, blocksize=256)
tensors["scales.x"] = scales.reshape(1, -1)
tensors["scales.scale_codes"] = codes.reshape(1, -1)
tensors["scales.side"] = torch.cat([state.code, offset.reshape(1), state.absmax]).reshape(1, -1)
tensors["scales.values"] = (F.dequantize_blockwise(codes, state) + offset).reshape(1, -1)

save_file(tensors, Path(__file__).parent / "nf4.safetensors", {"bitsandbytes": "0.50.2"})
