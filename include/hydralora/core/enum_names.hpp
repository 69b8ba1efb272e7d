// Enumerators by the names that files and command lines spell: an array of names in the order of the enumerators.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "check.hpp"

namespace hydralora {

/// The enumerator of that name; an error names `what`, the name found and the names there are.
template <class Enum, std::size_t n>
[[nodiscard]] Enum parse_enum(std::string_view what, std::string_view name,
                              const std::array<std::string_view, n>& names) {
    std::string known;
    for (std::size_t i = 0; i < n; ++i) {
        if (names[i] == name) return static_cast<Enum>(i);
        known += (i == 0 ? "" : ", ") + std::string(names[i]);
    }
    fail(what, ": \"", name, "\" is unknown, expected one of: ", known);
}

template <class Enum, std::size_t n>
[[nodiscard]] constexpr std::string_view enum_name(Enum value, const std::array<std::string_view, n>& names) {
    return names[static_cast<std::size_t>(value)];
}

}  // namespace hydralora
