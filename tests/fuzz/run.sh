#!/usr/bin/env bash
# tests/fuzz/run.sh PROGRAM CORPUS MAX_LEN: replays the files of CORPUS, then looks for further ones for
# HYDRALORA_FUZZ_SECONDS (without it 20, or 180 with HYDRALORA_LONG set). Finds are kept beside PROGRAM, for the next
# run; an input that fails lies there as <name>.crash-*, and PROGRAM takes it as an argument.
set -euo pipefail
program=$1 corpus=$2 max_len=$3
seconds=${HYDRALORA_FUZZ_SECONDS:-$([[ -n ${HYDRALORA_LONG:-} ]] && echo 180 || echo 20)}

mkdir -p "$program.corpus"
options=(-timeout=10 -rss_limit_mb=1024 "-artifact_prefix=${program%_fuzz}.")
dictionary=$(dirname "${BASH_SOURCE[0]}")/$(basename "$corpus").dict
if [[ -f $dictionary ]]; then options+=("-dict=$dictionary"); fi
# By name, because -max_len would cut the longer ones.
"$program" "${options[@]}" "$corpus"/*
exec "$program" "${options[@]}" "-max_len=$max_len" "-max_total_time=$seconds" -print_final_stats=1 \
    "$program.corpus" "$corpus"
