#!/usr/bin/env bash
# tests/run.sh [--long] [--asan] [--fuzz [seconds]]: installs what is missing, builds and runs the tests.
#   --long            the longer tier (more random trials, fuzz tests of three minutes each, every header compiled alone,
#                     all of the suite on the second backend; up to 90 minutes on two cores)
#   --asan            under the address and undefined-behaviour sanitizers, in a build folder of its own
#   --fuzz [seconds]  the fuzz tests alone, each for so many seconds (180); what they found is kept in
#                     build/dev/tests/fuzz and started from the next time
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=dev timeout=300 fuzz="" build_fuzz=OFF build_long=OFF
while [[ $# -gt 0 ]]; do
    case $1 in
        --long) export HYDRALORA_LONG=1 timeout=5400 build_fuzz=ON build_long=ON ;;
        --asan) preset=asan ;;
        --fuzz)
            fuzz=180 build_fuzz=ON
            if [[ ${2:-} =~ ^[1-9][0-9]*$ ]]; then
                fuzz=$2
                shift
            fi
            ;;
        *)
            echo "tests/run.sh: unknown argument $1; known: --long, --asan, --fuzz [seconds]" >&2
            exit 2
            ;;
    esac
    shift
done
if [[ -n $fuzz && $preset == asan ]]; then
    echo "tests/run.sh: --fuzz brings the sanitizers of its own; leave --asan out" >&2
    exit 2
fi

source cmake/install_dependencies.sh
thrust=()  # comes with a CUDA toolkit, and is not mixed with another
if ! command -v nvcc > /dev/null && [[ ! -d /usr/local/cuda ]]; then
    thrust=("?thrust/version.h:libthrust-dev:tests of the second backend on the host")
fi
install_dependencies "${thrust[@]}" \
    "g++:g++:compiles the tests" \
    "make:make:drives the build" \
    "cmake:cmake:configures the build and runs the tests" \
    "Eigen/Core:libeigen3-dev:matrix products on the CPU" \
    "doctest/doctest.h:doctest-dev:test framework" \
    "nlohmann/json.hpp:nlohmann-json3-dev:reads model and checkpoint files" \
    "?pcre2.h:libpcre2-dev:regular expressions of tokenizers other than GPT-2's, Llama 3's and Qwen2's" \
    "?CLI/CLI.hpp:libcli11-dev:command line of the trainer in examples/hydra" \
    "?clang++:clang:second compiler for the check that every header compiles alone, and of the fuzz tests" \
    "?libclang_rt.fuzzer:libclang-rt-dev:fuzz tests" \
    "?pkg-config:pkg-config:test of the pkg-config file"

jobs=$(nproc)
if command -v ccache > /dev/null; then
    export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_SLOPPINESS=pch_defines,time_macros
fi
cmake --preset "$preset" -DHYDRALORA_FUZZ=$build_fuzz -DHYDRALORA_LONG_TESTS=$build_long
if [[ -n $fuzz ]]; then
    export HYDRALORA_FUZZ_SECONDS=$fuzz
    cmake --build --preset "$preset" --parallel "$jobs" --target hydralora_fuzz
    ctest --preset "$preset" --parallel "$jobs" --timeout $((fuzz + 300)) --label-regex '^fuzz$' --no-tests=error
    exit
fi
cmake --build --preset "$preset" --parallel "$jobs"
ctest --preset "$preset" --parallel "$jobs" --timeout "$timeout"
