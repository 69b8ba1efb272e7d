// A measured row as one line of JSON: what bench/gpu.sh collects and bench/support/gpu_table.awk prints.
#pragma once

#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../support/clock.hpp"

namespace bench {

/// What a measured number is held against.
struct Target {
    enum class Sense { at_most, at_least };
    Sense sense;
    double value;

    [[nodiscard]] bool holds(double measured) const {  // never for a NaN
        return sense == Sense::at_most ? measured <= value : measured >= value;
    }
};
[[nodiscard]] constexpr Target at_most(double value) { return {Target::Sense::at_most, value}; }
[[nodiscard]] constexpr Target at_least(double value) { return {Target::Sense::at_least, value}; }

/// Where a row belongs; a row without a target tells and is not judged.
struct RowName {
    std::string row, words, unit;
    std::optional<Target> target = {};
};

namespace row_detail {

[[nodiscard]] inline std::string in_quotes(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) < 0x20) {
            out += ' ';
            continue;
        }
        out += c;
    }
    return out + '"';
}

/// Four digits; null where JSON has no number.
[[nodiscard]] inline std::string number(double value) {
    if (!std::isfinite(value)) return "null";
    char text[32];
    std::snprintf(text, sizeof(text), "%.4g", value);
    return text;
}

[[nodiscard]] inline std::string beginning(const RowName& name) {
    return "{\"row\":" + in_quotes(name.row) + ",\"case\":" + in_quotes(name.words) + ",\"unit\":" + in_quotes(name.unit);
}

[[nodiscard]] inline std::string target_of(const RowName& name) {
    if (!name.target) return ",\"target\":null";
    return ",\"target\":" + number(name.target->value) +
           ",\"sense\":" + (name.target->sense == Target::Sense::at_most ? "\"<=\"" : "\">=\"");
}

[[nodiscard]] inline std::string ending(std::string_view command) { return ",\"command\":" + in_quotes(command) + "}"; }

}  // namespace row_detail

/// The line of a measured row: `holds` is the verdict on the median as it was measured, before rounding.
[[nodiscard]] inline std::string line_of(const RowName& name, const Spread& spread, std::string_view command) {
    using namespace row_detail;
    std::string line = beginning(name) + ",\"measured\":" + number(spread.median) + ",\"min\":" + number(spread.least) +
                       ",\"max\":" + number(spread.most) + target_of(name) + ",\"holds\":";
    line += !name.target ? "null" : name.target->holds(spread.median) ? "true" : "false";
    return line + ending(command);
}

/// The line of a row that was not measured, and why.
[[nodiscard]] inline std::string line_of_unmeasured(const RowName& name, std::string_view why,
                                                    std::string_view command) {
    using namespace row_detail;
    return beginning(name) + ",\"measured\":null" + target_of(name) + ",\"holds\":null,\"reason\":" + in_quotes(why) +
           ending(command);
}

/// Element by element: subject / beside.
[[nodiscard]] inline std::vector<double> ratios(const std::vector<double>& subject, const std::vector<double>& beside) {
    std::vector<double> all(subject.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = subject[i] / beside[i];
    return all;
}

/// Of seconds, in milliseconds.
[[nodiscard]] inline Spread in_ms(const std::vector<double>& seconds) {
    const Spread s = spread_of(seconds);
    return {1e3 * s.median, 1e3 * s.least, 1e3 * s.most};
}

/// A number that is counted, not timed.
[[nodiscard]] inline Spread only(double value) { return {value, value, value}; }

/// Rounds that take about `seconds` where one takes `round_seconds`: an odd number from 5 to `most`.
[[nodiscard]] inline int rounds_within(double seconds, double round_seconds, int most = 41) {
    const double wanted = seconds / (round_seconds > 1e-9 ? round_seconds : 1e-9);
    return wanted < 5 ? 5 : wanted > most ? most | 1 : static_cast<int>(wanted) | 1;
}

/// The case whose turn a block is, n cases a round, another one first in each.
[[nodiscard]] constexpr std::size_t turn_of(std::size_t block, std::size_t n) { return (block % n + block / n) % n; }

/// How often a case is repeated between two marks of the clock, so that these are at least `least` seconds apart.
[[nodiscard]] inline int repeats_for(double least, double case_seconds) {
    const double wanted = least / (case_seconds > 1e-9 ? case_seconds : 1e-9);
    return wanted <= 1 ? 1 : wanted > 1000 ? 1000 : static_cast<int>(std::ceil(wanted));
}

}  // namespace bench
