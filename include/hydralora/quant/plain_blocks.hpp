// Plain elements, for matrices of them whose rows a QuantView reorders. A block is one element; the last run of a row may be
// shorter than the others.
#pragma once

#include "format.hpp"

namespace hydralora::quant {

struct F32 {
    static constexpr Index elements = 1, bytes = 4;
    HYDRALORA_HD static float value(const std::uint8_t* from) { return float_at(from); }
};

struct F16 {
    static constexpr Index elements = 1, bytes = 2;
    HYDRALORA_HD static float value(const std::uint8_t* from) { return half_at(from); }
};

struct BF16 {
    static constexpr Index elements = 1, bytes = 2;
    HYDRALORA_HD static float value(const std::uint8_t* from) {
        return bit_cast<float>((from[0] | static_cast<std::uint32_t>(from[1]) << 8) << 16);
    }
};

}  // namespace hydralora::quant
