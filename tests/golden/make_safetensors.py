#!/usr/bin/env python3
"""Makes mixed.safetensors with the reference implementation: pip install safetensors==0.5.3 numpy; python3 make_safetensors.py

Every element is written by a formula that tests/io/safetensors_writer_test.cpp repeats. The values that
tests/io/safetensors_test.cpp expects of the other golden files are printed by: python3 make_safetensors.py --values
"""
import json
import pathlib
import struct
import sys

here = pathlib.Path(__file__).resolve().parent


def make():
    import numpy as np
    from safetensors import serialize

    def tensor(array, dtype=None):
        return {"dtype": dtype or array.dtype.name, "shape": list(array.shape), "data": array.tobytes()}

    ramp = np.arange(12, dtype=np.float64)
    bf16 = np.array([0x3F80, 0xC000, 0x7F80, 0x0001, 0x8000], dtype=np.uint16)  # 1, -2, inf, the smallest, -0
    tensors = {
        "layers.0.weight": tensor((ramp / 8 - 0.5).astype(np.float32).reshape(3, 4)),
        "layers.1.weight": tensor((ramp * 0.1).reshape(2, 2, 3)),
        "half": tensor(np.arange(12, dtype=np.uint16) * np.uint16(3125), "float16"),
        "brain": tensor(bf16, "bfloat16"),
        "step": tensor(np.array([-(2**63), 2**63 - 1, 7], dtype=np.int64)),
        "seed": tensor(np.array([2**64 - 1, 0], dtype=np.uint64)),
        "scalar": tensor(np.array(2.5, dtype=np.float32)),
        "empty": tensor(np.zeros((0, 3), dtype=np.float32)),
        "bytes": tensor(np.arange(5, dtype=np.uint8)),
        "mask": tensor(np.array([True, False, True])),
        "small": tensor(np.array([-128, 127, 0], dtype=np.int8)),
        "ints": tensor(np.array([-(2**31), 2**31 - 1], dtype=np.int32)),
        'odd "name" \\ / \n\t\u0001 \u00e9 \u20ac \U0001f600 \u007f': tensor(np.array([1.0], dtype=np.float32)),
    }
    (here / "mixed.safetensors").write_bytes(serialize(tensors, {"format": "pt"}))


def values():
    for path in sorted(here.glob("layer_*.safetensors")):
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        print(path.name, len(data), len(header) - 1)
        for name in ("x", "b", "dwg", "loss_last"):
            begin, end = header[name]["data_offsets"]
            numbers = struct.unpack(f"<{(end - begin) // 8}d", data[8 + length + begin : 8 + length + end])
            print(" ", name, header[name]["shape"], repr(numbers[0]), repr(numbers[len(numbers) // 2]), repr(numbers[-1]))


if __name__ == "__main__":
    values() if "--values" in sys.argv else make()
