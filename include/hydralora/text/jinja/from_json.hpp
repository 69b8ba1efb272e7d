// JSON as values of a template.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "../../core/check.hpp"
#include "../../io/json_value.hpp"
#include "value.hpp"

namespace hydralora::text::jinja {

/// The same value, whose texts, keys among them, are of `origin`. Throws Error where an integer is beyond 64 bits.
[[nodiscard]] inline Value from_json(Context& cx, const io::Json& json, Origin origin) {
    if (json.is_null()) return None{};
    if (const bool* truth = json.get_if<bool>()) return *truth;
    if (const auto* integer = json.get_if<std::int64_t>()) return *integer;
    if (const double* real = json.get_if<double>()) return *real;
    if (const auto* text = json.get_if<std::string>()) return Text(*text, origin);
    if (const auto* elements = json.get_if<io::Json::Array>()) {
        std::vector<Value> items;
        for (const io::Json& each : *elements) items.push_back(from_json(cx, each, origin));
        return make_list(cx, std::move(items));
    }
    const auto* object = json.get_if<io::Json::Object>();
    check(object != nullptr,
          "a value for templates: expected whole numbers that fit 64 bits; write larger ones as text");
    std::vector<std::pair<Value, Value>> members;
    for (const auto& [key, value] : *object) members.emplace_back(Text(key, origin), from_json(cx, value, origin));
    return make_dict(cx, std::move(members));
}

}  // namespace hydralora::text::jinja
