// What `is` asks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "arguments.hpp"
#include "text_functions.hpp"

namespace hydralora::text::jinja {

namespace tests_detail {

/// Python's isinstance and its like; none where the test is of another kind.
inline std::optional<bool> of_type(const Value& v, std::string_view name) {
    const bool list = v.list() != nullptr, dict = v.dict() != nullptr, text = v.text() != nullptr;
    if (name == "defined") return !v.is_undefined();
    if (name == "undefined") return v.is_undefined();
    if (name == "none") return v.is_none();
    if (name == "boolean") return v.is<bool>();
    if (name == "true") return v.is<bool>() && truth(v);
    if (name == "false") return v.is<bool>() && !truth(v);
    if (name == "string") return text;
    if (name == "number") return v.is_number();
    if (name == "integer") return v.is<std::int64_t>();
    if (name == "float") return v.is<double>();
    if (name == "mapping") return dict;
    // Of what is undefined too: it has a length of 0 and goes through nothing.
    if (name == "iterable") return list || dict || text || v.is_undefined() || v.loop() != nullptr;
    if (name == "sequence") return list || dict || text || v.is_undefined();
    if (name == "callable") return v.is_callable();
    if (name == "escaped") return text && v.text()->is_markup();
    return std::nullopt;
}

inline bool same(Context& cx, const Value& a, const Value& b) {
    return type_name(a) == type_name(b) && equal(cx, a, b);
}

}  // namespace tests_detail

/// value is name(arguments)
[[nodiscard]] inline bool passes(Context& cx, const std::string& name, const Value& value, const Arguments& arguments) {
    using namespace tests_detail;
    cx.step();
    if (const auto answer = of_type(value, name)) {
        static_cast<void>(arguments.bound(cx, name, {}));
        return *answer;
    }
    if (name == "odd" || name == "even" || name == "divisibleby") {
        const auto a = arguments.bound(cx, name, {"num"});
        const std::int64_t by = a[0] ? arguments_detail::integer_of(cx, name, *a[0]) : 2;
        const Value rest = binary(cx, "%", Value(arguments_detail::integer_of(cx, name, value)), Value(by));
        return (rest.integer() == 0) != (name == "odd");
    }
    if (name == "lower" || name == "upper") {
        const Text& text = arguments_detail::text_of(cx, name, value);
        look_cost(cx, text);
        const auto wrong = name == "lower" ? text_functions::is_upper : text_functions::is_lower;
        const auto cased = [](char c) { return text_functions::is_upper(c) || text_functions::is_lower(c); };
        return std::none_of(text.bytes().begin(), text.bytes().end(), wrong) &&
               std::any_of(text.bytes().begin(), text.bytes().end(), cased);
    }
    const auto other = [&]() -> Value {
        const auto a = arguments.bound(cx, name, {"other"});
        if (!a[0]) cx.fail(Fault::value, "is ", name, ": expected a value to compare with, found none");
        return *a[0];
    };
    if (name == "eq" || name == "equalto") return equal(cx, value, other());
    if (name == "ne") return !equal(cx, value, other());
    if (name == "lt" || name == "lessthan") return order(cx, value, other()) < 0;
    if (name == "gt" || name == "greaterthan") return order(cx, value, other()) > 0;
    if (name == "le") return order(cx, value, other()) <= 0;
    if (name == "ge") return order(cx, value, other()) >= 0;
    if (name == "in") return contains(cx, other(), value);
    if (name == "sameas") return same(cx, value, other());
    cx.fail(Fault::unknown, "the test ", name.substr(0, 40), " is not known here");
}

}  // namespace hydralora::text::jinja
