#!/usr/bin/env bash
# tests/bench/peers_script_test.sh FOLDER: what bench/peers.sh says before it builds anything, with stand-ins for Python.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$1
rm -rf "$folder"
mkdir -p "$folder/bin"
cd "$folder"

# peers STATUS WORDS ARGUMENTS...: runs the script, which must exit with STATUS and say WORDS.
peers() {
    local expected=$1 words=$2 status=0
    shift 2
    bash "$repository/bench/peers.sh" "$@" > "$folder/out" 2>&1 || status=$?
    if [[ $status -ne $expected ]] || ! grep -qF -- "$words" "$folder/out"; then
        echo "peers.sh $*: status $status, expected $expected and: $words" >&2
        cat "$folder/out" >&2
        exit 1
    fi
}
stand_in() {
    cat > "$folder/bin/$1"
    chmod +x "$folder/bin/$1"
}
stand_in no_torch <<< $'#!/usr/bin/env bash\n[[ $1 == -c && $2 == "import torch" ]] || exit 3\nexit 1'

peers 2 "unknown argument --nonsense" --nonsense
peers 2 "--json needs a value" --quick --json
peers 77 "has no PyTorch: make a virtual environment" --python "$folder/bin/no_torch"
peers 77 "$folder/bin/no_torch has no PyTorch" --python bin/no_torch
peers 77 "VENV/bin/pip install torch, and pass --python VENV/bin/python" --python "$folder/nowhere" --json rows.jsonl
if [[ -e rows.jsonl ]]; then
    echo "rows.jsonl was written, though nothing was measured" >&2
    exit 1
fi

# With PyTorch it builds in build/plain and runs both scripts on what was built, in the order of the table.
# Nothing is installed: what is looked for is there.
mkdir -p include/Eigen
touch include/Eigen/Core
export CPATH=$folder/include
for tool in g++ make; do stand_in $tool <<< '#!/usr/bin/env bash'; done
stand_in cmake <<< $'#!/usr/bin/env bash\necho "cmake $*" >&2'
stand_in with_torch << 'END'
#!/usr/bin/env bash
if [[ $1 != -c ]]; then echo "python $*"; fi
END
export PATH=$folder/bin:$PATH
echo old > rows.jsonl
peers 0 "| row | case | median [least, most] | target | times |" --python with_torch --quick --threads 3 --json rows.jsonl
said=$(grep -E '^(cmake|python) ' out)
expected="cmake --preset plain
cmake --build --preset plain --target hydralora_peers --parallel $(nproc)
python bench/peers/cpu_layer.py --beside build/plain/bench/peer_layer --quick --threads 3 --json $folder/rows.jsonl
python bench/peers/cpu_step.py --beside build/plain/bench/peer_step --quick --threads 3 --json $folder/rows.jsonl"
if [[ $said != "$expected" || -s rows.jsonl ]]; then
    printf 'said:\n%s\nexpected:\n%s\n' "$said" "$expected" >&2
    exit 1
fi
