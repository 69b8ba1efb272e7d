# Sourced by bench/run.sh and bench/support/compile_cost.sh.
#
# json_row ROW CASE FILE VALUE...: the median of the values with the least and the most, held against the target of that
# row and case in bench/support/targets.txt: a line on the standard output, and one of JSON in FILE unless FILE is empty.
json_row() {
    local row=$1 name=$2 file=$3
    shift 3
    printf '%s\n' "$@" | sort -g | awk -v row="$row" -v name="$name" -v file="$file" \
        -v targets="$(dirname "${BASH_SOURCE[0]}")/targets.txt" '
        BEGIN {
            while ((getline line < targets) > 0) {
                split(line, field, "|")
                if (field[1] == row && field[2] == name) { sense = field[3]; target = field[4]; unit = field[5] }
            }
            if (sense == "") { print "no target for row " row ", " name > "/dev/stderr"; exit 2 }
        }
        { value[NR] = $1 }
        END {
            if (sense == "") exit 2
            measured = value[int((NR + 1) / 2)]
            holds = sense == "<=" ? measured + 0 <= target + 0 : measured + 0 >= target + 0
            printf "%-3s%-52s %10s [%s, %s] %s  %s %s: %s\n", row, name, measured, value[1], value[NR], unit, sense, target,
                holds ? "holds" : "MISSED"
            if (file != "")
                printf "{\"row\":\"%s\",\"case\":\"%s\",\"unit\":\"%s\",\"measured\":%s,\"min\":%s,\"max\":%s,\"target\":%s," \
                    "\"sense\":\"%s\",\"holds\":%s}\n", row, name, unit, measured, value[1], value[NR], target, sense,
                    holds ? "true" : "false" >> file
        }'
}
