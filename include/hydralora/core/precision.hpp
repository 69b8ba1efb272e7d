// Element types by role, and bfloat16 as a storage type.
#pragma once

#include <cstdint>

#include "config.hpp"

namespace hydralora {

/// Element types by role: masters of trained parameters; activations; products, softmax, norms, loss and moments.
template <class Param, class Compute = Param, class Accum = Compute>
struct Precision {
    using param = Param;
    using compute = Compute;
    using accum = Accum;
};

/// The value of another type with the same bits: std::bit_cast, which nvcc does not take on a device.
template <class To, class From>
[[nodiscard]] HYDRALORA_HD constexpr To bit_cast(From value) {
    static_assert(sizeof(To) == sizeof(From));
    return __builtin_bit_cast(To, value);
}

/// The upper 16 bits of an IEEE float. Storage only: convert to float to compute.
struct bfloat16 {
    std::uint16_t bits = 0;

    bfloat16() = default;

    /// Rounds to nearest, ties to even; NaN stays NaN.
    HYDRALORA_HD explicit bfloat16(float value) {
        const auto u = bit_cast<std::uint32_t>(value);
        const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
        bits = static_cast<std::uint16_t>(nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
    }

    HYDRALORA_HD explicit operator float() const { return bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

    friend bool operator==(const bfloat16&, const bfloat16&) = default;
};

}  // namespace hydralora
