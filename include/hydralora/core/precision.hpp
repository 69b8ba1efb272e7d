// Element types by role, and the 16-bit types that frozen weights are stored in.
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
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
        asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));  // one instruction for what takes six; NaN is 0x7fff
#else
        const auto u = bit_cast<std::uint32_t>(value);
        const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
        bits = static_cast<std::uint16_t>(nan ? (u >> 16) | 0x40u : (u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
#endif
    }

    HYDRALORA_HD explicit operator float() const { return bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

    friend bool operator==(const bfloat16&, const bfloat16&) = default;
};

/// Two bfloat16 in a word, as they lie in memory: `first` in the lower half.
[[nodiscard]] HYDRALORA_HD inline std::uint32_t bfloat16_pair(float first, float second) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    std::uint32_t pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
    return pair;
#else
    return static_cast<std::uint32_t>(bfloat16(second).bits) << 16 | bfloat16(first).bits;
#endif
}

/// IEEE half precision. Storage only: convert to float to compute.
struct float16 {
    std::uint16_t bits = 0;

    float16() = default;

    /// Rounds to nearest, ties to even; beyond 65504 infinity; NaN stays NaN.
    HYDRALORA_HD explicit float16(float value) {
        const auto u = bit_cast<std::uint32_t>(value);
        const std::uint32_t size = u & 0x7fffffffu;
        std::uint32_t half;
        if (size > 0x7f800000u) {
            half = 0x7e00u;
        } else if (size >= 0x477ff000u) {  // 65520, where rounding leaves the range
            half = 0x7c00u;
        } else if (size < 0x38800000u) {  // 2^-14: subnormal, counted in units of 2^-24 as the sum with 0.5 is
            half = bit_cast<std::uint32_t>(bit_cast<float>(size) + 0.5f) - 0x3f000000u;
        } else {
            half = (size - 0x38000000u + 0xfffu + ((size >> 13) & 1u)) >> 13;
        }
        bits = static_cast<std::uint16_t>((u >> 16 & 0x8000u) | half);
    }

    /// Without a branch, so that loops over rows of a matrix vectorise.
    HYDRALORA_HD explicit operator float() const {
        const std::uint32_t shifted = static_cast<std::uint32_t>(bits & 0x7fffu) << 13;
        const auto finite = bit_cast<std::uint32_t>(bit_cast<float>(shifted) * 0x1p112f);
        const std::uint32_t size = shifted >= 0x0f800000u ? shifted | 0x7f800000u : finite;
        return bit_cast<float>(size | static_cast<std::uint32_t>(bits & 0x8000u) << 16);
    }

    friend bool operator==(const float16&, const float16&) = default;
};

/// A stored number as the type to compute with.
template <class To, class From>
[[nodiscard]] HYDRALORA_HD To widened(From value) {
    if constexpr (sizeof(From) == 2)
        return static_cast<To>(static_cast<float>(value));
    else
        return static_cast<To>(value);
}

}  // namespace hydralora
