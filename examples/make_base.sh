#!/usr/bin/env bash
# examples/make_base.sh [DIR]: makes the shipped base, examples/base, again: writes its training files (examples/data/README.md
# says what they are) and trains on them, some 20 minutes on two cores. On one machine with one compiler the result is the same
# to the bit, whatever the number of threads; the last line says whether it equals the shipped one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-runs/base}

source examples/build_trainer.sh

mkdir -p "$out"
"$make_data" "$out/data" pretrain
"$hydra" pretrain "$out"/data/pretrain/*.jsonl "$out"/data/pretrain/*.txt --out "$out/run" --steps 1800 \
    --batch 32 --length 256 --mix equal --held-out 0.01 --lr 4e-3 --save-every 200 --eval-every 600 --eval-examples 16 --eval-answers 8
if cmp -s "$out/run/model/model.safetensors" examples/base/model.safetensors; then
    echo "$out/run/model equals examples/base to the bit"
else
    echo "$out/run/model differs from examples/base (another processor or compiler rounds otherwise)"
fi
