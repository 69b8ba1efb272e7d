// Functions of texts that filters and methods share. Bytes keep their origins.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../white_space.hpp"
#include "operators.hpp"

namespace hydralora::text::jinja::text_functions {

enum class Edge { left, right, both };

/// Python's strip, lstrip and rstrip: of white space, or of the characters in `of`.
[[nodiscard]] inline Text stripped(Context& cx, const Text& text, Edge edge, const Text* of = nullptr) {
    const std::string_view bytes = text.bytes();
    cx.step(1 + text.size() / 64);
    std::size_t begin = 0, end = text.size();
    if (of == nullptr) {
        if (edge != Edge::right) begin = end - without_leading_space(bytes).size();
        if (edge != Edge::left) end = begin + without_trailing_space(bytes.substr(begin)).size();
    } else {
        const auto places = character_places(cx, *of);
        const auto among = [&](std::string_view c) {
            cx.step(1 + places.size() / 8);
            for (std::size_t i = 0; i + 1 < places.size(); ++i)
                if (std::string_view(of->bytes()).substr(places[i], places[i + 1] - places[i]) == c) return true;
            return false;
        };
        while (edge != Edge::right && begin < end) {
            const std::size_t n = character_at(bytes, begin).bytes;
            if (!among(bytes.substr(begin, n))) break;
            begin += n;
        }
        while (edge != Edge::left && begin < end) {
            const std::size_t n = character_before(bytes.substr(begin), end - begin).bytes;
            if (!among(bytes.substr(end - n, n))) break;
            end -= n;
        }
    }
    return charged(cx, text.slice(begin, end));
}

/// Capital and small letters of ASCII. Letters beyond it that may have two forms are refused; Chinese, Japanese and
/// Korean ones have one.
inline void check_case(Context& cx, std::string_view function, const Text& text) {
    look_cost(cx, text);
    cx.write(text.memory());
    for (std::size_t i = 0; i < text.size();) {
        const Character c = character_at(text.bytes(), i);
        const bool one_form =
            c.code < 0x80 || (c.code >= 0x2e80 && c.code < 0xa640) || (c.code >= 0xac00 && c.code < 0xd7a4);
        if (!one_form && c.code < no_character && (properties(c.code) & letter) != 0)
            cx.fail(Fault::unknown, function, ": only letters of ASCII have capital and small forms here");
        i += c.bytes;
    }
}
inline bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
inline bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
inline char to_upper(char c) { return is_lower(c) ? static_cast<char>(c - 'a' + 'A') : c; }
inline char to_lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

[[nodiscard]] inline Text upper(Context& cx, const Text& text) {
    check_case(cx, "upper", text);
    return text.mapped(to_upper);
}
[[nodiscard]] inline Text lower(Context& cx, const Text& text) {
    check_case(cx, "lower", text);
    return text.mapped(to_lower);
}
[[nodiscard]] inline Text capitalised(Context& cx, const Text& text) {
    check_case(cx, "capitalize", text);
    bool first = true;
    return text.mapped([&](char c) { return std::exchange(first, false) ? to_upper(c) : to_lower(c); });
}
/// Each word with a capital: those of Jinja's filter end at white space and opening brackets, those of Python's method at
/// all that is no letter.
[[nodiscard]] inline Text titled(Context& cx, const Text& text, bool filter) {
    check_case(cx, "title", text);
    bool begins = true;
    return text.mapped([&](char c) {
        const char result = begins ? to_upper(c) : to_lower(c);
        begins = filter ? std::string_view("-({[< \t\n\r\f\v").find(c) != std::string_view::npos
                        : !is_lower(c) && !is_upper(c);
        return result;
    });
}

/// Python's replace; `most` < 0: all.
[[nodiscard]] inline Text replaced(Context& cx, const Text& text, const Text& from, const Text& to, std::int64_t most) {
    Text result;
    std::size_t at = 0;
    cx.write(text.memory());
    search_cost(cx, text, from);
    if (from.empty()) {
        // Before each character and at the end.
        const auto places = character_places(cx, text);
        for (std::size_t i = 0; i < places.size(); ++i) {
            if (most < 0 || static_cast<std::int64_t>(i) < most) {
                cx.write(to.memory());
                cx.step();
                result.append(to);
            }
            if (i + 1 < places.size()) result.append(text, places[i], places[i + 1]);
        }
        return result;
    }
    for (std::int64_t n = 0; most < 0 || n < most; ++n) {
        const std::size_t found = text.bytes().find(from.bytes(), at);
        if (found == std::string::npos) break;
        cx.write(to.memory());
        cx.step();
        result.append(text, at, found);
        result.append(to);
        at = found + from.size();
    }
    result.append(text, at, text.size());
    return result;
}

/// Python's join, of texts, where `strict`; else Jinja's, which knows no markup.
[[nodiscard]] inline Text joined(Context& cx, const Text& between, const std::vector<Value>& items, bool strict) {
    Text result;
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (strict && items[i].text() == nullptr)
            cx.fail(Fault::value, "join: expected texts, found ", found(items[i]));
        const Text text = strict ? text_within(cx, between, *items[i].text()) : to_text(cx, items[i]);
        cx.write(between.memory() + text.memory());
        if (i > 0) result.append(between);
        result.append(text);
    }
    return std::move(result).as_markup(strict && between.is_markup());
}

