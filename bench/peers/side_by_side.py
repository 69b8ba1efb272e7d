"""PyTorch and a program of this library timed in turn in one run: the environment PyTorch is quickest in, the
program, the rounds and what disturbed them, the rows."""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

# What may make PyTorch on the CPU quicker. A heap that gives nothing back to the system: a tensor of some megabytes is
# otherwise mapped anew, and its pages faulted in, each time it is made. Huge pages. Threads that sleep where they would
# spin for the next piece of work, which pays where other programs run. OMP_NUM_THREADS is always the number of threads.
HEAP = {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 34), "MALLOC_TOP_PAD_": str(1 << 26)}
HUGE, ASLEEP = {"THP_MEM_ALLOC_ENABLE": "1"}, {"OMP_WAIT_POLICY": "PASSIVE"}
ENVIRONMENTS = {"heap, sleeping threads": {**HEAP, **ASLEEP},
                "heap, huge pages, sleeping threads": {**HEAP, **HUGE, **ASLEEP}, "heap, huge pages": {**HEAP, **HUGE}, "heap": HEAP, "as it comes": {}}
CHOSEN = "HYDRALORA_PEERS_ENVIRONMENT"


def tune(threads):
    """Starts this script again in the environment in which PyTorch is quickest here: its libraries read it once. Which
    one that is says a trial, the script itself with --trial, in turn in each. Returns the name in the second life."""
    if CHOSEN in os.environ:
        return os.environ[CHOSEN]
    outer = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, *sys.argv, "--trial"]
    trials = {name: Beside(command, {**outer, **more}) for name, more in ENVIRONMENTS.items()}
    best = quickest({name: lambda _, trial=trial: float(trial.ask("time")) for name, trial in trials.items()})
    for trial in trials.values():
        trial.close()
    os.execve(sys.executable, [sys.executable, *sys.argv], {**outer, **ENVIRONMENTS[best], CHOSEN: best})


def quickest(cases, rounds=7, seconds=20):
    """The case of the least median of so many rounds, of two at least where they take longer than `seconds`; what takes
    twice as long as another in the first is out."""
    end, first = time.monotonic() + seconds, {name: case(1) for name, case in cases.items()}
    times = {name: [first[name]] for name in cases if first[name] < 2 * min(first.values())}
    for number in range(1, rounds if len(times) > 1 else 1):
        if number > 1 and time.monotonic() > end:
            break
        for name in times:
            times[name].append(cases[name](1))
    return min(times, key=lambda name: statistics.median(times[name]))


def answer_trials(run):
    """What --trial does: a line of seconds of PyTorch's pass for each line."""
    for _ in sys.stdin:
        print(clocked(run)(1), flush=True)


def untuned():
    """The environment for the other side, which is run as a user would."""
    return {name: value for name, value in os.environ.items() if name not in {CHOSEN, *HEAP, *HUGE, *ASLEEP}}


class Beside:
    """A program that answers a line for each line. Started before torch is imported, it inherits nothing of it."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env=untuned() if environment is None else environment)

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


def write(file, *tensors):
    """Their elements one behind the other, raw."""
    import torch
    with torch.no_grad():
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        torch.from_file(str(file), shared=True, size=flat.numel(), dtype=flat.dtype).copy_(flat)


def read(file, shape):
    import torch
    return torch.from_file(str(file), size=shape.numel(), dtype=torch.float32).view(shape)


class Pressure:
    """Tells rounds in which other programs wanted the processors, by the time that runnable threads had to wait."""
    FILE, MOST = "/proc/pressure/cpu", 0.05

    def __init__(self):
        self.rounds, self.disturbed = 0, 0
        self.known = self.waited() is not None

    def waited(self):
        try:
            with open(self.FILE) as file:
                return 1e-6 * int(file.readline().rsplit("total=", 1)[1])
        except OSError:
            return None

    def begin(self):
        self.mark = (time.perf_counter(), self.waited())

    def end(self):
        """Whether the round since begin was disturbed; not known where the system does not say."""
        if not self.known:
            return False
        begin, waited = self.mark
        disturbed = self.waited() - waited > self.MOST * (time.perf_counter() - begin)
        self.rounds += 1
        self.disturbed += disturbed
        return disturbed

    def words(self):
        if not self.known:
            return f"disturbed rounds not counted: no {self.FILE}"
        return f"{self.disturbed} of {self.rounds} rounds were disturbed by other programs"


def clocked(run):
    """Seconds of one of so many repeats, after one that is not counted: it brings the numbers into the caches and lets
    the other process's threads fall asleep."""
    def seconds(repeats):
        run()
        begin = time.perf_counter()
        for _ in range(repeats):
            run()
        return (time.perf_counter() - begin) / repeats
    return seconds


def interleave(cases, rounds, block, pressure=None, seconds=60):
    """Name -> seconds of each round; another case first in each, each repeated to fill a block of so many seconds. With
    a pressure, disturbed rounds are made again, at most as many as were asked for and none after `seconds`; where that
    leaves fewer than five, all count."""
    names = list(cases)
    for name in names:
        cases[name](1)
    repeats = {name: max(1, min(200, math.ceil(block / max(cases[name](1), 1e-6)))) for name in names}
    quiet, disturbed, end = [], [], time.monotonic() + seconds
    for number in range(rounds if pressure is None else 2 * rounds):
        if len(quiet) == rounds or (number >= rounds and time.monotonic() > end):
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


def options(what):
    """The command line of a script that times PyTorch beside `what`."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", metavar="PROGRAM", required=True, help=f"{what}, to be timed in turn")
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", metavar="FILE", help="append the rows there")
    parser.add_argument("--trial", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def begin(program):
    """Arguments, PyTorch, loaded in the environment it is quickest in, our program beside it, and that environment's name;
    in a trial the first two alone."""
    args = options(program)
    environment = "" if args.trial else tune(args.threads)
    ours = None if args.trial else Beside([args.beside, "--threads", str(args.threads)])
    import torch
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    return args, torch, ours, environment


def over(times, subject, beside):
    return [a / b for a, b in zip(times[subject], times[beside])]


def note_of(times, subject, beside):
    def milliseconds(pick):
        return " / ".join(f"{1e3 * pick(times[name]):.1f}" for name in [subject, beside])
    return f"{milliseconds(statistics.median)}, least {milliseconds(min)} ms"


def digits(value):
    if isinstance(value, int):
        return value
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
        line = {"row": name, "case": case, "measured": digits(median), "min": digits(min(values)),
                "max": digits(max(values))}
        spread = f"{median:.3g} [{min(values):.3g}, {max(values):.3g}]" if len(values) > 1 else f"{median:,.0f}"
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
