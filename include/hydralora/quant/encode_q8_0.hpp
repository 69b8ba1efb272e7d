// Rows of floats into blocks, for files that are written: Q8_0, whose blocks are those of the gguf package to the last bit.
#pragma once

#include <cmath>

#include "blocks.hpp"

namespace hydralora::quant {

/// to (row_bytes) = a row of `cols` floats, a multiple of 32, in Q8_0: of 32 elements the scale is the largest magnitude
/// over 127, as float16, and a code the nearest whole number, halves away from zero.
inline void encode_q8_0(const float* row, Index cols, std::uint8_t* to) {
    for (Index i = 0; i < cols; i += Q8_0::elements, to += Q8_0::bytes) {
        float most = 0;
        for (Index j = 0; j < Q8_0::elements; ++j) most = std::fmax(most, std::fabs(row[i + j]));
        const float scale = most / 127.0f, exact = scale == 0 ? 0.0f : 1.0f / scale;
        const float inverse =
            std::isfinite(exact) ? exact : 0.0f;  // of elements below 4e-37, whose scale is 0 in the file
        const float16 half(scale);
        to[0] = static_cast<std::uint8_t>(half.bits & 0xff);
        to[1] = static_cast<std::uint8_t>(half.bits >> 8);
        for (Index j = 0; j < Q8_0::elements; ++j)
            to[2 + j] = static_cast<std::uint8_t>(static_cast<std::int8_t>(std::round(row[i + j] * inverse)));
    }
}

}  // namespace hydralora::quant
