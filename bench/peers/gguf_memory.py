#!/usr/bin/env python3
"""Row P: the largest resident set of `hydra train` on a GGUF file over that on the same weights as a directory of
bfloat16, and what `hydra plan` says of each. bench/gguf_peers.sh runs this:

    python3 bench/peers/gguf_memory.py --hydra PROGRAM --gguf FILE --directory DIR --text FILE [--quick] [--threads N]

Adapters of rank 8 with 4 routed heads on all seven linear layers, 4 sequences of 256 tokens. Prints as gguf_generate.py
does.
"""
import argparse
import os
import pathlib
import sys
import tempfile

from gguf_runs import planned, spread, tell, train, train_options

TARGETS = {"GGUF": "directory", "GGUF, --keep inputs": "directory"}  # over what


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hydra", metavar="PROGRAM", required=True)
    parser.add_argument("--gguf", metavar="FILE", required=True)
    parser.add_argument("--directory", metavar="DIR", required=True, help="what gguf_directory.py made of it")
    parser.add_argument("--text", metavar="FILE", required=True, help="of some 10,000 tokens or more")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def main():
    args = parse()
    cases = {f"{name}{', ' + ' '.join(more) if more else ''}":
             train_options(base, args.threads, "--heads", 4, "--batch", 4, "--steps", 3, *more)
             for name, base in [("directory", args.directory), ("GGUF", args.gguf)] for more in [[], ["--keep", "inputs"]]}
    plans = {name: planned(args.hydra, options) for name, options in cases.items()}
    peaks, seconds = {name: [] for name in cases}, {name: [] for name in cases}
    for _ in range(1 if args.quick else 3):
        for name, options in cases.items():
            with tempfile.TemporaryDirectory() as folder:
                steps, peak = train(args.hydra, args.text, pathlib.Path(folder) / "run", options)
            peaks[name].append(peak)
            seconds[name] += [step["seconds"] for step in steps[1:]]
    for name, beside in TARGETS.items():
        tell("P", f"{name} / {beside}", [a / b for a, b in zip(peaks[name], peaks[beside])])
    for name in cases:
        tell("P", f"plan off the peak, {name}", [abs(plans[name] / peak - 1) for peak in peaks[name]])
    for name in cases:
        print(f"P, {name}: peak {spread(peaks[name])} MiB, planned {plans[name]:.0f}; {spread(seconds[name], 2)} s a step",
              file=sys.stderr)


if __name__ == "__main__":
    main()
