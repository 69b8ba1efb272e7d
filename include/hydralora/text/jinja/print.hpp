// Values as text: Python's str and repr, and JSON as transformers' `tojson` writes it.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../unicode.hpp"
#include "value.hpp"

namespace hydralora::text::jinja {

namespace print_detail {

/// The shortest digits that read as the same double, as Python lays them out.
inline std::string real_text(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    char buffer[40];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
    std::string text(buffer, end), digits, sign;
    const std::size_t e = text.find('e');
    const int exponent = std::stoi(text.substr(e + 1));
    for (const char c : text.substr(0, e)) {
        if (c == '-') sign = "-";
        if (c >= '0' && c <= '9') digits += c;
    }
    if (exponent < -4 || exponent >= 16) {
        std::string power = std::to_string(std::abs(exponent));
        if (power.size() < 2) power.insert(0, "0");
        const std::string rest = digits.size() > 1 ? "." + digits.substr(1) : "";
        return sign + digits.substr(0, 1) + rest + (exponent < 0 ? "e-" : "e+") + power;
    }
    if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() < whole) digits.append(whole - digits.size(), '0');
    const std::string rest = digits.substr(whole);
    return sign + digits.substr(0, whole) + "." + (rest.empty() ? "0" : rest);
}

/// What Python's repr writes as it is. Near enough: format, separator and private characters are not printable.
inline bool is_printable(std::uint32_t c) {
    if (c < 0x7f) return c >= 0x20;
    if (c < 0xa1 || c == 0xad || c == no_character) return false;
    if ((properties(c) & space) != 0) return false;
    return !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2060 && c <= 0x206f) &&
           !(c >= 0xe000 && c <= 0xf8ff) && c != 0xfeff && !(c >= 0xfff0 && c <= 0xfffb) && c < 0xe0000;
}

inline void hex_escape(Text& out, std::uint32_t code, Origin origin) {
    static constexpr char digits[] = "0123456789abcdef";
    const int width = code < 0x100 ? 2 : code < 0x10000 ? 4 : 8;
    std::string escape = width == 2 ? "\\x" : width == 4 ? "\\u" : "\\U";
    for (int k = width - 1; k >= 0; --k) escape += digits[code >> (4 * k) & 15];
    out.append(escape, origin);
}

inline void text_repr(Context& cx, const Text& text, Text& out) {
    const bool single = text.bytes().find('\'') != std::string::npos && text.bytes().find('"') == std::string::npos;
    const char quote = single ? '"' : '\'';
    cx.write(text.size() + 2);
    out.append(std::string_view(&quote, 1), 0);
    for (std::size_t i = 0; i < text.size();) {
        const Character c = character_at(text.bytes(), i);
        const Origin origin = text.origin_at(i);
        const char byte = text.bytes()[i];
        if (byte == quote || byte == '\\')
            out.append(std::string{'\\', byte}, origin);
        else if (byte == '\n' || byte == '\r' || byte == '\t')
            out.append(byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\t", origin);
        else if (is_printable(c.code))
            out.append(text, i, i + c.bytes);
        else
            hex_escape(out, c.code == no_character ? static_cast<unsigned char>(byte) : c.code, origin);
        i += c.bytes;
    }
    out.append(std::string_view(&quote, 1), 0);
}

inline void print(Context& cx, const Value& value, Text& out, bool repr);

inline void print_items(Context& cx, const std::vector<Value>& items, Text& out) {
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (i > 0) out.append(", ", 0);
        print(cx, items[i], out, true);
    }
}

inline void print(Context& cx, const Value& value, Text& out, bool repr) {
    cx.step();
    cx.write(24);
    if (const Text* text = value.text()) {
        if (repr) return text_repr(cx, *text, out);
        cx.write(text->size());
        out.append(*text);
    } else if (value.is_undefined()) {
        if (repr) out.append("Undefined", 0);
    } else if (value.is_none()) {
        out.append("None", 0);
    } else if (const bool* truth = value.get<bool>()) {
        out.append(*truth ? "True" : "False", 0);
    } else if (const auto* number = value.get<std::int64_t>()) {
        out.append(std::to_string(*number), 0);
    } else if (const double* real = value.get<double>()) {
        out.append(real_text(*real), 0);
    } else if (const List* list = value.list()) {
        out.append(list->tuple ? "(" : "[", 0);
        print_items(cx, list->items, out);
        out.append(!list->tuple ? "]" : list->items.size() == 1 ? ",)" : ")", 0);
    } else if (const Dict* dict = value.dict()) {
        out.append("{", 0);
        for (std::size_t i = 0; i < dict->members.size(); ++i) {
            if (i > 0) out.append(", ", 0);
            print(cx, dict->members[i].first, out, true);
            out.append(": ", 0);
            print(cx, dict->members[i].second, out, true);
        }
        out.append("}", 0);
    } else {
        cx.fail(Fault::value, "a ", type_name(value), " cannot be written as text");
    }
}

}  // namespace print_detail

