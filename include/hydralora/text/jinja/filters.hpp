// What stands after "|": Jinja's filters, with tojson as transformers has it.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "list_filters.hpp"

namespace hydralora::text::jinja {

namespace filters_detail {

inline Value integer(Context& cx, const Value& value, const Bound& a) {
    const Value otherwise = a[0] ? *a[0] : Value(std::int64_t{0});
    const std::int64_t base = optional_integer(cx, "int", a[1], 10);
    if (base != 10) cx.fail(Fault::unknown, "int: only base 10 is known here");
    if (value.is_integer()) return value.integer();
    std::optional<double> real;
    if (value.is<double>()) real = value.real();
    if (const Text* text = value.text()) {
        look_cost(cx, *text);
        const std::string_view digits = without_outer_space(text->bytes());
        std::int64_t whole = 0;
        const std::size_t sign = digits.substr(0, 1) == "+";
        const auto read = std::from_chars(digits.data() + sign, digits.data() + digits.size(), whole);
        if (read.ec == std::errc() && read.ptr == digits.data() + digits.size() && !digits.empty()) return whole;
        real = read_real(cx, *text);
    }
    if (!real || !(std::abs(*real) < 9e18)) return otherwise;
    return static_cast<std::int64_t>(*real);
}

inline Value rounded(Context& cx, const Value& value, const Bound& a) {
    if (!value.is_number()) cx.fail(Fault::value, "round: expected a number, found ", found(value));
    const std::int64_t precision = optional_integer(cx, "round", a[0], 0);
    const Text* method = optional_text(cx, "round", a[1]);
    if (precision < -15 || precision > 15) cx.fail(Fault::unknown, "round: expected a precision in [-15, 15]");
    const std::string how = method == nullptr ? "common" : method->bytes();
    if (how != "common" && how != "floor" && how != "ceil")
        cx.fail(Fault::value, "round: expected common, ceil or floor, found ", io::in_quotes(how, 40));
    if (value.is_integer() && how == "common" && precision >= 0) return value.integer();
    const double scale = std::pow(10.0, static_cast<double>(precision)), x = value.real() * scale;
    const double whole = how == "floor" ? std::floor(x) : how == "ceil" ? std::ceil(x) : std::nearbyint(x);
    return whole / scale;
}

inline Value json(Context& cx, const Value& value, const Arguments& arguments) {
    const Bound a = arguments.bound(cx, "tojson", {"ensure_ascii", "indent", "separators", "sort_keys"});
    JsonStyle style;
    style.ascii = a[0] && truth(*a[0]);
    style.sorted = a[3] && truth(*a[3]);
    if (a[1] && !a[1]->is_none()) {
        if (const Text* text = a[1]->text())
            style.indent = charged(cx, *text).bytes();
        else
            style.indent = std::string(
                static_cast<std::size_t>(std::clamp<std::int64_t>(integer_of(cx, "tojson", *a[1]), 0, 64)), ' ');
        style.item = ",";
    }
    if (a[2] && !a[2]->is_none()) {
        const List* both = a[2]->list();
        if (both == nullptr || both->items.size() != 2)
            cx.fail(Fault::value, "tojson: expected two separators, found ", found(*a[2]));
        style.item = charged(cx, text_of(cx, "tojson", both->items[0])).bytes();
        style.key = charged(cx, text_of(cx, "tojson", both->items[1])).bytes();
    }
    return to_json(cx, value, style);
}

inline Value length(Context& cx, const Value& value) {
    if (const Text* text = value.text()) return character_count(cx, *text);
    if (const List* list = value.list()) return static_cast<std::int64_t>(list->items.size());
    if (const Dict* dict = value.dict()) return static_cast<std::int64_t>(dict->members.size());
    if (value.is_undefined()) return std::int64_t{0};
    cx.fail(Fault::value, "length: expected a text, a list or a dict, found ", found(value));
}

inline std::optional<Value> of_text(Context& cx, const std::string& name, const Value& value,
                                    const Arguments& arguments) {
    using namespace text_functions;
    const auto bound = [&](std::initializer_list<std::string_view> names) { return arguments.bound(cx, name, names); };
    const auto none = [&] { static_cast<void>(bound({})); };
    if (name == "trim") {
        const Bound a = bound({"chars"});
        return stripped(cx, to_text(cx, value), Edge::both, optional_text(cx, name, a[0]));
    }
    if (name == "upper") return none(), Value(upper(cx, to_text(cx, value)));
    if (name == "lower") return none(), Value(lower(cx, to_text(cx, value)));
    if (name == "title") return none(), Value(titled(cx, to_text(cx, value), true).as_markup(false));
    if (name == "capitalize") return none(), Value(capitalised(cx, to_text(cx, value)));
    if (name == "string") return none(), value.text() != nullptr ? value : Value(to_text(cx, value));
    if (name == "safe") return none(), Value(to_text(cx, value).as_markup());
    if (name == "escape" || name == "e") return none(), Value(text_escaped(cx, to_text(cx, value)));
    if (name == "replace") {
        const Bound a = bound({"old", "new", "count"});
        if (!a[0] || !a[1]) cx.fail(Fault::value, "replace: expected what to replace and by what");
        return replaced(cx, to_text(cx, value), text_of(cx, name, *a[0]), text_of(cx, name, *a[1]),
                        a[2] && !a[2]->is_none() ? integer_of(cx, name, *a[2]) : -1);
    }
    if (name == "indent") {
        const Bound a = bound({"width", "first", "blank"});
        Text prefix;
        if (a[0] && a[0]->text() != nullptr)
            prefix = charged(cx, *a[0]->text());
        else
            prefix = Text(std::string(
                static_cast<std::size_t>(std::clamp<std::int64_t>(optional_integer(cx, name, a[0], 4), 0, 1024)), ' '));
        return indented(cx, text_of(cx, name, value), prefix, a[1] && truth(*a[1]), a[2] && truth(*a[2]));
    }
    if (name == "format") return percent_formatted(cx, to_text(cx, value), arguments.placed);
    return std::nullopt;
}

}  // namespace filters_detail

/// value | name(arguments)
[[nodiscard]] inline Value filtered(Context& cx, const std::string& name, const Value& value,
                                    const Arguments& arguments) {
    using namespace filters_detail;
    cx.step();
    if (auto result = of_text(cx, name, value, arguments)) return *std::move(result);
    if (auto result = of_items(cx, name, value, arguments, &filtered)) return *std::move(result);
    const auto bound = [&](std::initializer_list<std::string_view> names) { return arguments.bound(cx, name, names); };
    if (name == "tojson") return json(cx, value, arguments);
    if (name == "default" || name == "d") {
        const Bound a = bound({"default_value", "boolean"});
        const bool missing = value.is_undefined() || (a[1] && truth(*a[1]) && !truth(value));
        return !missing ? value : a[0] ? *a[0] : Value("");
    }
    if (name == "length" || name == "count") return static_cast<void>(bound({})), length(cx, value);
    if (name == "int") return integer(cx, value, bound({"default", "base"}));
    if (name == "float") {
        const Bound a = bound({"default"});
        if (value.is_number()) return value.real();
        const auto real = value.text() != nullptr ? read_real(cx, *value.text()) : std::nullopt;
        return real ? Value(*real) : a[0] ? *a[0] : Value(0.0);
    }
    if (name == "abs") {
        static_cast<void>(bound({}));
        if (!value.is_number()) cx.fail(Fault::value, "abs: expected a number, found ", found(value));
        return value.real() < 0 ? negative(cx, value) : value.is_integer() ? Value(value.integer()) : value;
    }
    if (name == "round") return rounded(cx, value, bound({"precision", "method"}));
    if (name == "attr") {
        const Bound a = bound({"name"});
        return attribute(cx, value, text_of(cx, name, a[0] ? *a[0] : Value()).bytes());
    }
    cx.fail(Fault::unknown, "the filter ", name.substr(0, 40), " is not known here");
}

}  // namespace hydralora::text::jinja
