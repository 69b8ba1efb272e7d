"""Blocks of every format of GGUF that is decoded, and their values by the gguf package.

    pip install numpy==2.* gguf==0.19.0 safetensors==0.8.0
    python3 tests/golden/make_quant_blocks.py          # writes tests/golden/quant_blocks.safetensors

Bytes are drawn at random; scales (float16, or MXFP4's exponent) are finite ones of every size: normal, the largest, 0, and
subnormals among them. `FORMAT.blocks` (blocks, bytes) u8, `FORMAT.values` (blocks, elements) f32.
"""

from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import save_file

# Places of the float16 scales in a block.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}
EXTREME = np.array([0x0000, 0x8000, 0x0001, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00], np.uint16)

random = np.random.default_rng(20261129)
tensors = {}
for name, places in SCALES.items():
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    count = 1024 // elements + 8
    blocks = random.integers(0, 256, (count, size), np.uint8)
    for place in places:
        scales = random.integers(0, 0x7C00, count).astype(np.uint16) | (random.integers(0, 2, count) << 15).astype(np.uint16)
        scales[:8] = np.roll(EXTREME, place)
        blocks[:, place:place + 2] = scales.view(np.uint8).reshape(count, 2)
    if name == "MXFP4":
        blocks[:8, 0] = [0, 1, 2, 3, 127, 128, 253, 254]
    values = gguf.dequantize(blocks, kind)
    assert np.isfinite(values).all() or name == "MXFP4", name
    tensors[f"{name}.blocks"] = blocks
    tensors[f"{name}.values"] = np.ascontiguousarray(values.reshape(count, elements), np.float32)
save_file(tensors, Path(__file__).parent / "quant_blocks.safetensors", {"gguf": "0.19.0"})
