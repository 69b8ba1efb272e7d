// Rows of numbers made into blocks of our own formats (own_blocks.hpp). Blocks do not know of one another, so bits do not
// depend on who makes which.
#pragma once

#include <limits>

#include "own_blocks.hpp"

namespace hydralora {

namespace quant {

/// The largest magnitude of a block.
template <int n>
[[nodiscard]] HYDRALORA_HD float largest_size(const float (&x)[n]) {
    float largest = 0;
    for (int j = 0; j < n; ++j) {
        const float size = x[j] < 0 ? -x[j] : x[j];
        largest = size > largest ? size : largest;
    }
    return largest;
}

HYDRALORA_HD inline void put_float(float value, std::uint8_t* to) {
    const auto word = bit_cast<std::uint32_t>(value);
    for (int i = 0; i < 4; ++i) to[i] = static_cast<std::uint8_t>(word >> 8 * i);
}

/// 32 bytes of codes; returns the scale. As in bitsandbytes (quantize_4bit of backends/default/ops.py) a block whose numbers
/// are all below 1e-38 is divided by that.
[[nodiscard]] HYDRALORA_HD inline float encode_nf4(const float (&x)[64], std::uint8_t* codes) {
    const float scale = largest_size(x), inverse = 1 / (scale > 1e-38f ? scale : 1e-38f);
    int code[64];
    for (int j = 0; j < 64; ++j) code[j] = nf4_code(x[j] * inverse);
    for (int j = 0; j < 32; ++j) codes[j] = static_cast<std::uint8_t>(code[2 * j] << 4 | code[2 * j + 1]);
    return scale;
}

HYDRALORA_HD inline float encode(NF4, const float (&x)[64], std::uint8_t* block) {
    const float scale = encode_nf4(x, block + 4);
    put_float(scale, block);
    return scale;
}

/// All but the scale's code, which depends on the other scales (nested_scales.hpp).
HYDRALORA_HD inline float encode(NestedNF4, const float (&x)[64], std::uint8_t* block) {
    block[0] = 0;
    return encode_nf4(x, block + 1);
}

/// The scale is a 127th of the largest magnitude, but no less than the smallest normal number, so that codes are in range
/// where all is next to 0, and no more than what 127 times is a float. Rounded to nearest, so |x - scale q| <= scale / 2.
HYDRALORA_HD inline float encode(Int8, const float (&x)[64], std::uint8_t* block) {
    constexpr float smallest = std::numeric_limits<float>::min(), most = 0x1.020406p+121f;
    constexpr double shift = 0x1.8p52;  // beside which a double has no fraction
    const float share = largest_size(x) / 127;
    const float scale = share < smallest ? smallest : share > most ? most : share;
    put_float(scale, block);
    for (int j = 0; j < 64; ++j) {
        const double rounded = static_cast<double>(x[j]) / static_cast<double>(scale) + shift - shift;
        block[4 + j] = static_cast<std::uint8_t>(static_cast<int>(rounded));
    }
    return scale;
}

}  // namespace quant

namespace functor {

/// Row i of `to` = blocks of row i of `from`, the last one filled up with zeros. Tells where a number is not finite.
template <class Format, class T>
struct EncodeRow {
    const T* from;
    Index cols, ld_from;
    std::uint8_t* to;
    Index ld_to;
    float* scales;          // (rows, blocks), or null
    std::int32_t* strange;  // (rows): whether a number of the row is not finite

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index i) const {
        constexpr int n = static_cast<int>(Format::elements);
        const Index blocks = (cols + n - 1) / n;
        float differences = 0;  // of finite numbers from themselves 0, of others NaN
        for (Index b = group.rank(); b < blocks; b += group.size()) {
            const T* const source = from + i * ld_from + b * n;
            const Index count = cols - b * n < n ? cols - b * n : Index{n};
            float x[n] = {};
            for (Index j = 0; j < count; ++j) x[j] = widened<float>(source[j]);
            for (int j = 0; j < n; ++j) differences += x[j] - x[j];
            const float scale = quant::encode(Format{}, x, to + i * ld_to + b * Format::bytes);
            if (scales != nullptr) scales[i * blocks + b] = scale;
        }
        const float all = group.sum(differences);
        if (group.rank() == 0) strange[i] = all == 0 ? 0 : 1;
    }
};

/// The first byte of each block of row i.
struct PutScaleCodes {
    const std::int32_t* codes;  // (rows, blocks)
    std::uint8_t* to;
    Index blocks, bytes, ld;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index i) const {
        for (Index b = group.rank(); b < blocks; b += group.size())
            to[i * ld + b * bytes] = static_cast<std::uint8_t>(codes[i * blocks + b]);
    }
};

}  // namespace functor

}  // namespace hydralora
