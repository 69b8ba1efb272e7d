# Sourced by tests/run.sh, bench/run.sh and examples/quickstart.sh.
#
# install_dependencies <entry>... installs what is missing with apt-get on Debian and Ubuntu. An entry is
# "command-or-header:package:why"; a header is known by a slash or a trailing .h, and is looked for where compilers,
# CPATH and CMAKE_PREFIX_PATH look. A leading `?` marks what one can do without. Where nothing can be installed, it
# lists the packages and, unless all of them are optional, exits with 2.

dependency_present() {
    local name=$1 folder
    if [[ $name != */* && $name != *.h ]]; then
        command -v "$name" > /dev/null
        return
    fi
    local -a folders
    IFS=':;' read -r -a folders <<< "${CPATH:-}"
    IFS=':;' read -r -a prefixes <<< "${CMAKE_PREFIX_PATH:-}:/usr:/usr/local:/opt/homebrew"
    for folder in "${prefixes[@]}"; do
        folders+=("$folder/include" "$folder/include/eigen3")
    done
    for folder in "${folders[@]}"; do
        if [[ -n $folder && -e $folder/$name ]]; then return 0; fi
    done
    return 1
}

install_dependencies() {
    local entry name package why optional required=0
    local -a packages=() lines=() prefixes=() sudo=()
    for entry in "$@"; do
        optional=""
        if [[ $entry == \?* ]]; then optional=" (optional)" entry=${entry#\?}; fi
        IFS=: read -r name package why <<< "$entry"
        if dependency_present "$name"; then continue; fi
        packages+=("$package")
        lines+=("  $package: $why$optional")
        if [[ -z $optional ]]; then required=1; fi
    done
    if [[ ${#packages[@]} -eq 0 ]]; then return 0; fi

    echo "Missing:" >&2
    printf '%s\n' "${lines[@]}" >&2
    if [[ $EUID -ne 0 ]]; then sudo=(sudo); fi
    if command -v apt-get > /dev/null && { [[ $EUID -eq 0 ]] || command -v sudo > /dev/null; }; then
        echo "Installing with apt-get: ${packages[*]}" >&2
        local -a apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
        # Package lists may be old; a failing update may still leave lists that are good enough.
        "${apt[@]}" update >&2 || echo "apt-get update failed; trying with the lists at hand" >&2
        if "${apt[@]}" install --no-install-recommends "${packages[@]}" >&2; then return 0; fi
        echo "apt-get could not install them." >&2
    fi
    if [[ $required -eq 0 ]]; then
        echo "Going on without what is optional." >&2
        return 0
    fi
    echo "Please install these (names as on Debian and Ubuntu) and run again: ${packages[*]}" >&2
    exit 2
}
