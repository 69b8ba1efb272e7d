// Formats whose codes of 4 bits are places in a table: IQ4_NL, IQ4_XS and MXFP4.
#pragma once

#include "format.hpp"

namespace hydralora::quant {

namespace table_detail {
/// Of a run, from 16 bytes: element j in the lower, j + 16 in the upper half of byte j.
HYDRALORA_HD inline void halves(const std::uint8_t* from, Run& to) {
    const Bytes codes(from);
    for (int j = 0; j < 16; ++j) to.code[j] = code_of(codes[j] & 15);
    for (int j = 0; j < 16; ++j) to.code[j + 16] = code_of(codes[j] >> 4);
}
/// Value of a code of IQ4_NL and IQ4_XS.
[[nodiscard]] HYDRALORA_HD constexpr float iq4_value(int code) {
    constexpr float values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return values[code];
}
/// Twice the value of a code of E2M1 (OCP Microscaling Formats 1.0, table 5).
[[nodiscard]] HYDRALORA_HD constexpr float e2m1_twice(int code) {
    constexpr float values[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    return values[code];
}
}  // namespace table_detail

/// [d f16][16 bytes as Q4_0]: d value(q)
struct IQ4_NL {
    static constexpr Index elements = 32, bytes = 18;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index, Run& to) {
        to.scaled(half_at(block));
        table_detail::halves(block + 2, to);
    }
    [[nodiscard]] HYDRALORA_HD static float value(std::int8_t code) { return table_detail::iq4_value(code); }
};

/// [d f16][u16: upper 2 bits of eight scales][4 bytes: lower 4 bits][128 bytes, 16 a run as Q4_0]: d (scale - 32) value(q)
struct IQ4_XS {
    static constexpr Index elements = 256, bytes = 136;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index run, Run& to) {
        const int i = static_cast<int>(run);
        const int high = (block[2] | block[3] << 8) >> (2 * i) & 3, low = block[4 + i / 2] >> (i % 2 * 4) & 15;
        to.scaled(half_at(block) * static_cast<float>((low | high << 4) - 32));
        table_detail::halves(block + 8 + run * 16, to);
    }
    [[nodiscard]] HYDRALORA_HD static float value(std::int8_t code) { return table_detail::iq4_value(code); }
};

/// [exponent e of the scale 2^(e - 127)][16 bytes as Q4_0]. The scale is halved since values are doubled.
struct MXFP4 {
    static constexpr Index elements = 32, bytes = 17;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index, Run& to) {
        const std::uint32_t e = block[0];
        to.scaled(bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23));  // below e = 2 subnormal
        table_detail::halves(block + 1, to);
    }
    [[nodiscard]] HYDRALORA_HD static float value(std::int8_t code) { return table_detail::e2m1_twice(code); }
};

}  // namespace hydralora::quant
