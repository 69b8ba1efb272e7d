#!/usr/bin/env bash
# bench/run.sh [--quick] [--threads N] [--json FILE]: installs what is missing, builds the benchmarks for this machine's
# processor, runs them and prints one table.
#   --quick      fewer shapes, below a minute
#   --threads N  threads of the rows that are not on one (default: as many as the machine has)
#   --json FILE  one JSON object a row besides, in FILE
set -euo pipefail
started=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

flags=() json=""
while [[ $# -gt 0 ]]; do
    case $1 in
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

# The build is not part of the table.
cmake --preset release >&2
cmake --build --preset release --target hydralora_bench --parallel "$(nproc)" >&2

printf '\n%-15s %-46s %12s %18s %7s %6s  %s\n' row case "median time" rate FMA copy "ratio [least, most] of what beside it"
for program in adapter/hydra_linear adapter/router nn/attention nn/cross_entropy model/llama optim/adamw; do
    "build/release/bench/$(basename "$program")_bench" "${flags[@]}"
done
echo "FMA, copy: share of the limits measured in the same program, on as many threads."
