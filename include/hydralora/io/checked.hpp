// Arithmetic on sizes that come from files: nothing instead of a wrapped number.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "../core/view.hpp"

namespace hydralora::io {

[[nodiscard]] constexpr std::optional<std::uint64_t> checked_multiply(std::uint64_t a, std::uint64_t b) {
    if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) return std::nullopt;
    return a * b;
}

/// Bytes of a tensor, nothing if they, or the product of the dimensions that are not zero, exceed 2^63 - 1.
[[nodiscard]] constexpr std::optional<std::uint64_t> checked_tensor_bytes(std::span<const Index> dims,
                                                                          std::uint64_t element_bytes) {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<Index>::max());
    std::uint64_t bytes = element_bytes;
    bool none = false;
    for (const Index dim : dims) {
        if (dim < 0) return std::nullopt;
        if (dim == 0) {
            none = true;
            continue;
        }
        const auto product = checked_multiply(bytes, static_cast<std::uint64_t>(dim));
        if (!product || *product > most) return std::nullopt;
        bytes = *product;
    }
    return none ? 0 : bytes;
}

}  // namespace hydralora::io
