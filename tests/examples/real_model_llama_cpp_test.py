"""The comparison in examples/real_model_llama_cpp.py on texts and tokens written here; neither model nor xllamacpp needed.

    real_model_llama_cpp_test.py EXAMPLES"""
import sys
import types

sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
sys.modules["xllamacpp"] = types.ModuleType("xllamacpp")
from real_model_llama_cpp import CHATML, gap, parting  # noqa: E402

SAID = [(b"ve", [(b"ve", -0.5), (b"at", -2.0)]), (b"ti", [(b"ti", -0.1), (b"t", -0.35)]), (b"", [(b"", -0.2), (b" x", -1.7)])]


def expect(found, expected):
    if found != expected and not (expected is not None and found is not None and abs(found - expected) < 1e-12):
        sys.exit(f"expected {expected!r}, found {found!r}")


expect(parting(b"veti", SAID), None)
expect(parting(b"veti", SAID[:2]), None)      # both at their limit
expect(parting(b"veto", SAID), 1)
expect(parting(b"ve", SAID), 1)               # ours ends where theirs goes on
expect(parting(b"veti x", SAID), 2)           # theirs ends where ours goes on
expect(parting(b"veti x", SAID[:2]), 2)
expect(parting("vé".encode(), SAID), 0)
expect(gap(b"veto", SAID, 1), 0.25)
expect(gap(b"at", SAID, 0), 1.5)
expect(gap(b"veti x", SAID, 2), 1.5)
expect(gap(b"zz", SAID, 0), None)             # not among the likeliest
expect(gap(b"veti x", SAID[:2], 2), None)     # past the last token
expect(CHATML.fullmatch("<|im_start|>user\nSolve.\n1 + 1<|im_end|>\n<|im_start|>assistant\n").group(1), "Solve.\n1 + 1")
expect(CHATML.fullmatch("Solve.\n1 + 1\n"), None)
