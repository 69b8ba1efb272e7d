#!/usr/bin/env bash
# examples/quickstart.sh [DIR]: builds the trainer, fine-tunes the shipped base on six domains of text, once with HydraLoRA
# and once with a LoRA of as many trainable parameters, and prints both side by side. Results go to DIR (runs/quickstart).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-runs/quickstart}
if [[ -e $out ]]; then
    echo "$out exists already; move it away, or name another folder: examples/quickstart.sh DIR" >&2
    exit 2
fi

source examples/build_trainer.sh

echo "== Writing the training files"
mapfile -t headers < <(find include -name '*.hpp' | LC_ALL=C sort)
"$make_data" "$out/data" finetune --code "${headers[@]}"

common=("$out"/data/finetune/*.jsonl "$out"/data/finetune/*.txt --base examples/base --mix equal --steps 160 --batch 24
    --length 256 --held-out 0.1 --eval-examples 32 --eval-answers 32 --dropout 0 --lr 1e-2 --seed 41)
echo "== HydraLoRA: one A of rank 8, four heads, a router"
"$hydra" train "${common[@]}" --method hydralora --rank 8 --heads 4 --alpha 32 --out "$out/hydralora"
echo "== LoRA of as many parameters: rank 22"
"$hydra" train "${common[@]}" --method lora --rank 22 --alpha 88 --out "$out/lora"

echo
echo "== Side by side"
"$hydra" inspect "$out/hydralora" "$out/lora"
echo
echo "Adapters  $out/hydralora/adapter  $out/lora/adapter"
echo "Metrics   $out/hydralora/metrics.jsonl  $out/lora/metrics.jsonl"
echo "Reports   $out/hydralora/report.json  $out/lora/report.json"
echo "Try it    $hydra generate --base examples/base --adapter $out/hydralora/adapter \$'In Velu:\\nthe old man waits'"
