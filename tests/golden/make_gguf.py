# Writes GGUF files with the `gguf` package (0.17 or later), which are the oracle of io/gguf_test.cpp:
#     python make_gguf.py
# mixed.gguf has every type of field, arrays, and the three float types; aligned.gguf another alignment.
import pathlib

import gguf
import numpy as np

out = pathlib.Path(__file__).parent / "gguf"
out.mkdir(exist_ok=True)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


w = gguf.GGUFWriter(out / "mixed.gguf", "llama")  # which adds general.architecture
w.add_uint8("a.u8", 200)
w.add_int8("a.i8", -100)
w.add_uint16("a.u16", 60000)
w.add_int16("a.i16", -30000)
w.add_uint32("a.u32", 4000000000)
w.add_int32("a.i32", -2000000000)
w.add_float32("a.f32", 0.15625)
w.add_uint64("a.u64", 2**63 + 5)
w.add_int64("a.i64", -(2**62))
w.add_float64("a.f64", 0.1)
w.add_bool("a.true", True)
w.add_bool("a.false", False)
w.add_string("a.text", "Grüße")
w.add_array("list.text", ["one", "", "three"])
w.add_array("list.i32", [1, -2, 3])
w.add_array("list.f32", [0.5, -0.25])
w.add_array("list.bool", [True, False, True])
w.add_tensor("m.f32", np.arange(6, dtype=np.float32).reshape(2, 3) / 4)
w.add_tensor("m.f16", np.array([[1, -2.5], [65504, 2**-24]], dtype=np.float16))
bf16 = (np.array([1.0, -0.5, 3.0], dtype=np.float32).view(np.uint32) >> 16).astype(np.uint16)
w.add_tensor("v.bf16", bf16.view(np.uint8), raw_shape=(6,), raw_dtype=gguf.GGMLQuantizationType.BF16)
w.add_tensor("deep.i32", np.arange(24, dtype=np.int32).reshape(2, 3, 4))
w.add_tensor("q8.weight", np.zeros((2, 34), dtype=np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
finish(w)

w = gguf.GGUFWriter(out / "aligned.gguf", "qwen2")
w.add_custom_alignment(64)
w.add_tensor("a", np.arange(3, dtype=np.float32))
w.add_tensor("b", np.arange(3, 6, dtype=np.float32))
finish(w)
