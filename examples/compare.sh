#!/usr/bin/env bash
# examples/compare.sh [--quick] [DIR]: what HydraLoRA is worth on what this repository has, measured. Five experiments, each with
# as many trainable parameters a method (the router counted), gradients clipped, a learning rate a method that was swept until
# the best one is not at the edge, differences paired by seed, 95 % intervals. Up to 25 minutes on 2 cores; --quick, which
# sweeps nothing and has few seeds, up to 3. Tables go to the terminal, runs, figures and JSON to DIR (runs/compare).
#
#   (a) a linear teacher: four tasks with one A and conflicting B's                                   asserted
#   (b) eight tasks that only their tag tells apart, one adapted linear                               asserted
#   (c) eight tasks of different form, all linears                                                    reported
#   (d) the texts of examples/data, all linears, by hydra train                                       reported
#   (e) separate LoRAs from one start and from their own: what their A's and B's share (figure 3)     reported
#
# Ends with status 3 where an asserted claim does not hold.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
quick=()
if [[ ${1:-} == --quick ]]; then
    quick=(--quick)
    shift
fi
if [[ ${1:-} == -* ]]; then
    echo "examples/compare.sh: unknown argument $1; known: --quick, and the directory for results" >&2
    exit 2
fi
out=${1:-runs/compare}
if [[ -e $out ]]; then
    echo "$out exists already; move it away, or name another folder: examples/compare.sh DIR" >&2
    exit 2
fi

source examples/build_trainer.sh
cmake --build --preset release --parallel "$(nproc)" --target compare > /dev/null
compare=build/release/examples/compare/compare
mkdir -p "$out"
status=0
run() { "$compare" "$@" "${quick[@]}" --out "$out" || { [[ $? == 3 ]] && status=3 || exit 1; }; }

echo "== (a) A linear teacher"
run control
echo "== (b) Eight tasks told apart by their tag alone"
run one-site
echo "== (c) Eight tasks of different form"
run all-linears
echo "== (d) Texts"
mapfile -t headers < <(find include -name '*.hpp' | LC_ALL=C sort)
"$make_data" "$out/data" finetune --code "${headers[@]}" > /dev/null
run texts --hydra "$hydra" --data "$out/data/finetune"
echo "== (e) Separate LoRAs"
run one-task-each
for starts in one_start own_starts; do
    adapters=() begin=()
    for task in "$out/$starts"/task*; do
        adapters+=("$task")
        begin+=(--start "${task/task/start}")
    done
    echo "-- ${starts/_/ }"
    "$hydra" analyze "${adapters[@]}" "${begin[@]}" --out "$out/$starts.html" --json "$out/$starts.json" | tail -n 12
done
echo
echo "Results: $out"
exit $status
