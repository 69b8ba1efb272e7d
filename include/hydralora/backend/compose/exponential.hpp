// exp without a call or a branch: so that loops over a row vectorise, and on a GPU the device's own.
#pragma once

#include <cmath>
#include <cstdint>

#include "../../core/precision.hpp"
#include "either.hpp"

namespace hydralora::functor {

/// By Horner's rule, the coefficient of the highest power first.
template <class... Lower>
HYDRALORA_HD inline float polynomial(float x, float highest, Lower... lower) {
    ((highest = highest * x + lower), ...);
    return highest;
}

/// e^x within 2 units in the last place: 0 below -104, infinite above 88.7, NaN for NaN. Polynomial and split of ln 2
/// as in Cephes, single/expf.c (Moshier); e^x = 2^n e^r with n the nearest integer to x / ln 2.
HYDRALORA_HD inline float exponential(float x) {
#if defined(__CUDA_ARCH__)
    return expf(x);  // eight instructions, of the same accuracy (CUDA C++ Programming Guide, mathematical functions)
#else
    constexpr float to_integer = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
    x = either(x > 89.0f, 89.0f, x);
    x = either(x < -104.0f, -104.0f, x);
    const float shifted = x * 1.44269504088896341f + to_integer;
    const float n = shifted - to_integer;
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = polynomial(r, 1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f,
                         5.0000001201e-1f);
    p = p * (r * r) + r + 1.0f;
    const std::int32_t exponent = bit_cast<std::int32_t>(shifted) - 0x4b400000;
    const std::int32_t half = exponent >> 1;  // in two steps: 2^n alone may not be a float where e^x is
    return p * bit_cast<float>((half + 127) << 23) * bit_cast<float>((exponent - half + 127) << 23);
#endif
}

/// 2^x within 2 units in the last place for x <= 0, in fewer instructions; 0 below -126, where floats begin to lose digits.
/// Polynomial as in Cephes, single/exp2f.c.
HYDRALORA_HD inline float power_of_two(float x) {
    constexpr float to_integer = 12582912.0f;
    const float shifted = x + to_integer;
    const float r = x - (shifted - to_integer);
    const float p = polynomial(r, 1.535336188319500e-4f, 1.339887440266574e-3f, 9.618437357674640e-3f,
                               5.550332471162809e-2f, 2.402264791363012e-1f, 6.931472028550421e-1f, 1.0f);
    const std::uint32_t power = (bit_cast<std::uint32_t>(shifted) - (0x4b400000u - 127)) << 23;
    return either(x < -126.0f, 0.0f, p * bit_cast<float>(power));
}

HYDRALORA_HD inline double exponential(double x) { return std::exp(x); }

}  // namespace hydralora::functor
