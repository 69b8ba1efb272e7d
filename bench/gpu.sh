#!/usr/bin/env bash
# bench/gpu.sh [options]: on a machine with an NVIDIA GPU, builds for that GPU, runs the tests of the device (plain, and
# under compute-sanitizer), measures every row of bench/README.md, "On a GPU", and prints the table. Needs nvcc, g++ and
# this repository; nothing is installed or fetched. Exits with 77 and says what is missing where it cannot run, with 1 if
# a test or a measurement failed; a target that is missed is a line of the table.
#   --deps DIR       folder of header-only libraries (cudnn_frontend.h, Eigen/, doctest/, nlohmann/, CLI/), of which
#                    nothing but attention by cuDNN needs any; default third_party, if there is one
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
# Where the toolkit is, nvcc says itself: what is in the PATH may be a script or a link. A distribution's headers are g++'s own.
toolkit=$({ "$nvcc" --dryrun -x cu /dev/null 2>&1 || true; } | sed -n 's/^#\$ TOP=//p')
toolkit=${toolkit:-$(dirname "$nvcc")/..}
includes=()
if [[ -f $toolkit/include/cuda_runtime_api.h ]]; then includes=(-isystem "$toolkit/include"); fi
flags=(-std=c++20 -O3 -Iinclude -Itests)
if [[ -n $deps ]]; then flags+=("-I$deps" "-I$deps/eigen3"); fi
failed="" names=() pids=()
# compile SOURCE: one object, in the background, unless it is newer than what it is made of.
compile() {
    local out
    out=$bin/$(basename "${1%.*}").o
    if [[ -f $out && -z $(find include bench/thrust bench/support tests/thrust tests/support -newer "$out" -type f -print -quit) ]]; then
        return
    fi
    case $1 in
        *.cu) "$nvcc" "${flags[@]}" "-arch=sm_$arch" -c "$1" -o "$out" &> "$out.log" & ;;
        *) g++ "${flags[@]}" "${includes[@]}" -c "$1" -o "$out" &> "$out.log" & ;;
    esac
    names+=("$out") pids+=($!)
}
# link PROGRAM FLAGS...: of the objects PROGRAM.o and those among the flags.
link() {
    local out=$bin/$1
    shift
    rm -f "$out"
    if [[ ! -f $out.o ]]; then return; fi
    if ! "$nvcc" "-arch=sm_$arch" "$out.o" "$@" -lcublas -lcublasLt -o "$out" &> "$out.log"; then
        tail -n 20 "$out.log" >&2
        say "FAILED: $out does not link"
        failed=yes
    fi
}

# Attention by cuDNN, where cuDNN and its header-only frontend are.
cudnn_flags=() cudnn_missing=""
compiles() { g++ "${flags[@]}" "${includes[@]}" -x c++ - -o "$build/nothing" "$@" &> /dev/null; }
if ! compiles -E <<< '#include <cudnn_version.h>'; then
    cudnn_missing="cuDNN is missing"
elif ! compiles -E <<< $'#include <cudnn_version.h>\n#if CUDNN_VERSION < 91600\n#error\n#endif'; then
    cudnn_missing="cuDNN is older than 9.16"
elif ! compiles -E <<< '#include <cudnn_frontend.h>'; then
    cudnn_missing="cudnn-frontend is missing, a folder of headers that --deps may hold"
else
    for library in -lcudnn -l:libcudnn.so.9; do
        if compiles "-L$toolkit/lib64" "-L$toolkit/lib" $library <<< 'int main() {}'; then
            cudnn_flags=("-L$toolkit/lib64" "-L$toolkit/lib" $library -lnvrtc -ldl)
            break
        fi
    done
    if [[ ${#cudnn_flags[@]} -eq 0 ]]; then cudnn_missing="libcudnn is missing"; fi
fi

programs=() device_tests=()
if [[ -n $tests ]]; then device_tests+=(cuda_test); fi
if [[ -n $rows ]]; then programs+=(bench/thrust/gpu_bench.cu); fi
if [[ -z $cudnn_missing ]]; then
    if [[ -n $tests ]]; then device_tests+=(cudnn_test); fi
    if [[ -n $rows ]]; then programs+=(bench/thrust/cudnn_bench.cu); fi
    compile include/hydralora/thrust/cudnn_attention.cpp
fi
for test in "${device_tests[@]}"; do programs+=("tests/thrust/$test.cu"); done
for source in "${programs[@]}"; do compile "$source"; done
say "compiling for sm_$arch: ${names[*]:-nothing, all is there}${cudnn_missing:+; $cudnn_missing}"
for i in "${!pids[@]}"; do
    if wait "${pids[i]}"; then continue; fi
    tail -n 20 "${names[i]}.log" >&2
    say "FAILED: ${names[i]} does not compile, see above and ${names[i]}.log"
    failed=yes
    rm -f "${names[i]}"
done
for source in "${programs[@]}"; do
    program=$(basename "$source" .cu)
    case $program in
        cudnn_*) link "$program" "$bin/cudnn_attention.o" "${cudnn_flags[@]}" ;;
        *) link "$program" ;;
    esac
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
            77) outcome=$(tail -n 1 "$log" | tr -d '"\\') ;;
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
    local test
    for test in "${device_tests[@]}"; do "$@" "$bin/$test"; done
}
plain() { run_test "$1" plain 120 "$1"; }
if [[ -n $tests ]]; then
    each_test plain
    if [[ -n $cudnn_missing ]]; then
        printf '{"test":"cudnn_test","how":"plain","outcome":"left out, %s","seconds":0}\n' "$cudnn_missing" >> "$json"
    fi
fi

# --- rows -----------------------------------------------------------------------------------------------------------------

# not_measured ROW CASE SENSE TARGET WHY
not_measured() {
    printf '{"row":"%s","case":"%s","unit":"x","measured":null,"target":%s,"sense":"%s","holds":null,"reason":"%s"}\n' \
        "$1" "$2" "$4" "$3" "$5" >> "$json"
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
    not_measured "released in PyTorch / our layer, fwd+bwd" all ">=" 2.5 "$why"
    not_measured "torch.matmul / our product" all ">=" 0.97 "$why"
    not_measured "saved by the adapters: released (counted in PyTorch) / ours" all ">=" 50 "$why"
}
# measure PROGRAM: its rows, which leave themselves out when half of the time is spent.
measure() {
    if [[ ! -x $bin/$1 ]]; then return; fi
    say "rows of $1, $(left) s left"
    timeout "$(($(left) > 30 ? $(left) : 30))" "$bin/$1" --seconds "$(($(left) / 2))" --json "$json" || failed=yes
}
if [[ -n $rows ]]; then
    measure gpu_bench
    if [[ -n $cudnn_missing ]]; then
        not_measured "training step, joined / frozen fwd+dX" "7B-shaped block, attention by cuDNN" "<=" 1.1 "$cudnn_missing"
        not_measured "training step, joined / frozen fwd+dX" "1B-shaped model, attention by cuDNN" "<=" 1.15 "$cudnn_missing"
    else
        measure cudnn_bench
    fi
    if [[ -x $bin/gpu_bench ]]; then beside_pytorch; fi
fi

# --- sanitizers: last, for they take what time is left --------------------------------------------------------------------

sanitizer=$(find_program compute-sanitizer "$toolkit/bin" "$toolkit/compute-sanitizer") || sanitizer=""
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
