// Filters of lists and dicts: selection, order, joining.
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
#include <vector>

#include "members.hpp"
#include "methods.hpp"
#include "tests.hpp"

namespace hydralora::text::jinja::filters_detail {

using arguments_detail::integer_of;
using arguments_detail::optional_integer;
using arguments_detail::optional_text;
using arguments_detail::text_of;

/// All filters, which map applies one of to each element.
using Filters = Value (*)(Context& cx, const std::string& name, const Value& value, const Arguments& arguments);

/// A number as Python's float reads it, without inf and nan.
inline std::optional<double> read_real(Context& cx, const Text& text) {
    look_cost(cx, text);
    std::string_view digits = without_outer_space(text.bytes());
    if (digits.substr(0, 1) == "+") digits.remove_prefix(1);
    double real = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), real);
    if (digits.empty() || read.ec != std::errc() || read.ptr != digits.data() + digits.size()) return std::nullopt;
    return std::isfinite(real) ? std::optional(real) : std::nullopt;
}

/// The name of a test or filter, which may be any text.
inline std::string name_of(Context& cx, const std::string& function, const Value& value) {
    look_cost(cx, text_of(cx, function, value));
    return value.text()->bytes();
}

/// Arguments after the first `n`.
inline Arguments rest_of(const Arguments& arguments, std::size_t n) {
    Arguments rest{{}, arguments.named};
    for (std::size_t i = n; i < arguments.placed.size(); ++i) rest.placed.push_back(arguments.placed[i]);
    return rest;
}

/// Of what is not true, nothing: Jinja looks first.
inline std::vector<Value> some_items_of(Context& cx, const Value& value) {
    return truth(value) ? items_of(cx, value) : std::vector<Value>();
}

inline Value selected(Context& cx, const std::string& name, const Value& value, const Arguments& arguments) {
    const bool by_attribute = name == "selectattr" || name == "rejectattr";
    const bool keeps = name == "select" || name == "selectattr";
    const std::size_t test = by_attribute ? 1 : 0;
    if (by_attribute && arguments.placed.empty()) cx.fail(Fault::value, name, ": expected an attribute, found none");
    const bool has_test = arguments.placed.size() > test;
    const std::string by = has_test ? name_of(cx, name, arguments.placed[test]) : "";
    const Arguments others = rest_of(arguments, test + 1);
    std::vector<Value> kept;
    for (const Value& each : some_items_of(cx, value)) {
        const Value asked = by_attribute ? path(cx, each, arguments.placed[0]) : each;
        if ((has_test ? passes(cx, by, asked, others) : truth(asked)) == keeps) kept.push_back(each);
    }
    return make_list(cx, std::move(kept));
}

inline Value mapped(Context& cx, const Value& value, const Arguments& arguments, Filters filters) {
    std::vector<Value> results;
    std::optional<Value> attribute, otherwise;
    for (const auto& [name, given] : arguments.named) {
        if (name == "attribute") attribute = given;
        if (name == "default") otherwise = given;
    }
    if (!attribute && arguments.placed.empty())
        cx.fail(Fault::value, "map: expected a filter or an attribute, found none");
    const std::string filter = attribute ? "" : name_of(cx, "map", arguments.placed[0]);
    const Arguments others = attribute ? Arguments{} : rest_of(arguments, 1);
    for (const Value& each : some_items_of(cx, value)) {
        Value result = attribute ? path(cx, each, *attribute) : filters(cx, filter, each, others);
        results.push_back(attribute && result.is_undefined() && otherwise ? *otherwise : std::move(result));
    }
    return make_list(cx, std::move(results));
}

/// What a value is sorted by: small letters unless the case counts.
inline Value sort_key(Context& cx, const Value& value, bool cased) {
    return value.text() != nullptr && !cased ? Value(text_functions::lower(cx, *value.text())) : value;
}
inline bool flag(const std::optional<Value>& value) { return value && truth(*value); }

template <class Element>
void sort_by(Context& cx, std::vector<std::pair<Value, Element>>& elements, bool reverse) {
    std::stable_sort(elements.begin(), elements.end(), [&](const auto& a, const auto& b) {
        return reverse ? order(cx, b.first, a.first) < 0 : order(cx, a.first, b.first) < 0;
    });
}

inline Value sorted(Context& cx, const Value& value, const Bound& a) {
    std::vector<std::pair<Value, Value>> keyed;
    for (const Value& each : items_of(cx, value))
        keyed.emplace_back(sort_key(cx, a[2] && !a[2]->is_none() ? path(cx, each, *a[2]) : each, flag(a[1])), each);
    sort_by(cx, keyed, flag(a[0]));
    std::vector<Value> items;
    for (auto& [key, each] : keyed) items.push_back(std::move(each));
    return make_list(cx, std::move(items));
}

