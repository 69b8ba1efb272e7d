// What Python's operators do with values: comparison, arithmetic, membership, keys and slices.
#pragma once

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../unicode.hpp"
#include "print.hpp"
#include "value.hpp"

namespace hydralora::text::jinja {

/// Where the characters of a text begin, and its end.
[[nodiscard]] inline std::vector<std::size_t> character_places(Context& cx, const Text& text) {
    look_cost(cx, text);
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < text.size(); i += character_at(text.bytes(), i).bytes) places.push_back(i);
    places.push_back(text.size());
    return places;
}
[[nodiscard]] inline std::int64_t character_count(Context& cx, const Text& text) {
    look_cost(cx, text);
    std::int64_t count = 0;
    for (std::size_t i = 0; i < text.size(); i += character_at(text.bytes(), i).bytes) ++count;
    return count;
}

/// What a loop goes through: elements, keys, characters; nothing of what is undefined.
[[nodiscard]] inline std::vector<Value> items_of(Context& cx, const Value& value) {
    std::vector<Value> items;
    if (const List* list = value.list()) {
        cx.step(list->items.size());
        return list->items;
    }
    if (const Dict* dict = value.dict()) {
        cx.step(dict->members.size());
        for (const auto& [key, member] : dict->members) items.push_back(key);
    } else if (const Text* text = value.text()) {
        const auto places = character_places(cx, *text);
        cx.step(places.size());
        for (std::size_t i = 0; i + 1 < places.size(); ++i)
            items.push_back(make_text(cx, text->slice(places[i], places[i + 1]).as_markup(false)));
    } else if (!value.is_undefined()) {
        cx.fail(Fault::value, "expected something to go through, found ", found(value));
    }
    return items;
}

[[nodiscard]] inline bool equal(Context& cx, const Value& a, const Value& b) {
    cx.step();
    if (a.is_number() && b.is_number()) {
        if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
        return a.real() == b.real();
    }
    if (a.text() != nullptr && b.text() != nullptr) {
        cx.step(a.text()->size() / 64);
        return a.text()->bytes() == b.text()->bytes();
    }
    if (a.is_none() || b.is_none()) return a.is_none() && b.is_none();
    if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
    if (const List* x = a.list(), *y = b.list(); x != nullptr && y != nullptr)
        return x->tuple == y->tuple && std::equal(x->items.begin(), x->items.end(), y->items.begin(), y->items.end(),
                                                  [&](const Value& p, const Value& q) { return equal(cx, p, q); });
    if (const Dict* x = a.dict(), *y = b.dict(); x != nullptr && y != nullptr) {
        if (x->members.size() != y->members.size()) return false;
        for (const auto& [key, value] : x->members) {
            const auto same = std::find_if(y->members.begin(), y->members.end(), [&, &key = key](const auto& member) {
                return equal(cx, key, member.first);
            });
            if (same == y->members.end() || !equal(cx, value, same->second)) return false;
        }
        return true;
    }
    if (const auto* x = a.get<Namespace*>(), *y = b.get<Namespace*>(); x != nullptr && y != nullptr) return *x == *y;
    if (const auto* x = a.get<const Macro*>(), *y = b.get<const Macro*>(); x != nullptr && y != nullptr)
        return *x == *y;
    return false;
}

/// The order of two values; an error where Python has none. Unordered: one is no number.
[[nodiscard]] inline std::partial_ordering order(Context& cx, const Value& a, const Value& b) {
    cx.step();
    if (a.is_number() && b.is_number()) {
        if (a.is_integer() && b.is_integer()) return a.integer() <=> b.integer();
        return a.real() <=> b.real();
    }
    if (a.text() != nullptr && b.text() != nullptr) {
        cx.step(a.text()->size() / 64);
        // Bytes of UTF-8 are in the order of the characters; a char may be signed.
        const int sign = a.text()->bytes().compare(b.text()->bytes());
        return sign <=> 0;
    }
    if (const List* x = a.list(), *y = b.list(); x != nullptr && y != nullptr && x->tuple == y->tuple) {
        for (std::size_t i = 0; i < std::min(x->items.size(), y->items.size()); ++i)
            if (!equal(cx, x->items[i], y->items[i])) return order(cx, x->items[i], y->items[i]);
        return x->items.size() <=> y->items.size();
    }
    cx.fail(Fault::value, "expected two values that have an order, found ", found(a), " and ", found(b));
}

[[nodiscard]] inline bool contains(Context& cx, const Value& container, const Value& value) {
    if (const Text* text = container.text()) {
        if (value.text() == nullptr) cx.fail(Fault::value, "in a text: expected a text, found ", found(value));
        search_cost(cx, *text, *value.text());
        return text->bytes().find(value.text()->bytes()) != std::string::npos;
    }
    if (const Dict* dict = container.dict())
        return std::any_of(dict->members.begin(), dict->members.end(),
                           [&](const auto& member) { return equal(cx, member.first, value); });
    if (const List* list = container.list())
        return std::any_of(list->items.begin(), list->items.end(), [&](const Value& v) { return equal(cx, v, value); });
    if (container.is_undefined()) return false;
    cx.fail(Fault::value, "in: expected a text, a list or a dict, found ", found(container));
}

