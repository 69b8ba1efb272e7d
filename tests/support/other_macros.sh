#!/usr/bin/env bash
# other_macros.sh <compiler> <flags file> <header list>: all headers in one unit, in GNU C++, after the macros that headers of
# other people define: I (complex.h), small and near (windows.h), slots (Qt), B0 (termios.h), major and minor (sys/sysmacros.h).
set -euo pipefail
compiler=$1 flags=$2 list=$3
{
    printf '#include <%s>\n' algorithm array atomic bit charconv chrono cmath complex concepts condition_variable \
        cstring exception filesystem fstream functional initializer_list iostream limits map memory mutex numeric optional \
        ostream random ranges set span sstream stdexcept string string_view thread tuple type_traits unordered_map \
        unordered_set utility variant vector fcntl.h sys/mman.h sys/stat.h unistd.h Eigen/Core
    if grep -q '^hydralora/io/' "$list"; then echo '#include <nlohmann/json.hpp>'; fi
    printf '#define %s 1 +*defined by others*+\n' I small slots near B0 major minor
    grep -v '^hydralora/thrust[./]' "$list" | sed 's/.*/#include <&>/'
} | "$compiler" -std=gnu++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror "@$flags" -x c++ -
