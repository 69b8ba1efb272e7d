// JSON as text: the same value gives the same bytes, and reading them gives the same value.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "../core/check.hpp"
#include "json_value.hpp"
#include "quote.hpp"

namespace hydralora::io {

/// Appends a JSON string. Escapes what must be escaped and nothing else, as the usual writers of tensor files do.
inline void append_json_string(std::string& out, std::string_view text) {
    check(is_utf8(text), "JSON: the string ", in_quotes(text), " is not UTF-8");
    out += '"';
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\b':
                out += "\\b";
                break;
            case '\f':
                out += "\\f";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) {
                    out += "\\u00";
                    out += "0123456789abcdef"[(c >> 4) & 15];
                    out += "0123456789abcdef"[c & 15];
                } else {
                    out += c;
                }
        }
    }
    out += '"';
}

namespace json_detail {

template <class Number>
void append_number(std::string& out, Number value) {
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out.append(digits, end);
}

/// The shortest text that reads as the same double, and as a double: 1.0, not 1.
inline void append_real(std::string& out, double value) {
    check(std::isfinite(value), "JSON: the number ", value, " cannot be written; JSON has finite numbers only");
    const std::size_t begin = out.size();
    append_number(out, value);
    if (out.find_first_of(".e", begin) == std::string::npos) out += ".0";
}

inline void append_break(std::string& out, int indent, int depth) {
    if (indent == 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent * depth), ' ');
}

inline void append(std::string& out, const Json& value, int indent, int depth) {
    if (const auto* truth = value.get_if<bool>()) {
        out += *truth ? "true" : "false";
    } else if (const auto* integer = value.get_if<std::int64_t>()) {
        append_number(out, *integer);
    } else if (const auto* large = value.get_if<std::uint64_t>()) {
        append_number(out, *large);
    } else if (const auto* real = value.get_if<double>()) {
        append_real(out, *real);
    } else if (const auto* text = value.get_if<std::string>()) {
        append_json_string(out, *text);
    } else if (const auto* elements = value.get_if<Json::Array>()) {
        out += '[';
        for (std::size_t i = 0; i < elements->size(); ++i) {
            if (i > 0) out += ',';
            append_break(out, indent, depth + 1);
            append(out, (*elements)[i], indent, depth + 1);
        }
        if (!elements->empty()) append_break(out, indent, depth);
        out += ']';
    } else if (const auto* members = value.get_if<Json::Object>()) {
        out += '{';
        for (std::size_t i = 0; i < members->size(); ++i) {
            if (i > 0) out += ',';
            append_break(out, indent, depth + 1);
            append_json_string(out, (*members)[i].first);
            out += indent == 0 ? ":" : ": ";
            append(out, (*members)[i].second, indent, depth + 1);
        }
        if (!members->empty()) append_break(out, indent, depth);
        out += '}';
    } else {
        out += "null";
    }
}

}  // namespace json_detail

/// The value as text: on one line, or indented by so many spaces a level.
[[nodiscard]] inline std::string to_text(const Json& value, int indent = 0) {
    std::string out;
    json_detail::append(out, value, indent, 0);
    return out;
}

}  // namespace hydralora::io
