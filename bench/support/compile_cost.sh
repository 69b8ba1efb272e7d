#!/usr/bin/env bash
# compile_cost.sh CHILD_COST COMPILER FLAGS OUT [--rows ROUNDS FILE]: what units that use the library cost to compile at plain -O2,
# processor time and largest resident set, by the program child_cost; FLAGS is a file with the include flags, OUT a folder
# to work in. Fails where a unit is above its limit three times in a row, or the unit of hydralora::compiled sees Eigen.
#   --rows ROUNDS FILE  instead, the README's program alone, with and without hydralora::compiled, so many times each: rows H
#                       of bench/run.sh, appended to FILE unless that is empty
set -euo pipefail
child_cost=$1 compiler=$2 flags=$3 out=$4 rounds=0
if [[ ${5:-} == --rows ]]; then rounds=$6 file=$7; fi
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$top/bench/support/json_row.sh"
export CCACHE_DISABLE=1 LC_ALL=C
mkdir -p "$out"

# unit|what it is|limits: s, MiB. They leave room for a busy machine; what a quiet one should take is row H of targets.txt.
units="
readme|the README's program|6.0|420
readme_compiled|the same with hydralora::compiled|3.0|420
hydralora.hpp|alone|5.0|420
thrust.hpp|alone|6.0|420
io/model_files.hpp|alone|8.0|420
text/tokenizer_file.hpp|alone|9.0|420
corpus/components.hpp|alone|3.5|420
analysis/routing_summary.hpp|alone|3.0|420"

there() { printf '#include <%s>\n' "$1" | "$compiler" -std=c++20 "@$flags" -fsyntax-only -x c++ - 2> "$out/error"; }

# compile UNIT: "SECONDS MIB"
compile() {
    local source=$out/unit.cpp define=()
    case $1 in
        readme*) awk '/^```cpp/ { inside = 1; next } /^```/ && inside { exit } inside' "$top/README.md" > "$source" ;;
        *) echo "#include <hydralora/$1>" > "$source" ;;
    esac
    if [[ $1 == readme_compiled ]]; then define=(-DHYDRALORA_COMPILED); fi
    "$child_cost" "$compiler" -std=c++20 -O2 "${define[@]}" "@$flags" -MMD -MF "$out/unit.d" -c "$source" -o "$out/unit.o"
}
above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

if [[ $rounds -gt 0 ]]; then
    for unit in readme readme_compiled; do
        name="README program"
        if [[ $unit == readme_compiled ]]; then name+=" with hydralora::compiled"; fi
        all_s=() all_mib=()
        for ((round = 0; round < rounds; ++round)); do
            cost=$(compile "$unit")
            all_s+=("${cost% *}") all_mib+=("${cost#* }")
        done
        json_row H "$name, time" "$file" "${all_s[@]}"
        json_row H "$name, memory" "$file" "${all_mib[@]}"
    done
    exit
fi

failed=0
printf '%-30s %-34s %7s %6s %16s\n' unit "" "s" MiB "fails above"
while IFS='|' read -r unit words limit_s limit_mib; do
    if [[ -z $unit ]]; then continue; fi
    if [[ $unit == thrust.hpp ]] && ! there thrust/version.h; then continue; fi
    if [[ $unit == io/* || $unit == text/* ]] && ! there nlohmann/json_fwd.hpp; then continue; fi
    for attempt in 1 2 3; do
        cost=$(compile "$unit")
        s=${cost% *} mib=${cost#* }
        if ! above "$s" "$limit_s"; then break; fi
    done
    printf '%-30s %-34s %7s %6s %10s %5s\n' "$unit" "$words" "$s" "$mib" "$limit_s" "$limit_mib"
    if [[ $unit == readme_compiled ]] && grep -q '/Eigen/' "$out/unit.d"; then
        echo "  includes Eigen: $(grep -m1 -o '[^ ]*/Eigen/[^ ]*' "$out/unit.d")"
        failed=1
    fi
    if above "$s" "$limit_s" || above "$mib" "$limit_mib"; then
        echo "  above its limit"
        failed=1
    fi
done <<< "$units"
exit $failed