namespace split_detail {

struct Part {
    std::size_t begin, end;
};
/// Where to cut: at as many places as `most`, counted from the side that it begins at; `most` < 0: everywhere.
struct Way {
    std::int64_t most;
    bool from_right;
    [[nodiscard]] bool more(const std::vector<Part>& parts) const {
        return most < 0 || static_cast<std::int64_t>(parts.size()) < most;
    }
};

/// In the order in which they are found.
inline std::vector<Part> at_separators(Context& cx, const Text& text, const Text& by, const Way& way) {
    if (by.empty()) cx.fail(Fault::value, "split: expected a separator, found an empty text");
    search_cost(cx, text, by);
    const std::string_view bytes = text.bytes();
    std::vector<Part> parts;
    std::size_t begin = 0, end = text.size();
    while (way.more(parts)) {
        cx.step();
        const std::size_t found =
            way.from_right ? bytes.substr(0, end).rfind(by.bytes()) : bytes.find(by.bytes(), begin);
        if (found == std::string_view::npos) break;
        if (way.from_right) {
            parts.push_back({found + by.size(), end});
            end = found;
        } else {
            parts.push_back({begin, found});
            begin = found + by.size();
        }
    }
    parts.push_back({begin, end});
    return parts;
}

/// The words between runs of white space, in the order in which they are found.
inline std::vector<Part> at_white_space(Context& cx, const Text& text, const Way& way) {
    look_cost(cx, text);
    const std::string_view bytes = text.bytes();
    const auto is_space = [](std::string_view character) { return without_leading_space(character).empty(); };
    std::vector<Part> parts;
    std::size_t begin = 0, end = text.size();
    for (;;) {
        cx.step();
        if (way.from_right)
            end = begin + without_trailing_space(bytes.substr(begin, end - begin)).size();
        else
            begin = end - without_leading_space(bytes.substr(begin, end - begin)).size();
        if (begin == end) return parts;
        if (!way.more(parts)) {
            parts.push_back({begin, end});
            return parts;
        }
        if (way.from_right) {
            std::size_t i = end;
            for (std::size_t n; i > begin; i -= n) {
                n = character_before(bytes, i).bytes;
                if (is_space(bytes.substr(i - n, n))) break;
            }
            parts.push_back({i, std::exchange(end, i)});
        } else {
            std::size_t i = begin;
            while (i < end && !is_space(bytes.substr(i, character_at(bytes, i).bytes)))
                i += character_at(bytes, i).bytes;
            parts.push_back({std::exchange(begin, i), i});
        }
    }
}

}  // namespace split_detail

/// Python's split and, from the right, rsplit; `by` null: at runs of white space. `most` < 0: everywhere.
[[nodiscard]] inline Value split(Context& cx, const Text& text, const Text* by, std::int64_t most, bool from_right) {
    using namespace split_detail;
    const Way way{most, from_right};
    std::vector<Part> parts = by != nullptr ? at_separators(cx, text, *by, way) : at_white_space(cx, text, way);
    if (from_right) std::reverse(parts.begin(), parts.end());
    cx.write(text.memory());
    std::vector<Value> items;
    for (const Part& part : parts) items.push_back(Value(text.slice(part.begin, part.end)));
    return make_list(cx, std::move(items));
}

