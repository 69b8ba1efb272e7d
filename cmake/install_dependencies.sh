# Sourced by tests/run.sh, bench/run.sh and examples/build_trainer.sh.
#
# install_dependencies <entry>... installs what is missing with apt-get on Debian and Ubuntu. An entry is
# "command-or-header:package:why"; a header is known by a slash or a trailing .h, and is looked for where compilers,
# CPATH and CMAKE_PREFIX_PATH look; libclang_rt.<name> is a library of clang's own, which clang finds. A leading `?`
# marks what one can do without. Where nothing can be installed, it lists the packages and, unless all of them are
# optional, exits with 2.

dependency_present() {
    local name=$1 folder
    if [[ $name == libclang_rt.* ]]; then
        for name in "$name.a" "$name-$(uname -m).a"; do
            if [[ -e $(clang++ "-print-file-name=$name" 2> /dev/null) ]]; then return 0; fi
        done
        return 1
    fi
    if [[ $name != */* && $name != *.h ]]; then
        command -v "$name" > /dev/null
        return
    fi
    local -a folders prefixes
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
    local entry name package why kind can_install=""
    local -a required=() optional=() lines=() sudo=()
    for entry in "$@"; do
        kind=required
        if [[ $entry == \?* ]]; then kind=optional entry=${entry#\?}; fi
        IFS=: read -r name package why <<< "$entry"
        if dependency_present "$name"; then continue; fi
        if [[ $kind == required ]]; then required+=("$package"); else optional+=("$package"); fi
        lines+=("  $package ($kind): $why")
    done
    if [[ ${#lines[@]} -eq 0 ]]; then return 0; fi
    echo "Missing:" >&2
    printf '%s\n' "${lines[@]}" >&2

    if [[ $EUID -ne 0 ]]; then sudo=(sudo); fi
    local -a apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
    if command -v apt-get > /dev/null && { [[ $EUID -eq 0 ]] || command -v sudo > /dev/null; }; then
        can_install=yes
        echo "Installing with apt-get: ${required[*]} ${optional[*]}" >&2
        # A failing update may still leave lists that are good enough.
        "${apt[@]}" update >&2 || echo "apt-get update failed; trying with the lists at hand" >&2
    fi
    if [[ ${#required[@]} -gt 0 ]]; then
        if [[ -z $can_install ]] || ! "${apt[@]}" install --no-install-recommends "${required[@]}" >&2; then
            echo "Please install these (names as on Debian and Ubuntu) and run again: ${required[*]}" >&2
            exit 2
        fi
    fi
    if [[ ${#optional[@]} -gt 0 ]]; then
        # One by one, for a package that this distribution does not have would keep the others out.
        for package in "${optional[@]}"; do
            if [[ -z $can_install ]] || ! "${apt[@]}" install --no-install-recommends "$package" >&2; then
                echo "Going on without what is optional: $package" >&2
            fi
        done
    fi
}
