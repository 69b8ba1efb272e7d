#!/usr/bin/env bash
# bench/gpu.sh [options]: on a machine with an NVIDIA GPU, builds for that GPU, runs the tests of the device (plain, and
# under compute-sanitizer), measures every row of bench/README.md, "On a GPU", and prints the table. Needs nvcc, g++ and
# this repository; nothing is installed or fetched. Exits with 77 and says what is missing where it cannot run, with 1 if
# a test or a measurement failed; a target that is missed is a line of the table.
#   --deps DIR       folder of header-only libraries (Eigen/, doctest/, nlohmann/, CLI/) for tests that include any;
#                    default third_party, if there is one
#   --json FILE      where the rows go, a line of JSON each (build/gpu/rows.jsonl)
#   --table FILE     where the table goes besides the standard output (build/gpu/table.md)
#   --skip-tests     measure only
#   --skip-rows      test only
#   --python PROGRAM a Python with PyTorch and CUDA (python3); without one the rows beside PyTorch are left out
#   --build DIR      build folder (build/gpu)
#   --minutes N      what would begin later than this is left out and named (9)
set -euo pipefail
SECONDS=0
started=$PWD
words="$*"
cd "$(dirname "${BASH_SOURCE[0]}")/.."

deps="" json="" table="" tests=yes rows=yes python=python3 build="" minutes=9
absolute() { if [[ $1 == /* ]]; then echo "$1"; else echo "$started/$1"; fi; }
while [[ $# -gt 0 ]]; do
    case $1 in
        --skip-tests) tests="" ;;
        --skip-rows) rows="" ;;
        --deps | --json | --table | --python | --build | --minutes)
            if [[ $# -lt 2 ]]; then
                echo "bench/gpu.sh: $1 needs a value" >&2
                exit 2
            fi
            case $1 in
                --deps) deps=$(absolute "$2") ;;
                --json) json=$(absolute "$2") ;;
                --table) table=$(absolute "$2") ;;
                --python) python=$2 ;;
                --build) build=$(absolute "$2") ;;
                --minutes) minutes=$2 ;;
            esac
            shift
            ;;
        *)
            echo "bench/gpu.sh: unknown argument $1; known: --deps DIR, --json FILE, --table FILE, --skip-tests," \
                "--skip-rows, --python PROGRAM, --build DIR, --minutes N" >&2
            exit 2
            ;;
    esac
    shift
done
if [[ -n $deps && ! -d $deps ]]; then
    echo "bench/gpu.sh: --deps $deps is not a folder" >&2
    exit 2
fi
if [[ -z $deps && -d third_party ]]; then deps=$PWD/third_party; fi
build=${build:-build/gpu}
mkdir -p "$build"
json=${json:-$build/rows.jsonl} table=${table:-$build/table.md}
left() { echo $((minutes * 60 - SECONDS)); }
say() { printf '[%3d s] %s\n' "$SECONDS" "$*" >&2; }
cannot_run() {
    echo "bench/gpu.sh: cannot run here: $*" >&2
    exit 77
}

# find_program NAME FOLDER...: in the PATH, or in one of the folders.
find_program() {
    local name=$1 folder
    shift
    if command -v "$name"; then return; fi
    for folder in "$@"; do
        if [[ -x $folder/$name ]]; then
            echo "$folder/$name"
            return
        fi
    done
    return 1
}

# --- the tools and the device -------------------------------------------------------------------------------------------

nvcc=$(find_program nvcc "${CUDA_HOME:-/usr/local/cuda}/bin" "${CUDA_PATH:-/usr/local/cuda}/bin" /usr/local/cuda/bin) ||
    cannot_run "nvcc is missing (looked in PATH, CUDA_HOME, CUDA_PATH and /usr/local/cuda); install the CUDA toolkit"
command -v g++ > /dev/null || cannot_run "g++ is missing, which nvcc compiles with"
if ! "$nvcc" -std=c++20 -O1 bench/thrust/device_probe.cu -o "$build/device_probe" 2> "$build/device_probe.log"; then
    cat "$build/device_probe.log" >&2
    cannot_run "nvcc does not compile a small program; see above"
fi
device=$("$build/device_probe" 2> "$build/device_probe.log") ||
    cannot_run "no NVIDIA GPU: $(cat "$build/device_probe.log")"
IFS='|' read -r chip arch driver runtime memory <<< "$device"
if command -v nvidia-smi > /dev/null; then
    driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -1) || true
fi
commit=$(git rev-parse --short HEAD 2> /dev/null || echo unknown)
if ! git diff --quiet HEAD 2> /dev/null && [[ $commit != unknown ]]; then commit+=" with changes"; fi
say "$chip, $memory GiB, compute capability $arch"
printf '{"chip":"%s","memory_gib":%s,"driver":"%s","cuda":"%s","commit":"%s","date":"%s","command":"%s"}\n' \
    "$chip" "$memory" "$driver" "$runtime" "$commit" "$(date -u +%Y-%m-%d)" "bash bench/gpu.sh${words:+ ${words//\"/}}" > "$json"

# --- building -------------------------------------------------------------------------------------------------------------

bin=$build/sm_$arch
mkdir -p "$bin"
flags=(-std=c++20 -O3 "-arch=sm_$arch" -Iinclude -Itests)
if [[ -n $deps ]]; then flags+=("-I$deps" "-I$deps/eigen3"); fi
failed="" names=() pids=()
compile() {  # SOURCE: one program, in the background, unless it is newer than what it is made of
    local out
    out=$bin/$(basename "$1" .cu)
    if [[ -x $out && -z $(find include bench/thrust bench/support tests/thrust tests/support -newer "$out" -type f -print -quit) ]]; then
        return
    fi
    "$nvcc" "${flags[@]}" "$1" -o "$out" -lcublas -lcublasLt &> "$out.log" &
    names+=("$out") pids+=($!)
}
sources=()
if [[ -n $tests ]]; then sources+=(tests/thrust/*_test.cu); fi
if [[ -n $rows ]]; then sources+=(bench/thrust/gpu_bench.cu); fi
for source in "${sources[@]}"; do compile "$source"; done
say "compiling for sm_$arch: ${names[*]:-nothing, all is there}"
for i in "${!pids[@]}"; do
    if wait "${pids[i]}"; then continue; fi
    tail -n 20 "${names[i]}.log" >&2
    say "FAILED: ${names[i]} does not compile, see above and ${names[i]}.log"
    failed=yes
    rm -f "${names[i]}"
done

# --- tests ----------------------------------------------------------------------------------------------------------------

# run_test PROGRAM HOW MOST COMMAND...: runs it for MOST seconds or the time left, notes the outcome.
run_test() {
    local program=$1 how=$2 most=$3 log outcome status=0 begin=$SECONDS
    shift 3
    if [[ $most -gt $(left) ]]; then most=$(left); fi
    log=$program.${how// /_}.log
    if [[ $most -lt 5 ]]; then
        outcome="left out, the time is spent"
    elif [[ ! -x $program ]]; then
        outcome="FAILED to compile"
    else
        timeout "$most" "$@" &> "$log" || status=$?
        case $status in
            0) outcome=passed ;;
            77) outcome="skipped, $(tail -n 1 "$log" | tr -d '"\\')" ;;
            124) outcome="not finished after $most s" ;;
            *)
                outcome="FAILED with status $status"
                failed=yes
                tail -n 30 "$log" >&2
                ;;
        esac
    fi
    say "$(basename "$program") $how: $outcome"
    printf '{"test":"%s","how":"%s","outcome":"%s","seconds":%d}\n' \
        "$(basename "$program")" "$how" "$outcome" $((SECONDS - begin)) >> "$json"
}
each_test() {
    local source
    for source in tests/thrust/*_test.cu; do "$@" "$bin/$(basename "$source" .cu)"; done
}
plain() { run_test "$1" plain 120 "$1"; }
if [[ -n $tests ]]; then each_test plain; fi

# --- rows -----------------------------------------------------------------------------------------------------------------

# not_measured ROW SENSE TARGET WHY
not_measured() {
    printf '{"row":"%s","case":"all","unit":"x","measured":null,"target":%s,"sense":"%s","holds":null,"reason":"%s"}\n' \
        "$1" "$3" "$2" "$4" >> "$json"
}
beside_pytorch() {
    local why=""
    if ! command -v "$python" > /dev/null || ! "$python" -c 'import torch' 2> /dev/null; then
        why="no PyTorch"
    elif ! "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2> /dev/null; then
        why="PyTorch sees no GPU"
    elif [[ $(left) -lt 30 ]]; then
        why="the time is spent"
    else
        say "rows beside PyTorch"
        if timeout "$(left)" "$python" bench/peers/gpu_layer.py --beside "$bin/gpu_bench" --seconds "$(($(left) / 2))" \
            --json "$json" >&2; then return; fi
        why="bench/peers/gpu_layer.py failed or ran out of time"
        failed=yes
    fi
    say "rows beside PyTorch are left out: $why"
    not_measured "released in PyTorch / our layer, fwd+bwd" ">=" 2.5 "$why"
    not_measured "torch.matmul / our product" ">=" 0.97 "$why"
    not_measured "saved by the adapters: released (counted in PyTorch) / ours" ">=" 50 "$why"
}
if [[ -n $rows && -x $bin/gpu_bench ]]; then
    say "rows of the library, $(left) s left"
    timeout "$(($(left) > 30 ? $(left) : 30))" "$bin/gpu_bench" --seconds "$(($(left) * 2 / 3))" --json "$json" || failed=yes
    beside_pytorch
fi

# --- sanitizers: last, for they take what time is left --------------------------------------------------------------------

sanitizer=$(find_program compute-sanitizer "$(dirname "$nvcc")" "$(dirname "$nvcc")/../compute-sanitizer") || sanitizer=""
# One test asks for more memory than there is: an error of the call, which the test itself checks.
memcheck() { run_test "$1" memcheck "$(($(left) / 2))" "$sanitizer" --tool memcheck --report-api-errors no --error-exitcode 99 "$1"; }
racecheck() { run_test "$1" racecheck "$(left)" "$sanitizer" --tool racecheck --error-exitcode 99 "$1"; }
if [[ -n $tests && -z $sanitizer ]]; then
    say "compute-sanitizer is missing: memcheck and racecheck are left out"
    printf '{"test":"memcheck and","how":"racecheck","outcome":"left out, compute-sanitizer is missing","seconds":0}\n' >> "$json"
elif [[ -n $tests ]]; then
    each_test memcheck
    each_test racecheck
fi

awk -f bench/support/gpu_table.awk "$json" | tee "$table"
say "rows: $json; table: $table"
if [[ -n $failed ]]; then
    echo "bench/gpu.sh: a test or a measurement FAILED, see above" >&2
    exit 1
fi
