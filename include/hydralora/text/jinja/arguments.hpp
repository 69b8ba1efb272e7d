// Arguments of a call, and what a function takes of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "value.hpp"

namespace hydralora::text::jinja {

/// The arguments of a function in the order of its parameters; none where one is left out.
using Bound = std::vector<std::optional<Value>>;

struct Arguments {
    std::vector<Value> placed{};
    std::vector<std::pair<std::string, Value>> named{};

    /// By place or by name, in the order of `names`; more or others are an error.
    [[nodiscard]] Bound bound(const Context& cx, std::string_view function,
                              std::initializer_list<std::string_view> names) const {
        Bound values(names.size());
        if (placed.size() > names.size())
            cx.fail(Fault::value, function, ": expected at most ", names.size(), " arguments, found ", placed.size());
        for (std::size_t i = 0; i < placed.size(); ++i) values[i] = placed[i];
        for (const auto& [name, value] : named) {
            std::size_t i = 0;
            while (i < names.size() && *(names.begin() + i) != name) ++i;
            if (i == names.size()) cx.fail(Fault::unknown, function, ": the argument ", name, " is not known");
            if (values[i]) cx.fail(Fault::value, function, ": the argument ", name, " stands twice");
            values[i] = value;
        }
        return values;
    }
};

namespace arguments_detail {

inline const Text& text_of(const Context& cx, std::string_view function, const Value& value) {
    if (value.text() == nullptr) cx.fail(Fault::value, function, ": expected a text, found ", found(value));
    return *value.text();
}
inline std::int64_t integer_of(const Context& cx, std::string_view function, const Value& value) {
    if (!value.is_integer()) cx.fail(Fault::value, function, ": expected a whole number, found ", found(value));
    return value.integer();
}

inline const Text* optional_text(const Context& cx, std::string_view function, const std::optional<Value>& value) {
    if (!value || value->is_none()) return nullptr;
    return &text_of(cx, function, *value);
}
inline std::int64_t optional_integer(const Context& cx, std::string_view function, const std::optional<Value>& value,
                                     std::int64_t otherwise) {
    return value ? integer_of(cx, function, *value) : otherwise;
}

}  // namespace arguments_detail

}  // namespace hydralora::text::jinja
