#!/usr/bin/env bash
# headers_alone.sh <compiler> <flags file> <header list>: compiles each header as the only one of a unit, twice in it so
# that a missing guard shows, two at a time; names those that do not compile.
set -euo pipefail
compiler=$1 flags=$2 list=$3
if [[ -z ${HYDRALORA_LONG:-} ]]; then
    echo "skipped: a matter of the long tier; the tests compile all headers together"
    exit
fi

failed=$(mktemp)
trap 'rm -f "$failed"' EXIT
export compiler flags failed
compile() {
    printf '#include <%s>\n#include <%s>\n' "$1" "$1" |
        "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror "@$flags" -x c++ - ||
        echo "$1" >> "$failed"
}
export -f compile
xargs -P 2 -I '{}' bash -c 'compile "$1"' _ '{}' < "$list"

if [[ -s $failed ]]; then
    echo "do not compile alone with $compiler:"
    sort "$failed" | sed 's/^/  /'
    exit 1
fi
echo "$(wc -l < "$list") headers compile alone with $compiler"
