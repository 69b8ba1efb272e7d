#!/usr/bin/env bash
# bench/peers.sh [options]: this library and PyTorch on the CPU, timed in turn on the same numbers; the rows of
# bench/README.md, "Beside PyTorch". Installs the Debian packages that are missing; ours is built as a user would, -O2 and
# no -march, in build/plain. Without PyTorch it says what to do and exits with 77.
#   --python PROGRAM  a Python with PyTorch (python3)
#   --quick           fewer shapes and rounds
#   --threads N       of both sides (as many as the machine has)
#   --json FILE       one JSON object a row besides, in FILE
set -euo pipefail
started=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=python3 json="" flags=()
while [[ $# -gt 0 ]]; do
    case $1 in
        -h | --help)
            sed -n '2,/^set /s/^# \{0,1\}//p' "bench/${BASH_SOURCE[0]##*/}"
            exit
            ;;
        --quick) flags+=(--quick) ;;
        --python | --threads | --json)
            if [[ $# -lt 2 ]]; then
                echo "bench/peers.sh: $1 needs a value" >&2
                exit 2
            fi
            case $1 in
                --python) python=$2 ;;
                --threads) flags+=(--threads "$2") ;;
                --json) json=$2 ;;
            esac
            shift
            ;;
        *)
            echo "bench/peers.sh: unknown argument $1; known: --python PROGRAM, --quick, --threads N, --json FILE" >&2
            exit 2
            ;;
    esac
    shift
done
if [[ $python == */* && $python != /* ]]; then python=$started/$python; fi
if ! command -v "$python" > /dev/null || ! "$python" -c 'import torch' 2> /dev/null; then
    echo "bench/peers.sh: $python has no PyTorch: make a virtual environment (python3 -m venv VENV)," \
        "VENV/bin/pip install torch, and pass --python VENV/bin/python" >&2
    exit 77
fi
if [[ -n $json ]]; then
    if [[ $json != /* ]]; then json=$started/$json; fi
    : > "$json"
    flags+=(--json "$json")
fi

source cmake/install_dependencies.sh
install_dependencies \
    "g++:g++:compiles our side" \
    "make:make:drives the build" \
    "cmake:cmake:configures the build" \
    "Eigen/Core:libeigen3-dev:matrix products on the CPU"

# The build is not part of the table.
cmake --preset plain >&2
cmake --build --preset plain --target hydralora_peers --parallel "$(nproc)" >&2

printf '\n| row | case | median [least, most] | target | times |\n|---|---|---|---|---|\n'
for peer in layer step; do
    "$python" "bench/peers/cpu_$peer.py" --beside "build/plain/bench/peer_$peer" "${flags[@]}"
done
cat << 'END'

B, B': the released layer in PyTorch / ours, forward + backward, without and with dropout 0.05. fused, LoRA: PyTorch's
by hand, and with one head and no router, / ours. C: ours / PyTorch's frozen linear alone. J: ours with W0 in bfloat16 / in
float32, and / PyTorch's in bfloat16. E': bytes kept for backward besides x. K: PyTorch's training step / ours.
END
