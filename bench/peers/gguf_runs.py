"""What the rows of `hydra train` on a GGUF file share: the runs, and how they are told."""
import json
import os
import pathlib
import re
import statistics
import subprocess

LENGTH = 256  # tokens of a sequence


def train_options(base, threads, *more):
    """Adapters of rank 8 on all seven linear layers, no dropout."""
    return ["--base", str(base), "--targets", "all", "--rank", "8", "--dropout", "0", "--length", str(LENGTH),
            "--eval-examples", "4", "--eval-answers", "0", "--threads", str(threads), *map(str, more)]


def train(hydra, text, out, options):
    """Makes a run; returns its steps as metrics.jsonl has them, and its largest resident set in MiB."""
    command = [hydra, "train", str(text), "--out", str(out), *options]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it once more
    if child.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {child.returncode}\n{said}")
    lines = (pathlib.Path(out) / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], usage.ru_maxrss / 1024  # Linux counts in KiB


def planned(hydra, options):
    """What `hydra plan` says of such a run in MiB."""
    said = subprocess.run([hydra, "plan", *options], check=True, capture_output=True, text=True).stdout
    return float(re.search(r"in all\D*([\d,]+)", said)[1].replace(",", ""))


def tell(row, case, values):
    """A line for bench/support/json_row.sh."""
    print(f"{row}|{case}|{' '.join(f'{value:.4g}' for value in values)}", flush=True)


def spread(values, digits=0):
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"