/// Python's splitlines without the ends.
[[nodiscard]] inline Value lines(Context& cx, const Text& text) {
    cx.write(text.memory());
    look_cost(cx, text);
    std::vector<Value> items;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size();) {
        const Character c = character_at(text.bytes(), i);
        const bool ends = (c.code >= 0x0a && c.code <= 0x0d) || (c.code >= 0x1c && c.code <= 0x1e) || c.code == 0x85 ||
                          c.code == 0x2028 || c.code == 0x2029;
        std::size_t next = i + c.bytes;
        if (ends) {
            cx.step();
            items.push_back(Value(text.slice(begin, i)));
            if (c.code == 0x0d && next < text.size() && text.bytes()[next] == '\n') ++next;
            begin = next;
        }
        i = next;
    }
    if (begin < text.size()) items.push_back(Value(text.slice(begin, text.size())));
    return make_list(cx, std::move(items));
}

/// Jinja's indent: each line but the first moved in by `prefix`; empty lines only where `blank`.
[[nodiscard]] inline Text indented(Context& cx, const Text& text, const Text& prefix, bool first, bool blank) {
    Text result;
    cx.write(text.memory());
    look_cost(cx, text);
    if (first) {
        cx.write(prefix.memory());
        result.append(prefix);
    }
    std::size_t begin = 0;
    for (bool more = true; more;) {
        std::size_t end = text.bytes().find('\n', begin);
        more = end != std::string::npos;
        if (!more) end = text.size();
        if (begin > 0) {
            result.append("\n", text.origin_at(begin - 1));
            if (blank || end > begin) {
                cx.write(prefix.memory());
                cx.step();
                result.append(prefix);
            }
        }
        result.append(text, begin, end);
        begin = end + 1;
    }
    return std::move(result).as_markup(text.is_markup());
}

/// "{} of {name}".format(...): fields by place or name, without conversions.
template <class Named>
[[nodiscard]] Text formatted(Context& cx, const Text& pattern, const std::vector<Value>& placed, Named&& named) {
    Text result;
    std::size_t next = 0;
    const std::string& bytes = pattern.bytes();
    cx.write(pattern.memory());
    look_cost(cx, pattern);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const bool doubled = i + 1 < bytes.size() && bytes[i + 1] == bytes[i];
        if (bytes[i] != '{' && bytes[i] != '}') {
            result.append(pattern, i, i + 1);
        } else if (doubled) {
            result.append(pattern, i, i + 1);
            ++i;
        } else {
            const std::size_t end = bytes[i] == '{' ? bytes.find('}', i) : std::string::npos;
            if (end == std::string::npos) cx.fail(Fault::value, "format: a single { or } in the text");
            const std::string field = bytes.substr(i + 1, end - i - 1);
            const bool number = !field.empty() && field.size() < 4 &&
                                std::all_of(field.begin(), field.end(), [](char c) { return c >= '0' && c <= '9'; });
            const bool plain = std::all_of(field.begin(), field.end(), [](char c) {
                return is_lower(c) || is_upper(c) || c == '_' || (c >= '0' && c <= '9');
            });
            if (!plain) cx.fail(Fault::unknown, "format: the field {", field.substr(0, 40), "} is not known here");
            Value value;
            if (field.empty() || number) {
                const std::size_t k = field.empty() ? next++ : static_cast<std::size_t>(std::stoi(field));
                if (k >= placed.size()) cx.fail(Fault::value, "format: expected more arguments, found ", placed.size());
                value = placed[k];
            } else {
                value = named(field);
            }
            result.append(text_within(cx, pattern, to_text(cx, value)));
            i = end;
        }
    }
    return std::move(result).as_markup(pattern.is_markup());
}

/// "%s of %d" % values.
[[nodiscard]] inline Text percent_formatted(Context& cx, const Text& pattern, const std::vector<Value>& values) {
    Text result;
    std::size_t next = 0;
    const std::string& bytes = pattern.bytes();
    cx.write(pattern.memory());
    look_cost(cx, pattern);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] != '%') {
            result.append(pattern, i, i + 1);
            continue;
        }
        const char c = ++i < bytes.size() ? bytes[i] : ' ';
        if (c == '%') {
            result.append(pattern, i, i + 1);
            continue;
        }
        if (c != 's' && c != 'd') cx.fail(Fault::unknown, "%: only %s, %d and %% are known here");
        if (next >= values.size()) cx.fail(Fault::value, "%: expected more values, found ", values.size());
        const Value& value = values[next++];
        if (c == 'd' && !value.is_integer()) cx.fail(Fault::value, "%d: expected a whole number, found ", found(value));
        result.append(text_within(cx, pattern, to_text(cx, c == 'd' ? Value(value.integer()) : value)));
    }
    if (next != values.size()) cx.fail(Fault::value, "%: expected ", next, " values, found ", values.size());
    return std::move(result).as_markup(pattern.is_markup());
}

}  // namespace hydralora::text::jinja::text_functions
