"""bench/peers/gpu_layer.py without a GPU: the rows are right; and, where PyTorch is, its forms agree, and with a program
beside them (an argument) every row is made. Exits with 77 if there is no PyTorch and all else is well."""
import json
import math
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "peers"))
import gpu_layer as peer  # noqa: E402

line = peer.row("r", "c", "x", [1.0, 3.0, 2.0], 2.0)
assert line == {"row": "r", "case": "c", "unit": "x", "measured": 2.0, "min": 1.0, "max": 3.0, "target": 2.0,
                "sense": ">=", "holds": True, "command": ""}, line
assert not peer.row("r", "c", "x", [0.96999], 0.97)["holds"]  # the verdict is not on the rounded number
assert peer.row("r", "c", "x", [1.0], 1.0, "<=")["holds"] and not peer.row("r", "c", "x", [1.01], 1.0, "<=")["holds"]
assert peer.row("r", "c", "x", [math.inf], 1.0, "<=")["measured"] is None
assert peer.row("r", "c", "ms", [1.23456])["measured"] == 1.235 and peer.row("r", "c", "ms", [1.0])["holds"] is None
assert peer.words((8, 8), 4) == "8^2, T = 4" and peer.words((8, 9), 4) == "8->9, T = 4"
assert peer.over({"a": [2.0, 9.0], "b": [1.0, 3.0]}, "a", "b") == [2.0, 3.0]

calls = []


def case(name, seconds):
    def run(repeats):
        calls.append((name, repeats))
        return seconds
    return run


times = peer.interleave({"a": case("a", 0.5), "b": case("b", 2.0)}, 2, 1.0)
assert times == {"a": [0.5, 0.5], "b": [2.0, 2.0]}, times
assert calls[4:] == [("a", 2), ("b", 1), ("b", 1), ("a", 2)], calls

try:
    import torch
except ImportError:
    print("skipped: no PyTorch, the forms are not compared")
    sys.exit(77)
import adapter_forms as forms  # noqa: E402
forms.check_forms()
layer = forms.make_layer((24, 20), "cpu", torch.float32)
x = torch.randn(7, 24, requires_grad=True)
# A head: its output (T, out) and A x (T, r); and the gates (T, N), which float32 has no need to round.
kept = forms.saved_bytes(forms.make_forms(layer)["released"], x, layer)
assert kept == 4 * 7 * (forms.HEADS * (20 + forms.RANK) + forms.HEADS), kept

if len(sys.argv) > 1:
    command = [sys.executable, str(ROOT / "bench/peers/gpu_layer.py"), "--device", "cpu", "--tiny", "--beside", sys.argv[1]]
    lines = [json.loads(text) for text in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]
    judged = [(row["row"], row["target"]) for row in lines if row["target"] is not None]
    assert judged == [(peer.NAMES["ratio"], 2.5)] + [(peer.NAMES["matmul"], 0.97)] * 4 + [
        (peer.NAMES["ratio"], 3.5)] + [(peer.NAMES["matmul"], 0.97)] * 2 + [(peer.NAMES["saved"], 50.0)] * 2, judged
    # 16 bits: the counted bytes are those of the formula in bench/thrust/linear_rows.hpp, divided by ours.
    block = [(32, 32)] * 4 + [(32, 48)] * 2 + [(48, 32)]
    released = sum(4 * 64 * (2 * (out + 8) + 4 + 2) for _, out in block)
    ours = sum(64 * (4 * (8 + 4) + 2 * 32) for _ in block)  # u and gates in float, and the room behind x
    counted = [row["measured"] for row in lines if row["row"] == peer.NAMES["saved"]]
    assert counted[0] == float(f"{released / ours:.4g}"), (counted, released / ours)
print("rows, forms and counted bytes are right")
