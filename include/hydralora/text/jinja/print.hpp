// Values as text: Python's str and repr, and JSON as transformers' `tojson` writes it.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
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

/// A backslash, the letter and so many hexadecimal digits.
inline std::string hex_escape(char letter, std::uint32_t code, int width) {
    std::string escape{'\\', letter};
    for (int k = width - 1; k >= 0; --k) escape += "0123456789abcdef"[code >> (4 * k) & 15];
    return escape;
}
inline std::string python_escape(std::uint32_t code) {
    return code < 0x100     ? hex_escape('x', code, 2)
           : code < 0x10000 ? hex_escape('u', code, 4)
                            : hex_escape('U', code, 8);
}

inline void put(Context& cx, std::string_view bytes, Origin origin, Text& out) {
    cx.write(bytes.size());
    out.append(bytes, origin);
}

inline void text_repr(Context& cx, const Text& text, Text& out) {
    const bool single = text.bytes().find('\'') != std::string::npos && text.bytes().find('"') == std::string::npos;
    const char quote = single ? '"' : '\'';
    cx.write(text.memory() + 2);
    look_cost(cx, text);
    if (text.is_markup()) out.append("Markup(", 0);
    out.append(std::string_view(&quote, 1), 0);
    for (std::size_t i = 0; i < text.size();) {
        const Character c = character_at(text.bytes(), i);
        const char byte = text.bytes()[i];
        const auto escape = [&](std::string_view with) { put(cx, with, text.origin_at(i), out); };
        if (byte == quote || byte == '\\')
            escape(std::string{'\\', byte});
        else if (byte == '\n' || byte == '\r' || byte == '\t')
            escape(byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\t");
        else if (is_printable(c.code))
            out.append(text, i, i + c.bytes);
        else
            escape(python_escape(c.code == no_character ? static_cast<unsigned char>(byte) : c.code));
        i += c.bytes;
    }
    out.append(std::string_view(&quote, 1), 0);
    if (text.is_markup()) out.append(")", 0);
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
        cx.write(text->memory());
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

/// Python's str(value), but markup stays markup; "" for what is undefined.
[[nodiscard]] inline Text to_text(Context& cx, const Value& value) {
    if (const Text* text = value.text()) return charged(cx, *text);
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
    cx.write(text.memory() + 2);
    look_cost(cx, text);
    out.append("\"", 0);
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text.bytes()[i]);
        const Character c = character_at(text.bytes(), i);
        const auto escape = [&](std::string_view with) { put(cx, with, text.origin_at(i), out); };
        const auto unit = [&](std::uint32_t code) { escape(hex_escape('u', code, 4)); };
        static constexpr std::string_view named = "\"\\\n\r\t\f\b", letters = "\"\\nrtfb";
        if (const std::size_t k = named.find(static_cast<char>(byte)); k != std::string_view::npos) {
            escape(std::string{'\\', letters[k]});
        } else if (byte < 0x20 || (style.ascii && byte >= 0x7f && c.code != no_character && c.code < 0x10000)) {
            unit(c.code);
        } else if (style.ascii && c.code != no_character && c.code >= 0x10000) {
            unit(0xd800 + ((c.code - 0x10000) >> 10));
            unit(0xdc00 + ((c.code - 0x10000) & 0x3ff));
        } else {
            out.append(text, i, i + c.bytes);
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
    if (const Text* text = key.text()) return charged(cx, *text);
    if (key.is_none()) return "null";
    if (const bool* b = key.get<bool>()) return *b ? "true" : "false";
    if (key.is_number()) return to_text(cx, key);
    cx.fail(Fault::value, "tojson: a key is a ", type_name(key), ", which JSON does not have");
}

inline void json(Context& cx, const Value& value, const JsonStyle& style, std::size_t depth, Text& out);

inline void json_dict(Context& cx, const Dict& dict, const JsonStyle& style, std::size_t depth, Text& out) {
    std::vector<std::pair<Text, const Value*>> members;
    for (const auto& [key, member] : dict.members) members.emplace_back(json_key(cx, key), &member);
    if (style.sorted)
        std::stable_sort(members.begin(), members.end(),
                         [](const auto& a, const auto& b) { return a.first.bytes() < b.first.bytes(); });
    out.append("{", 0);
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (i > 0) put(cx, style.item, 0, out);
        json_break(cx, style, depth + 1, out);
        json_text(cx, members[i].first, style, out);
        put(cx, style.key, 0, out);
        json(cx, *members[i].second, style, depth + 1, out);
    }
    if (!members.empty()) json_break(cx, style, depth, out);
    out.append("}", 0);
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
            if (i > 0) put(cx, style.item, 0, out);
            json_break(cx, style, depth + 1, out);
            json(cx, list->items[i], style, depth + 1, out);
        }
        if (!list->items.empty()) json_break(cx, style, depth, out);
        out.append("]", 0);
    } else if (const Dict* dict = value.dict()) {
        json_dict(cx, *dict, style, depth, out);
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
