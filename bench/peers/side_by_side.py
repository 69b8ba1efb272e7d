"""PyTorch and a program of this library timed in turn in one run: the program, the rounds, what disturbed them, the rows."""
import json
import math
import os
import shlex
import statistics
import subprocess
import sys

# What makes PyTorch on the CPU quick, found by trial: bench/README.md, "Beside PyTorch". One pool of threads, as many as
# cores; and a heap that gives nothing back to the system, for a tensor of some megabytes is otherwise mapped anew, and its
# pages faulted in, each time it is made.
TUNED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 34), "MALLOC_TOP_PAD_": str(1 << 26),
         "THP_MEM_ALLOC_ENABLE": "1"}
TUNED_MARK = "HYDRALORA_PEERS_TUNED"


def tune(threads):
    """Starts this script again in the environment that is good for PyTorch: the allocator reads it once."""
    if TUNED_MARK not in os.environ:
        tuned = {**os.environ, "OMP_NUM_THREADS": str(threads), **TUNED, TUNED_MARK: "1"}
        os.execve(sys.executable, [sys.executable, *sys.argv], tuned)


def untuned():
    """The environment for the other side, which is run as a user would."""
    return {name: value for name, value in os.environ.items() if name not in {TUNED_MARK, *TUNED}}


class Beside:
    """A program that answers a line for each line. Started before torch is imported, it inherits none of its settings."""

    def __init__(self, command):
        self.process = subprocess.Popen(shlex.split(command) if isinstance(command, str) else command, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=untuned())

    def ask(self, *words):
        line = " ".join(str(word) for word in words)
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the program beside has ended") from None
        answer = self.process.stdout.readline().strip()
        if not answer or answer.startswith("error"):
            raise RuntimeError(f"the program beside answers {answer!r} to {line!r}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Pressure:
    """Tells rounds in which other programs wanted the processors, by the time that runnable threads had to wait."""
    FILE, MOST = "/proc/pressure/cpu", 0.05

    def __init__(self, clock):
        self.clock, self.rounds, self.disturbed = clock, 0, 0
        self.known = self.waited() is not None

    def waited(self):
        try:
            with open(self.FILE) as file:
                return 1e-6 * int(file.readline().rsplit("total=", 1)[1])
        except OSError:
            return None

    def begin(self):
        self.mark = (self.clock(), self.waited())

    def end(self):
        """Whether the round since begin was disturbed; not known where the system does not say."""
        if not self.known:
            return False
        begin, waited = self.mark
        disturbed = self.waited() - waited > self.MOST * (self.clock() - begin)
        self.rounds += 1
        self.disturbed += disturbed
        return disturbed

    def words(self):
        if not self.known:
            return f"disturbed rounds not counted: no {self.FILE}"
        return f"{self.disturbed} of {self.rounds} rounds were disturbed by other programs"


def interleave(cases, rounds, block, pressure=None):
    """Name -> seconds of each round; another case first in each, each repeated to fill a block of so many seconds. With a
    pressure, disturbed rounds are made again, at most as many as were asked for; where that leaves fewer than five, all
    count."""
    names = list(cases)
    for name in names:
        cases[name](1)
    repeats = {name: max(1, min(200, math.ceil(block / max(cases[name](1), 1e-6)))) for name in names}
    quiet, disturbed = [], []
    for number in range(rounds if pressure is None else 2 * rounds):
        if len(quiet) == rounds:
            break
        if pressure is not None:
            pressure.begin()
        times = {}
        for i in range(len(names)):
            name = names[(i + number) % len(names)]
            times[name] = cases[name](repeats[name])
        (disturbed if pressure is not None and pressure.end() else quiet).append(times)
    taken = quiet if len(quiet) >= min(rounds, 5) else quiet + disturbed
    return {name: [times[name] for times in taken] for name in names}


def over(times, subject, beside):
    return [a / b for a, b in zip(times[subject], times[beside])]


def note_of(times, subject, beside):
    def milliseconds(pick):
        return " / ".join(f"{1e3 * pick(times[name]):.1f}" for name in [subject, beside])
    return f"{milliseconds(statistics.median)}, least {milliseconds(min)} ms"


def digits(value):
    return float(f"{value:.4g}") if math.isfinite(value) else None


def holds(median, target, sense):
    return bool(median >= target if sense == ">=" else median <= target)


class Report:
    """Rows as lines of a Markdown table on the standard output, and as lines of JSON in a file."""

    def __init__(self, path):
        self.file = open(path, "a") if path else None

    def row(self, name, case, values, target=None, sense=">=", note=""):
        """The median of values with the least and the most, and the verdict on it where there is a target."""
        median = statistics.median(values)
        line = {"row": name, "case": case, "measured": digits(median), "min": digits(min(values)), "max": digits(max(values))}
        spread = f"{median:.4g}" + (f" [{min(values):.3g}, {max(values):.3g}]" if len(values) > 1 else "")
        verdict = ""
        if target is not None:
            line.update(target=target, holds=holds(median, target, sense))
            verdict = f"{sense} {target:g}: {'holds' if line['holds'] else 'MISSED'}"
        print(f"| {name} | {case} | {spread} | {verdict} | {note} |", flush=True)
        self.write(line)

    def left_out(self, name, case, reason):
        print(f"| {name} | {case} | not measured | | {reason} |", flush=True)
        self.write({"row": name, "case": case, "measured": None, "reason": reason})

    def write(self, line):
        if self.file:
            self.file.write(json.dumps(line, separators=(",", ":")) + "\n")
            self.file.flush()
