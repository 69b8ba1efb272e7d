#!/usr/bin/env bash
# bench/run.sh [--quick] [--threads N] [--json FILE]: installs what is missing, builds the benchmarks as users build, at plain
# -O2, runs them and prints the rows that have targets, then one table of the others.
#   --quick      fewer shapes, below a minute
#   --threads N  threads of the rows that are not on one (default: as many as the machine has)
#   --json FILE  one JSON object a row besides, in FILE
set -euo pipefail
started=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

flags=() json=""
while [[ $# -gt 0 ]]; do
    case $1 in
        -h | --help)
            sed -n '2,/^set /s/^# \{0,1\}//p' "bench/${BASH_SOURCE[0]##*/}"
            exit
            ;;
        --quick) flags+=(--quick) ;;
        --threads | --json)
            if [[ $# -lt 2 ]]; then
                echo "bench/run.sh: $1 needs a value" >&2
                exit 2
            fi
            if [[ $1 == --threads ]]; then flags+=("--threads=$2"); else json=$2; fi
            shift
            ;;
        *)
            echo "bench/run.sh: unknown argument $1; known: --quick, --threads N, --json FILE" >&2
            exit 2
            ;;
    esac
    shift
done
if [[ -n $json ]]; then
    if [[ $json != /* ]]; then json=$started/$json; fi
    : > "$json"
    flags+=("--json=$json")
fi

source cmake/install_dependencies.sh
install_dependencies \
    "g++:g++:compiles the benchmarks" \
    "make:make:drives the build" \
    "cmake:cmake:configures the build" \
    "Eigen/Core:libeigen3-dev:matrix products on the CPU" \
    "benchmark/benchmark.h:libbenchmark-dev:benchmark framework"

# The builds are not part of the table. The second one, for this machine's processor, is what row G holds the first against.
cmake --preset plain >&2
cmake --build --preset plain --target hydralora_bench --parallel "$(nproc)" >&2
cmake --preset release >&2
cmake --build --preset release --target target_rows --parallel "$(nproc)" >&2
plain=build/plain/bench native=build/release/bench

rounds=9 compiles=3
if [[ " ${flags[*]} " == *" --quick "* ]]; then rounds=3 compiles=1; fi
source bench/support/json_row.sh
printf '\n%-55s %10s\n' "row, case" "median [least, most] and target"
"$plain/target_rows" --targets=bench/support/targets.txt "${flags[@]}"
ratios=()
for ((round = 0; round < rounds; ++round)); do  # another one first in each
    if ((round % 2 == 0)); then
        ours=$("$plain/target_rows" --step "${flags[@]}")
        theirs=$("$native/target_rows" --step "${flags[@]}")
    else
        theirs=$("$native/target_rows" --step "${flags[@]}")
        ours=$("$plain/target_rows" --step "${flags[@]}")
    fi
    ratios+=("$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.3f", a / b }')")
done
json_row G "plain build / native build" "$json" "${ratios[@]}"
bash bench/support/compile_cost.sh "$plain/child_cost" "$(sed -n 's/^CMAKE_CXX_COMPILER:[A-Z]*=//p' build/plain/CMakeCache.txt)" \
    "$plain/include_flags.rsp" "$plain/compile_cost" --rows "$compiles" "$json"

printf '\n%-15s %-46s %12s %18s %7s %6s  %s\n' row case "median time" rate FMA copy "ratio [least, most] of what beside it"
for program in adapter/hydra_linear adapter/router nn/attention nn/cross_entropy model/blocks model/llama optim/adamw; do
    "$plain/$(basename "$program")_bench" "${flags[@]}"
done
echo "FMA, copy: share of the limits measured in the same program, on as many threads."
