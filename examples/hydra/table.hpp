// Tables and numbers for people.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace hydra {

[[nodiscard]] inline std::string fixed(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

/// 1234567 as 1,234,567
[[nodiscard]] inline std::string grouped(long long value) {
    std::string digits = std::to_string(value < 0 ? -value : value);
    for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3)
        digits.insert(static_cast<std::size_t>(at), ",");
    return value < 0 ? "-" + digits : digits;
}

/// "1 step", "2 steps"
[[nodiscard]] inline std::string counted(long long value, std::string_view noun) {
    return grouped(value) + ' ' + std::string(noun) + (value == 1 ? "" : "s");
}

/// Seconds as 0.4s, 7s, 3m07s or 2h05m.
[[nodiscard]] inline std::string duration(double seconds) {
    const long s = static_cast<long>(seconds + 0.5);
    char text[32];
    if (seconds > 0 && seconds < 0.95)
        std::snprintf(text, sizeof text, "%.1fs", seconds);
    else if (s < 60)
        std::snprintf(text, sizeof text, "%lds", s);
    else if (s < 3600)
        std::snprintf(text, sizeof text, "%ldm%02lds", s / 60, s % 60);
    else
        std::snprintf(text, sizeof text, "%ldh%02ldm", s / 3600, s / 60 % 60);
    return text;
}

/// The text with each byte that is not UTF-8 replaced by U+FFFD: what a model of bytes makes need not be text.
[[nodiscard]] inline std::string readable(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const auto at = [&](std::size_t k) {
            return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u;
        };
        const unsigned lead = at(0);
        const std::size_t length = lead < 0x80                   ? 1
                                   : lead >= 0xc2 && lead < 0xe0 ? 2
                                   : lead >= 0xe0 && lead < 0xf0 ? 3
                                   : lead >= 0xf0 && lead < 0xf5 ? 4
                                                                 : 0;
        bool valid = length > 0;
        for (std::size_t k = 1; k < length; ++k) valid = valid && (at(k) & 0xc0) == 0x80;
        // Overlong forms, surrogates, and what is beyond U+10FFFF.
        if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f) || (lead == 0xf0 && at(1) < 0x90) ||
            (lead == 0xf4 && at(1) > 0x8f))
            valid = false;
        if (valid) {
            out.append(text.substr(i, length));
            i += length;
        } else {
            out += "\xef\xbf\xbd";
            ++i;
        }
    }
    return out;
}

/// Printable UTF-8 as it is; the backslash, control characters, marks of direction and bytes that are no text escaped.
[[nodiscard]] inline std::string escaped(std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    const std::string whole = readable(text);
    std::string result;
    for (std::size_t i = 0; i < whole.size(); ++i) {
        const auto byte = static_cast<unsigned char>(whole[i]);
        const auto next = i + 1 < whole.size() ? static_cast<unsigned char>(whole[i + 1]) : 0u;
        const auto third = i + 2 < whole.size() ? static_cast<unsigned char>(whole[i + 2]) : 0u;
        const bool direction = byte == 0xe2 && ((next == 0x80 && (third >= 0x8b && third <= 0xae)) ||
                                                (next == 0x81 && third >= 0xa0 && third <= 0xaf));
        if (whole[i] == '\n')
            result += "\\n";
        else if (whole[i] == '\t')
            result += "\\t";
        else if (whole[i] == '\\')
            result += "\\\\";
        else if (byte < 0x20 || byte == 0x7f || direction || (byte == 0xc2 && next < 0xa0))
            result += std::string("\\x") + digits[byte >> 4] + digits[byte & 15];
        else
            result += whole[i];
        if (direction || (byte == 0xc2 && next < 0xa0))  // their further bytes
            for (const std::size_t end = i + (direction ? 2 : 1); i < end;) {
                const auto more = static_cast<unsigned char>(whole[++i]);
                result += std::string("\\x") + digits[more >> 4] + digits[more & 15];
            }
    }
    return result;
}

/// Columns as wide as their widest cell; the first to the left, the others to the right. Empty columns are left out.
class Table {
public:
    explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

    [[nodiscard]] std::string text() const {
        std::string out;
        for (std::size_t r = 0; r < rows_.size(); ++r) {
            std::string line;
            for (std::size_t c = 0; c < rows_[0].size(); ++c) {
                if (empty(c)) continue;
                const std::string cell = c < rows_[r].size() ? rows_[r][c] : "";
                const std::size_t pad = width(c) - columns(cell);
                line +=
                    (line.empty() ? "" : "  ") + (c == 0 ? cell + std::string(pad, ' ') : std::string(pad, ' ') + cell);
            }
            line.erase(line.find_last_not_of(' ') + 1);
            out += line + '\n';
            if (r == 0) out += std::string(columns(line), '-') + '\n';
        }
        return out;
    }

private:
    /// Characters of UTF-8 text, taken as one column each.
    static std::size_t columns(const std::string& s) {
        return static_cast<std::size_t>(std::count_if(s.begin(), s.end(), [](char c) { return (c & 0xc0) != 0x80; }));
    }
    [[nodiscard]] std::size_t width(std::size_t c) const {
        std::size_t most = 0;
        for (const auto& row : rows_) most = std::max(most, c < row.size() ? columns(row[c]) : 0);
        return most;
    }
    [[nodiscard]] bool empty(std::size_t c) const {
        return std::all_of(rows_.begin() + 1, rows_.end(),
                           [c](const auto& row) { return c >= row.size() || row[c].empty(); });
    }

    std::vector<std::vector<std::string>> rows_;
};

}  // namespace hydra
