#!/usr/bin/env python3
"""Row L: tokens a second of training on a GGUF file, ours and those of QVAC fabric's llama-finetune-lora, in turn.
bench/gguf_peers.sh runs this:

    python3 bench/peers/gguf_steps.py --hydra PROGRAM --qvac PROGRAM --gguf FILE --text FILE [--quick] [--threads N]

A step is one sequence of 256 tokens on both sides. Each round runs both programs, another one first each time; a round's
rate is that of the median step after the first. Prints as gguf_generate.py does.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from gguf_runs import LENGTH, spread, tell, train, train_options

OURS = {"LoRA": ["--method", "lora"], "4 routed heads": ["--heads", "4"]}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hydra", metavar="PROGRAM", required=True)
    parser.add_argument("--qvac", metavar="PROGRAM", required=True, help="llama-finetune-lora")
    parser.add_argument("--gguf", metavar="FILE", required=True)
    parser.add_argument("--text", metavar="FILE", required=True, help="of some 10,000 tokens or more")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def our_rate(args, folder, more):
    """Tokens a second."""
    options = train_options(args.gguf, args.threads, "--batch", 1, "--steps", 8, *more)
    steps, _ = train(args.hydra, args.text, folder / "run", options)
    return statistics.median(step["tokens"] / step["seconds"] for step in steps[1:])


def their_rate(args, folder, steps):
    """Tokens a second, by when its progress is told: a line ended by \\r behind each step."""
    command = [args.qvac, "-m", args.gguf, "-f", args.text, "-ngl", "0", "-c", str(LENGTH), "-b", str(LENGTH), "-ub",
               str(LENGTH), "-t", str(args.threads), "-fa", "off", "--lora-rank", "8", "--lora-modules", "all",
               "--checkpoint-save-steps", "0", "--output-adapter", str(folder / "adapter.gguf")]
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    told, said = [], b""
    while len(told) <= steps and (byte := child.stderr.read(1)):
        said += byte
        if byte == b"\r" and b"train:" in said[-400:]:
            told.append(time.monotonic())
    child.terminate()  # what it does behind that, evaluating and saving, is not looked at
    child.wait()
    child.stderr.close()
    if len(told) <= steps:
        raise RuntimeError(f"{' '.join(command)}: ended after {len(told)} steps\n{said.decode(errors='replace')[-2000:]}")
    return LENGTH / statistics.median(b - a for a, b in zip(told, told[1:]))


def main():
    args = parse()
    for name in ["qvac", "gguf", "text"]:
        setattr(args, name, os.path.abspath(getattr(args, name)))  # the other program runs in a folder of its own
    cases = {name: lambda folder, more=more: our_rate(args, folder, more) for name, more in OURS.items()}
    cases["QVAC"] = lambda folder: their_rate(args, folder, 2 if args.quick else 3)
    rates = {name: [] for name in cases}
    names = list(cases)
    for number in range(1 if args.quick else 3):
        for i in range(len(names)):
            name = names[(i + number) % len(names)]
            with tempfile.TemporaryDirectory() as folder:
                rates[name].append(cases[name](pathlib.Path(folder)))
    for name in OURS:
        tell("L", f"{name} / QVAC's LoRA", [a / b for a, b in zip(rates[name], rates["QVAC"])])
    print("L, tokens a second:", "; ".join(f"{name} {spread(values, 1)}" for name, values in rates.items()), file=sys.stderr)


if __name__ == "__main__":
    main()