inline Value sorted_dict(Context& cx, const Value& value, const Bound& a) {
    if (value.dict() == nullptr) cx.fail(Fault::value, "dictsort: expected a dict, found ", found(value));
    const Text* by = optional_text(cx, "dictsort", a[1]);
    if (by != nullptr && by->bytes() != "key" && by->bytes() != "value")
        cx.fail(Fault::value, "dictsort: expected by key or value, found ", io::in_quotes(by->bytes(), 40));
    const bool by_value = by != nullptr && by->bytes() == "value";
    std::vector<std::pair<Value, Value>> keyed;
    for (const auto& [key, member] : value.dict()->members)
        keyed.emplace_back(sort_key(cx, by_value ? member : key, flag(a[0])), make_pair_of(cx, key, member));
    sort_by(cx, keyed, flag(a[2]));
    std::vector<Value> items;
    for (auto& [key, each] : keyed) items.push_back(std::move(each));
    return make_list(cx, std::move(items));
}

/// The least or the greatest; of equal ones the first.
inline Value extreme(Context& cx, const Value& value, const Bound& a, bool least) {
    std::optional<Value> best, best_key;
    for (const Value& each : items_of(cx, value)) {
        const Value key = sort_key(cx, a[1] && !a[1]->is_none() ? path(cx, each, *a[1]) : each, flag(a[0]));
        const bool better = !best_key || (least ? order(cx, key, *best_key) < 0 : order(cx, key, *best_key) > 0);
        if (!better) continue;
        best = each;
        best_key = key;
    }
    return best ? *best : undefined("there is no least or greatest of nothing");
}

inline Value summed(Context& cx, const Value& value, const Bound& a) {
    Value sum = a[1] ? *a[1] : Value(std::int64_t{0});
    for (const Value& each : items_of(cx, value))
        sum = binary(cx, "+", sum, a[0] && !a[0]->is_none() ? path(cx, each, *a[0]) : each);
    return sum;
}

inline Value unique(Context& cx, const Value& value, const Bound& a) {
    std::vector<Value> keys, kept;
    for (const Value& each : items_of(cx, value)) {
        const Value key = sort_key(cx, a[1] && !a[1]->is_none() ? path(cx, each, *a[1]) : each, flag(a[0]));
        if (std::any_of(keys.begin(), keys.end(), [&](const Value& k) { return equal(cx, k, key); })) continue;
        keys.push_back(key);
        kept.push_back(each);
    }
    return make_list(cx, std::move(kept));
}

inline Value reversed(Context& cx, const Value& value) {
    if (value.text() != nullptr) return slice(cx, value, None{}, None{}, Value(std::int64_t{-1}));
    std::vector<Value> items = items_of(cx, value);
    std::reverse(items.begin(), items.end());
    return make_list(cx, std::move(items));
}

inline std::optional<Value> of_items(Context& cx, const std::string& name, const Value& value,
                                     const Arguments& arguments, Filters filters) {
    const auto bound = [&](std::initializer_list<std::string_view> names) { return arguments.bound(cx, name, names); };
    const auto none = [&] { static_cast<void>(bound({})); };
    if (name == "select" || name == "reject" || name == "selectattr" || name == "rejectattr")
        return selected(cx, name, value, arguments);
    if (name == "map") return mapped(cx, value, arguments, filters);
    if (name == "list") return none(), make_list(cx, items_of(cx, value));
    if (name == "items") {
        none();
        if (value.is_undefined()) return make_list(cx, {});
        if (value.dict() == nullptr) cx.fail(Fault::value, "items: expected a dict, found ", found(value));
        return methods_detail::call_of_dict(cx, *value.dict(), "items", {});
    }
    if (name == "join") {
        const Bound a = bound({"d", "attribute"});
        std::vector<Value> items = items_of(cx, value);
        if (a[1] && !a[1]->is_none())
            for (Value& each : items) each = path(cx, each, *a[1]);
        return text_functions::joined(cx, a[0] ? to_text(cx, *a[0]) : Text(), items, false);
    }
    if (name == "first" || name == "last") {
        none();
        const std::vector<Value> items = items_of(cx, value);
        if (items.empty()) return undefined("there is no " + name + " item of nothing");
        return name == "first" ? items.front() : items.back();
    }
    if (name == "reverse") return none(), reversed(cx, value);
    if (name == "sort") return sorted(cx, value, bound({"reverse", "case_sensitive", "attribute"}));
    if (name == "dictsort") return sorted_dict(cx, value, bound({"case_sensitive", "by", "reverse"}));
    if (name == "unique") return unique(cx, value, bound({"case_sensitive", "attribute"}));
    if (name == "min" || name == "max")
        return extreme(cx, value, bound({"case_sensitive", "attribute"}), name == "min");
    if (name == "sum") return summed(cx, value, bound({"attribute", "start"}));
    return std::nullopt;
}

}  // namespace hydralora::text::jinja::filters_detail
