#!/usr/bin/env bash
# compile_cost.sh CHILD_COST COMPILER FLAGS OUT [--json FILE]: what units that use the library cost to compile at plain -O2,
# processor time and largest resident set, by the program child_cost; FLAGS is a file with the include flags, OUT a folder
# to work in. Fails where a unit is above its limit three times in a row, or the unit of hydralora::compiled sees Eigen.
#   --json FILE  the README's program alone, with and without hydralora::compiled: rows of bench/run.sh, appended to FILE
set -euo pipefail
child_cost=$1 compiler=$2 flags=$3 out=$4 json=${6:-}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export CCACHE_DISABLE=1 LC_ALL=C
mkdir -p "$out"

# unit | what it is | targets: s, MiB | limits: s, MiB. Targets are of a quiet machine, limits leave room for a busy one.
units="
readme|the README's program|3.0|350|6.0|420
readme_compiled|the same with hydralora::compiled|1.5|350|3.0|420
hydralora.hpp|alone|-|-|5.0|420
thrust.hpp|alone|-|-|6.0|420
io/model_files.hpp|alone|-|-|8.0|420
text/tokenizer_file.hpp|alone|-|-|9.0|420
corpus/components.hpp|alone|-|-|3.5|420
analysis/routing_summary.hpp|alone|-|-|3.0|420"

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

# row CASE TARGET VALUE...: a line of JSON, "measured" the median of the values
row() {
    local name=$1 target=$2
    shift 2
    printf '%s\n' "$@" | sort -g | awk -v name="$name" -v target="$target" '
        { value[NR] = $1 }
        END {
            measured = value[int((NR + 1) / 2)]
            printf "{\"row\":\"H\",\"case\":\"%s\",\"measured\":%s,\"min\":%s,\"max\":%s,\"target\":%s,\"holds\":%s}\n",
                name, measured, value[1], value[NR], target, (measured <= target ? "true" : "false")
        }'
}

failed=0
printf '%-30s %-34s %7s %6s %16s\n' unit "" "s" MiB "fails above"
while IFS='|' read -r unit words target_s target_mib limit_s limit_mib; do
    if [[ -z $unit ]] || [[ -n $json && $target_s == - ]]; then continue; fi
    if [[ $unit == thrust.hpp ]] && ! there thrust/version.h; then continue; fi
    if [[ $unit == io/* || $unit == text/* ]] && ! there nlohmann/json_fwd.hpp; then continue; fi
    all_s=() all_mib=()
    for attempt in 1 2 3; do
        read -r s mib <<< "$(compile "$unit")"
        all_s+=("$s") all_mib+=("$mib")
        if [[ -z $json ]] && ! above "$s" "$limit_s"; then break; fi
    done
    printf '%-30s %-34s %7s %6s %10s %5s\n' "$unit" "$words" "$s" "$mib" "$limit_s" "$limit_mib"
    if [[ $unit == readme_compiled ]] && grep -q '/Eigen/' "$out/unit.d"; then
        echo "the unit of hydralora::compiled includes Eigen: $(grep -m1 -o '[^ ]*/Eigen/[^ ]*' "$out/unit.d")"
        failed=1
    fi
    if [[ -n $json ]]; then
        row "$words, s" "$target_s" "${all_s[@]}" >> "$json"
        row "$words, MiB" "$target_mib" "${all_mib[@]}" >> "$json"
    elif above "$s" "$limit_s" || above "$mib" "$limit_mib"; then
        echo "  above its limit"
        failed=1
    fi
done <<< "$units"
exit $failed