namespace operators_detail {

template <class Operation>
std::int64_t exact(Context& cx, std::int64_t a, std::int64_t b, Operation&& operation) {
    std::int64_t result = 0;
    if (operation(a, b, &result)) cx.fail(Fault::limit, "a whole number grows beyond 64 bits");
    return result;
}
inline std::int64_t floor_quotient(Context& cx, std::int64_t a, std::int64_t b) {
    if (b == 0) cx.fail(Fault::value, "division by zero");
    if (b == -1) return exact(cx, 0, a, [](auto x, auto y, auto* r) { return __builtin_sub_overflow(x, y, r); });
    return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

[[noreturn]] inline void refuse(Context& cx, std::string_view sign, const Value& a, const Value& b) {
    cx.fail(Fault::value, "expected two values that ", sign, " takes, found ", found(a), " and ", found(b));
}

inline Value repeated(Context& cx, const Value& value, std::int64_t times) {
    const std::size_t n = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
    if (const Text* text = value.text()) {
        if (text->empty()) return value;
        if (n > cx.limits.bytes) cx.write(n);
        cx.write(text->memory() * n);
        cx.step(1 + n / 16);
        Text result;
        for (std::size_t i = 0; i < n; ++i) result.append(*text);
        return std::move(result).as_markup(text->is_markup());
    }
    const List& list = *value.list();
    if (list.items.empty()) return value;
    if (n > cx.limits.steps) cx.step(n);
    cx.step(list.items.size() * n);
    std::vector<Value> items;
    for (std::size_t i = 0; i < n; ++i) items.insert(items.end(), list.items.begin(), list.items.end());
    return make_list(cx, std::move(items), list.tuple);
}

inline Value power(Context& cx, const Value& a, const Value& b) {
    if (!a.is_integer() || !b.is_integer() || b.integer() < 0) return std::pow(a.real(), b.real());
    std::int64_t result = 1;
    for (std::int64_t i = 0; i < b.integer(); ++i) {
        if (a.integer() == 0 || a.integer() == 1) return a.integer();
        if (a.integer() == -1) return std::int64_t{b.integer() % 2 == 0 ? 1 : -1};
        result =
            exact(cx, result, a.integer(), [](auto x, auto y, auto* r) { return __builtin_mul_overflow(x, y, r); });
    }
    return result;
}

inline Value of_reals(Context& cx, char sign, double a, double b) {
    if (b == 0 && sign != '+' && sign != '-' && sign != '*') cx.fail(Fault::value, "division by zero");
    switch (sign) {
        case '+':
            return a + b;
        case '-':
            return a - b;
        case '*':
            return a * b;
        case '/':
            return a / b;
        case 'f':
            return std::floor(a / b);
        default:
            return a - b * std::floor(a / b);
    }
}
inline Value of_integers(Context& cx, char sign, std::int64_t a, std::int64_t b) {
    switch (sign) {
        case '+':
            return exact(cx, a, b, [](auto x, auto y, auto* r) { return __builtin_add_overflow(x, y, r); });
        case '-':
            return exact(cx, a, b, [](auto x, auto y, auto* r) { return __builtin_sub_overflow(x, y, r); });
        case '*':
            return exact(cx, a, b, [](auto x, auto y, auto* r) { return __builtin_mul_overflow(x, y, r); });
        case '/':
            return of_reals(cx, sign, static_cast<double>(a), static_cast<double>(b));
        case 'f':
            return floor_quotient(cx, a, b);
        default:
            if (b == -1) return std::int64_t{0};
            return a - b * floor_quotient(cx, a, b);
    }
}

}  // namespace operators_detail

/// &, <, > and quotes as HTML writes them; what is markup already stays.
[[nodiscard]] inline Text text_escaped(Context& cx, const Text& text) {
    if (text.is_markup()) return charged(cx, text);
    look_cost(cx, text);
    Text result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text.bytes()[i];
        const std::string_view entity = c == '&'    ? "&amp;"
                                        : c == '<'  ? "&lt;"
                                        : c == '>'  ? "&gt;"
                                        : c == '"'  ? "&#34;"
                                        : c == '\'' ? "&#39;"
                                                    : "";
        cx.write(entity.size() + 1);
        if (entity.empty())
            result.append(text, i, i + 1);
        else
            result.append(entity, text.origin_at(i));
    }
    return std::move(result).as_markup();
}
/// As it stands in a text that may be markup: escaped there.
[[nodiscard]] inline Text text_within(Context& cx, const Text& outer, const Text& text) {
    return outer.is_markup() ? text_escaped(cx, text) : text;
}

