"""bench/peers/side_by_side.py without PyTorch: rounds and their repetition, the choice of an environment, a program beside,
and the rows."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "peers"))
import side_by_side as peer  # noqa: E402


class Noise:
    """A pressure whose rounds are disturbed as told."""

    def __init__(self, *disturbed):
        self.left = list(disturbed)

    def begin(self):
        pass

    def end(self):
        return self.left.pop(0)


def counting():
    count = iter(range(1000))
    return lambda repeats: next(count)


# The first two calls of a case warm up and say how often it is repeated.
def rounds_of(rounds, *disturbed, seconds=60):
    return peer.interleave({"a": counting()}, rounds, 0, Noise(*disturbed), seconds)["a"]


assert rounds_of(2, False, False) == [2, 3]
assert rounds_of(5, False, True, False, False, False, False) == [2, 4, 5, 6, 7]  # a disturbed round is made again
assert rounds_of(5, *[True] * 9, False) == [11, *range(2, 11)]  # twice as many at most, then all count
assert rounds_of(6, *[False] * 5, *[True] * 7) == [2, 3, 4, 5, 6]  # five are enough
assert rounds_of(2, True, True, seconds=-1) == [2, 3]  # no time to make any again

assert peer.quickest({"slow": lambda _: 2.5, "quick": lambda _: 1.0, "middle": lambda _: 1.5}) == "quick"
peer.Pressure.FILE = "/nowhere"
pressure = peer.Pressure()
pressure.begin()
assert not pressure.end() and "not counted" in pressure.words()
assert peer.clocked(lambda: None)(3) >= 0
assert peer.note_of({"a": [0.002, 0.001, 0.003], "b": [0.1]}, "a", "b") == "2.0 / 100.0, least 1.0 / 100.0 ms"

program = "import sys\nfor line in sys.stdin: print('error: ' + line if 'bad' in line else 'said ' + line, end='', flush=True)"
beside = peer.Beside([sys.executable, "-c", program])
assert beside.ask("a", 1) == "said a 1"
try:
    beside.ask("bad")
    raise AssertionError("an error was taken for an answer")
except RuntimeError as error:
    assert "'error: bad'" in str(error)
beside.close()

with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as table:
    file = pathlib.Path(folder) / "rows.jsonl"
    report = peer.Report(str(file))
    report.row("B", "2048x2048 T=512 N=3", [1.75, 1.7, 1.62], 1.6)
    report.row("C", "2048x2048 T=128 N=3", [0.9, 0.9], 0.8, "<=", "1 / 2 ms")
    report.row("E'", "all", [22528], note="bytes")
    report.left_out("J", "all", "because")
    report.file.close()
    lines = file.read_text().splitlines()
assert lines[0] == ('{"row":"B","case":"2048x2048 T=512 N=3","measured":1.7,"min":1.62,"max":1.75,"target":1.6,'
                    '"holds":true}'), lines[0]
assert lines[2] == '{"row":"E\'","case":"all","measured":22528,"min":22528,"max":22528}', lines[2]
assert json.loads(lines[1])["holds"] is False and json.loads(lines[3])["measured"] is None
assert table.getvalue() == ("| B | 2048x2048 T=512 N=3 | 1.7 [1.62, 1.75] | >= 1.6: holds |  |\n"
                            "| C | 2048x2048 T=128 N=3 | 0.9 [0.9, 0.9] | <= 0.8: MISSED | 1 / 2 ms |\n"
                            "| E' | all | 22,528 |  | bytes |\n| J | all | not measured | | because |\n"), table.getvalue()
print("rounds, choice, program beside and rows are right")
