#!/usr/bin/env bash
# tests/bench/gpu_script_test.sh FOLDER HOST_BENCH: bench/gpu.sh from end to end without a GPU. The tools it calls are
# stand-ins in FOLDER: nvcc "compiles" the rows to HOST_BENCH, which measures them on the host in small shapes.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$1 host_bench=$2
rm -rf "$folder"
mkdir -p "$folder/bin"
export PATH=$folder/bin:$PATH

stand_in() {
    cat > "$folder/bin/$1"
    chmod +x "$folder/bin/$1"
}
stand_in nvcc << END
#!/usr/bin/env bash
while [[ \$# -gt 0 ]]; do
    case \$1 in
        *device_probe.cu) program='$folder/bin/probe' ;;
        *gpu_bench.cu) program='exec "$host_bench" --tiny "\$@"' ;;
        *_test.cu) program='exec $folder/bin/device_test' ;;
        -o) out=\$2 ;;
    esac
    shift
done
printf '#!/usr/bin/env bash\n%s\n' "\$program" > "\$out"
chmod +x "\$out"
END
stand_in nvidia-smi <<< $'#!/usr/bin/env bash\necho 1.2.3'
stand_in probe <<< $'#!/usr/bin/env bash\necho "Stand-in|90|13.0|13.0|80"'
stand_in device_test <<< $'#!/usr/bin/env bash\nexit 0'
stand_in compute-sanitizer <<< $'#!/usr/bin/env bash\n[[ $1 == --tool && " $* " == *" --error-exitcode 99 "* ]] && exec "${@: -1}"'
stand_in no_torch <<< $'#!/usr/bin/env bash\nexit 1'
stand_in with_torch << 'END'
#!/usr/bin/env bash
if [[ $1 == -c ]]; then exit 0; fi
echo '{"row":"beside","case":"all","unit":"x","measured":3,"min":2,"max":4,"target":2.5,"sense":">=","holds":true}' >> "${@: -1}"
END

# gpu STATUS ARGUMENTS...: runs the script, which must exit with STATUS; what it said is in $folder/out.
gpu() {
    local expected=$1 status=0
    shift
    bash "$repository/bench/gpu.sh" --build "$folder/build" "$@" > "$folder/out" 2>&1 || status=$?
    if [[ $status -ne $expected ]]; then
        echo "gpu.sh $*: status $status, expected $expected" >&2
        cat "$folder/out" >&2
        exit 1
    fi
}
says() {
    if ! grep -qF -- "$1" "${2:-$folder/out}"; then
        echo "not said: $1" >&2
        cat "${2:-$folder/out}" >&2
        exit 1
    fi
}
silent() {
    if grep -qF -- "$1" "$folder/out"; then
        echo "said, but should not be: $1" >&2
        exit 1
    fi
}

gpu 2 --nonsense
says "unknown argument --nonsense"
gpu 2 --json
says "--json needs a value"
gpu 2 --deps "$folder/nowhere"
says "is not a folder"

# Everything, without PyTorch.
gpu 0 --python no_torch --json "$folder/rows.jsonl" --table "$folder/table.md"
says "Stand-in, driver 1.2.3, CUDA 13.0, commit " "$folder/table.md"
says "cuda_test plain: passed" "$folder/table.md"
says "cuda_test memcheck: passed" "$folder/table.md"
says "cuda_test racecheck: passed" "$folder/table.md"
says "not measured: no PyTorch" "$folder/table.md"
for row in "JoinedLinear fwd+bwd / frozen fwd+dX" "training step, joined / frozen fwd+dX" "share of the copy bandwidth" \
    "loss after 20 steps" "released (by formula) / ours" "7B-shaped block" "1B-shaped model"; do
    says "$row" "$folder/table.md"
done
for operation in rms_norm swiglu add rope adamw dropout "cast float"; do says "| $operation" "$folder/table.md"; done
silent "the time is spent"
if command -v python3 > /dev/null; then
    python3 -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$folder/rows.jsonl"
fi
count=$(grep -c '"holds":\(true\|false\)' "$folder/rows.jsonl")
if [[ $count -ne 18 ]]; then
    echo "$count measured targets, expected 18: 2 agreements, 3 layers, 2 of memory, 2 steps, 9 operations" >&2
    exit 1
fi

# Beside PyTorch; only what is asked for; built once.
gpu 0 --python with_torch --skip-tests
says "| beside | all | 3 [2, 4] | >= 2.5 | holds |"
says "nothing, all is there"
silent "cuda_test"
gpu 0 --skip-rows
silent "JoinedLinear"
says "cuda_test memcheck: passed"

# No time: everything is named and left out.
gpu 0 --minutes 0 --python with_torch
says "cuda_test plain: left out, the time is spent"
says "| training step, joined / frozen fwd+dX | 1B-shaped model, T = 4 x 16 | - | <= 1.15 | not measured: the time is spent |"
says "| torch.matmul / our product | all | - | >= 0.97 | not measured: the time is spent |"

# Failures.
stand_in device_test <<< $'#!/usr/bin/env bash\necho broken\nexit 3'
gpu 1 --skip-rows
says "cuda_test plain: FAILED with status 3"
says "broken"
stand_in device_test <<< $'#!/usr/bin/env bash\nexit 0'
stand_in compute-sanitizer <<< $'#!/usr/bin/env bash\n[[ $2 == racecheck ]] && exit 99 || exit 0'
gpu 1 --skip-rows
says "cuda_test memcheck: passed"
says "cuda_test racecheck: FAILED with status 99"
stand_in probe <<< $'#!/usr/bin/env bash\necho "none here" >&2\nexit 77'
gpu 77
says "cannot run here: no NVIDIA GPU: none here"
stand_in nvcc <<< $'#!/usr/bin/env bash\nexit 1'
gpu 77
says "nvcc does not compile a small program"
