// The square root without a call or a branch, for loops that are to vectorise: std::sqrt sets errno, which no vector does.
#pragma once

#include <cmath>
#include <cstdint>

#include "../../core/precision.hpp"
#include "either.hpp"

namespace hydralora::functor {

/// sqrt(x) within 1 unit in the last place for x >= 0; infinity and NaN are themselves. 1 / sqrt(x) from its bits (Blinn,
/// "Floating-point tricks", IEEE CG&A 17(4), 1997) by two of Newton's steps, then one of Heron's.
HYDRALORA_HD inline float square_root(float x) {
#if defined(__CUDA_ARCH__)
    return sqrtf(x);
#else
    const bool tiny = x < 0x1p-100f;  // its bits may not have an exponent
    const float scaled = x * either(tiny, 0x1p100f, 1.0f), half = 0.5f * scaled;
    float inverse = bit_cast<float>(0x5f3759dfu - (bit_cast<std::uint32_t>(scaled) >> 1));
    inverse = inverse * (1.5f - half * inverse * inverse);
    inverse = inverse * (1.5f - half * inverse * inverse);
    const float estimate = scaled * inverse;
    const float root = estimate + 0.5f * inverse * (scaled - estimate * estimate);
    return either(x <= 0x1.fffffep127f, root * either(tiny, 0x1p-50f, 1.0f), x);
#endif
}

HYDRALORA_HD inline double square_root(double x) { return std::sqrt(x); }

}  // namespace hydralora::functor