/// Python's str(value); "" for what is undefined.
[[nodiscard]] inline Text to_text(Context& cx, const Value& value) {
    Text out;
    print_detail::print(cx, value, out, false);
    return out;
}

struct JsonStyle {
    std::optional<std::string> indent{};  ///< a level of it
    std::string item = ", ", key = ": ";  ///< separators
    bool ascii = false;                   ///< characters beyond ASCII as \uXXXX
    bool sorted = false;
};

namespace print_detail {

inline void json_text(Context& cx, const Text& text, const JsonStyle& style, Text& out) {
    cx.write(text.size() + 2);
    out.append("\"", 0);
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text.bytes()[i]);
        const Character c = character_at(text.bytes(), i);
        const Origin origin = text.origin_at(i);
        const auto put = [&](std::string_view escape) { out.append(escape, origin); };
        const auto unit = [&](std::uint32_t code) {
            static constexpr char digits[] = "0123456789abcdef";
            std::string escape = "\\u";
            for (int k = 3; k >= 0; --k) escape += digits[code >> (4 * k) & 15];
            put(escape);
        };
        switch (byte) {
            case '"':
                put("\\\"");
                break;
            case '\\':
                put("\\\\");
                break;
            case '\n':
                put("\\n");
                break;
            case '\r':
                put("\\r");
                break;
            case '\t':
                put("\\t");
                break;
            case '\f':
                put("\\f");
                break;
            case '\b':
                put("\\b");
                break;
            default:
                if (byte < 0x20 || (style.ascii && byte >= 0x7f && c.code != no_character && c.code < 0x10000)) {
                    unit(c.code);
                } else if (style.ascii && c.code != no_character && c.code >= 0x10000) {
                    unit(0xd800 + ((c.code - 0x10000) >> 10));
                    unit(0xdc00 + ((c.code - 0x10000) & 0x3ff));
                } else {
                    out.append(text, i, i + c.bytes);
                }
        }
        i += c.bytes;
    }
    out.append("\"", 0);
}

inline void json_break(Context& cx, const JsonStyle& style, std::size_t depth, Text& out) {
    if (!style.indent) return;
    cx.write(1 + style.indent->size() * depth);
    out.append("\n", 0);
    for (std::size_t i = 0; i < depth; ++i) out.append(*style.indent, 0);
}

inline Text json_key(Context& cx, const Value& key) {
    if (const Text* text = key.text()) return *text;
    if (key.is_none()) return "null";
    if (const bool* b = key.get<bool>()) return *b ? "true" : "false";
    if (key.is_number()) return to_text(cx, key);
    cx.fail(Fault::value, "tojson: a key is a ", type_name(key), ", which JSON does not have");
}

inline void json(Context& cx, const Value& value, const JsonStyle& style, std::size_t depth, Text& out) {
    cx.step();
    cx.write(24);
    if (const Text* text = value.text()) {
        json_text(cx, *text, style, out);
    } else if (value.is_none()) {
        out.append("null", 0);
    } else if (const bool* truth = value.get<bool>()) {
        out.append(*truth ? "true" : "false", 0);
    } else if (const double* real = value.get<double>()) {
        out.append(std::isnan(*real)   ? "NaN"
                   : std::isinf(*real) ? (*real < 0 ? "-Infinity" : "Infinity")
                                       : real_text(*real),
                   0);
    } else if (value.is_integer()) {
        out.append(std::to_string(value.integer()), 0);
    } else if (const List* list = value.list()) {
        out.append("[", 0);
        for (std::size_t i = 0; i < list->items.size(); ++i) {
            if (i > 0) out.append(style.item, 0);
            json_break(cx, style, depth + 1, out);
            json(cx, list->items[i], style, depth + 1, out);
        }
        if (!list->items.empty()) json_break(cx, style, depth, out);
        out.append("]", 0);
    } else if (const Dict* dict = value.dict()) {
        std::vector<std::pair<Text, const Value*>> members;
        for (const auto& [key, member] : dict->members) members.emplace_back(json_key(cx, key), &member);
        if (style.sorted)
            std::stable_sort(members.begin(), members.end(),
                             [](const auto& a, const auto& b) { return a.first.bytes() < b.first.bytes(); });
        out.append("{", 0);
        for (std::size_t i = 0; i < members.size(); ++i) {
            if (i > 0) out.append(style.item, 0);
            json_break(cx, style, depth + 1, out);
            json_text(cx, members[i].first, style, out);
            out.append(style.key, 0);
            json(cx, *members[i].second, style, depth + 1, out);
        }
        if (!members.empty()) json_break(cx, style, depth, out);
        out.append("}", 0);
    } else {
        cx.fail(Fault::value, "tojson: ", found(value), ", which JSON does not have");
    }
}

}  // namespace print_detail

[[nodiscard]] inline Text to_json(Context& cx, const Value& value, const JsonStyle& style) {
    Text out;
    print_detail::json(cx, value, style, 0, out);
    return out;
}

}  // namespace hydralora::text::jinja
