#!/usr/bin/env bash
# tests/run.sh [--long] [--asan]: installs what is missing, builds and runs the tests.
#   --long  the longer tier (more random trials, up to 90 minutes on two cores)
#   --asan  under the address and undefined-behaviour sanitizers, in a build folder of its own
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

preset=dev timeout=300
for argument in "$@"; do
    case $argument in
        --long) export HYDRALORA_LONG=1 timeout=5400 ;;
        --asan) preset=asan ;;
        *)
            echo "tests/run.sh: unknown argument $argument; known: --long, --asan" >&2
            exit 2
            ;;
    esac
done

source cmake/install_dependencies.sh
install_dependencies \
    "g++:g++:compiles the tests" \
    "make:make:drives the build" \
    "cmake:cmake:configures the build and runs the tests" \
    "Eigen/Core:libeigen3-dev:matrix products on the CPU" \
    "doctest/doctest.h:doctest-dev:test framework" \
    "nlohmann/json.hpp:nlohmann-json3-dev:reads model and checkpoint files" \
    "?CLI/CLI.hpp:libcli11-dev:command line of the trainer in examples/hydra" \
    "?clang++:clang:second compiler for the check that every header compiles alone" \
    "?pkg-config:pkg-config:test of the pkg-config file"

jobs=$(nproc)
if command -v ccache > /dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
cmake --preset "$preset"
cmake --build --preset "$preset" --parallel "$jobs"
ctest --preset "$preset" --parallel "$jobs" --timeout "$timeout"