/// a + b and its like; the texts of `%` are formatted elsewhere.
[[nodiscard]] inline Value binary(Context& cx, std::string_view sign, const Value& a, const Value& b) {
    using namespace operators_detail;
    if (a.is_undefined() || b.is_undefined()) refuse(cx, sign, a, b);
    if (sign == "+" && a.text() != nullptr && b.text() != nullptr) {
        cx.write(a.text()->memory() + b.text()->memory());
        Text sum = text_within(cx, *b.text(), *a.text());
        sum.append(text_within(cx, *a.text(), *b.text()));
        return std::move(sum).as_markup(a.text()->is_markup() || b.text()->is_markup());
    }
    if (const List* x = a.list(), *y = b.list(); sign == "+" && x != nullptr && y != nullptr && x->tuple == y->tuple) {
        std::vector<Value> items = x->items;
        items.insert(items.end(), y->items.begin(), y->items.end());
        return make_list(cx, std::move(items), x->tuple);
    }
    const auto repeats = [](const Value& value) { return value.text() != nullptr || value.list() != nullptr; };
    if (sign == "*" && repeats(a) && b.is_integer()) return repeated(cx, a, b.integer());
    if (sign == "*" && repeats(b) && a.is_integer()) return repeated(cx, b, a.integer());
    if (!a.is_number() || !b.is_number()) refuse(cx, sign, a, b);
    if (sign == "**") return power(cx, a, b);
    const char operation = sign == "//" ? 'f' : sign[0];
    return a.is_integer() && b.is_integer() ? of_integers(cx, operation, a.integer(), b.integer())
                                            : of_reals(cx, operation, a.real(), b.real());
}

[[nodiscard]] inline Value negative(Context& cx, const Value& value) {
    if (!value.is_number()) cx.fail(Fault::value, "-: expected a number, found ", found(value));
    if (value.is<double>()) return -value.real();
    return operators_detail::of_integers(cx, '-', 0, value.integer());
}

namespace operators_detail {

/// Python's rule for the bounds of a slice.
struct Steps {
    std::int64_t from, to, step;
};
inline Steps steps_of(Context& cx, std::int64_t size, const Value& from, const Value& to, const Value& step) {
    const auto bound = [&](const Value& value) -> std::optional<std::int64_t> {
        if (value.is_none()) return std::nullopt;
        if (!value.is_integer()) cx.fail(Fault::value, "expected a whole number in a slice, found ", found(value));
        return value.integer();
    };
    Steps steps{0, 0, bound(step).value_or(1)};
    if (steps.step == 0) cx.fail(Fault::value, "a slice goes by steps of 0");
    steps.step = std::clamp(steps.step, -size - 1, size + 1);  // longer ones go as far
    const bool up = steps.step > 0;
    const std::int64_t low = up ? 0 : -1, high = up ? size : size - 1;
    const auto inside = [&](std::int64_t i) { return std::clamp(i < 0 ? i + size : i, low, high); };
    const auto first = bound(from), last = bound(to);
    steps.from = first ? inside(*first) : up ? low : high;
    steps.to = last ? inside(*last) : up ? high : low;
    return steps;
}

}  // namespace operators_detail

/// value[from:to:step]; None where a bound is left out.
[[nodiscard]] inline Value slice(Context& cx, const Value& value, const Value& from, const Value& to,
                                 const Value& step) {
    using operators_detail::steps_of;
    const auto each = [&](const operators_detail::Steps& s, auto&& take) {
        const std::int64_t way = s.step > 0 ? s.to - s.from : s.from - s.to;
        const std::int64_t count = way > 0 ? (way - 1) / std::abs(s.step) + 1 : 0;
        cx.step(static_cast<std::size_t>(count));
        for (std::int64_t k = 0; k < count; ++k) take(static_cast<std::size_t>(s.from + k * s.step));
    };
    if (const List* list = value.list()) {
        std::vector<Value> items;
        each(steps_of(cx, static_cast<std::int64_t>(list->items.size()), from, to, step),
             [&](std::size_t i) { items.push_back(list->items[i]); });
        return make_list(cx, std::move(items), list->tuple);
    }
    if (const Text* text = value.text()) {
        const auto places = character_places(cx, *text);
        const auto steps = steps_of(cx, static_cast<std::int64_t>(places.size()) - 1, from, to, step);
        if (steps.step == 1)
            return make_text(cx, steps.to > steps.from ? text->slice(places[static_cast<std::size_t>(steps.from)],
                                                                     places[static_cast<std::size_t>(steps.to)])
                                                       : Text());
        Text result;
        each(steps, [&](std::size_t i) { result.append(*text, places[i], places[i + 1]); });
        return make_text(cx, std::move(result).as_markup(text->is_markup()));
    }
    if (value.is_undefined()) cx.fail(Fault::value, found(value));
    return undefined("a slice of a " + std::string(type_name(value)) + " is undefined");
}

}  // namespace hydralora::text::jinja
