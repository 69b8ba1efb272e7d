#!/usr/bin/env python3
"""Row M: text on a GGUF file token by token, ours and llama.cpp's in turn. bench/gguf_peers.sh runs this:

    python3 bench/peers/gguf_generate.py --beside PROGRAM --gguf FILE --adapter DIR --lora FILE [--quick] [--threads N]

Ours has the adapter with its routed heads, llama.cpp the one LoRA that `hydra export --to gguf-collapsed` made of it, and
both are timed without any besides. Prints ROW|CASE|VALUES for each row, a value a round; what else there is to say goes
to the standard error.
"""
import argparse
import os
import pathlib
import statistics
import sys

from side_by_side import Beside, Pressure, interleave, over

PROMPT = [6403, 1980, 253, 655, 28]  # "Once upon a time," in the vocabulary of SmolLM2
COMPARED, TOKENS = 16, 64  # new tokens


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", metavar="PROGRAM", required=True, help="peer_generate")
    parser.add_argument("--gguf", metavar="FILE", required=True)
    parser.add_argument("--adapter", metavar="DIR", required=True)
    parser.add_argument("--lora", metavar="FILE", required=True)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


def measure(name, args, adapter, lora):
    ours = Beside([args.beside, "--threads", str(args.threads)])
    script = pathlib.Path(__file__).with_name("llama_cpp_side.py")
    theirs = Beside([sys.executable, str(script), args.gguf, str(args.threads), *lora])
    try:
        ours.ask("model", args.gguf, *adapter)
        # llama.cpp rounds activations to 8 bits, which may turn a close choice: only the first must be the same.
        texts = [side.ask("tokens", COMPARED, *PROMPT).split() for side in (ours, theirs)]
        same = next((i for i, (a, b) in enumerate(zip(*texts)) if a != b), COMPARED)
        if same == 0:
            raise RuntimeError(f"{name}: ours says token {texts[0][0]}, llama.cpp {texts[1][0]}")
        cases = {side: lambda repeats, at=at: float(at.ask("time", TOKENS, *PROMPT))
                 for side, at in [("ours", ours), ("llama.cpp", theirs)]}
        pressure = Pressure()
        times = interleave(cases, 5 if args.quick else 11, 0, pressure)
        print(f"M|{name}|{' '.join(f'{value:.3f}' for value in over(times, 'llama.cpp', 'ours'))}", flush=True)
        spread = {side: f"{1e3 * statistics.median(all):.1f} [{1e3 * min(all):.1f}, {1e3 * max(all):.1f}]"
                  for side, all in times.items()}
        print(f"M, {name}: ms a token: ours ({ours.ask('about')}) {spread['ours']}, llama.cpp {spread['llama.cpp']}; of "
              f"{COMPARED} likeliest tokens the first {same} are the same; {pressure.words()}", file=sys.stderr)
    finally:
        ours.close()
        theirs.close()


def main():
    args = parse()
    measure("without an adapter", args, [], [])
    measure("4 routed heads, r = 8 / one LoRA", args, [args.adapter], [args.lora])


if __name__ == "__main__":
    main()
