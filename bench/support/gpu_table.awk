# awk -f bench/support/gpu_table.awk FILE: tables for bench/README.md from the lines of JSON that bench/gpu.sh leaves. One
# flat object a line; strings hold no braces. The rows with a target first, then what else was measured.

# The value of a member as it is written, without the quotes of a string; "" where there is none.
function member(name,   rest, value) {
    if (!match($0, "\"" name "\":")) return ""
    rest = substr($0, RSTART + RLENGTH)
    if (substr(rest, 1, 1) != "\"") {
        match(rest, /^[^,}]*/)
        return substr(rest, 1, RLENGTH)
    }
    match(rest, /^"([^"\\]|\\.)*"/)
    value = substr(rest, 2, RLENGTH - 2)
    gsub(/\\"/, "\"", value)
    gsub(/\\\\/, "\\", value)
    gsub(/\|/, "/", value)  # which would end a cell
    return value
}

# 0.9234 [0.91, 0.94] ms
function spread(unit) {
    if (member("measured") == "null") return "-"
    if (unit == "x" || unit == "relative") unit = ""
    if (member("min") == member("max")) return member("measured") (unit == "" ? "" : " " unit)
    return member("measured") (unit == "" ? "" : " " unit) " [" member("min") ", " member("max") "]"
}

function verdict() {
    if (member("holds") == "true") return "holds"
    if (member("holds") == "false") return "**missed**"
    return "not measured: " member("reason")
}

/"chip":/ {
    printf "%s, driver %s, CUDA %s, commit %s, %s; `%s`.\n", member("chip"), member("driver"), member("cuda"),
        member("commit"), member("date"), member("command")
    next
}
/"test":/ {
    tests = tests (tests == "" ? "Tests: " : "; ") member("test") " " member("how") ": " member("outcome")
    next
}
/"row":/ {
    if (member("target") == "null" || member("target") == "") {
        others[++other_count] = "| " member("row") " | " member("case") " | " \
            (member("measured") == "null" ? "not measured: " member("reason") : spread(member("unit"))) " |"
        next
    }
    judged[++judged_count] = "| " member("row") " | " member("case") " | " spread(member("unit")) " | " \
        member("sense") " " member("target") " | " verdict() " |"
    if (member("holds") == "true") held++
    else if (member("holds") == "false") missed++
    else unmeasured++
}
END {
    if (tests != "") print tests "."
    if (judged_count > 0) {
        print "\n| row | case | median [least, most] | target | |\n|---|---|---|---|---|"
        for (i = 1; i <= judged_count; ++i) print judged[i]
        printf "\n%d targets: %d hold, %d missed, %d not measured.\n", judged_count, held, missed, unmeasured
    }
    if (other_count > 0) {
        print "\n| besides | case | median [least, most] |\n|---|---|---|"
        for (i = 1; i <= other_count; ++i) print others[i]
    }
}
