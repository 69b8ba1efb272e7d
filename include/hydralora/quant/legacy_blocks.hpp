// Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0: 32 elements with one scale d, and in the _1 formats one minimum m.
#pragma once

#include "format.hpp"

namespace hydralora::quant {

/// [d f16][16 bytes: element j in the lower, j + 16 in the upper half of byte j]: d (q - 8)
struct Q4_0 {
    static constexpr Index elements = 32, bytes = 18;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index, Run& to) {
        to.scaled(half_at(block));
        const Bytes codes(block + 2);
        for (int j = 0; j < 16; ++j) to.code[j] = code_of((codes[j] & 15) - 8);
        for (int j = 0; j < 16; ++j) to.code[j + 16] = code_of((codes[j] >> 4) - 8);
    }
};

/// [d f16][m f16][16 bytes as Q4_0]: d q + m
struct Q4_1 {
    static constexpr Index elements = 32, bytes = 20;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index, Run& to) {
        to.scaled(half_at(block), half_at(block + 2));
        const Bytes codes(block + 4);
        for (int j = 0; j < 16; ++j) to.code[j] = code_of(codes[j] & 15);
        for (int j = 0; j < 16; ++j) to.code[j + 16] = code_of(codes[j] >> 4);
    }
};

/// The fifth bits of a run, element j's in bit j, as 0 or 16.
struct FifthBits {
    std::uint32_t bits;
    HYDRALORA_HD int operator[](int j) const { return static_cast<int>((bits >> j & 1u) << 4); }
};

/// [d f16][fifth bits, 4 bytes][16 bytes as Q4_0]: d (q - 16)
struct Q5_0 {
    static constexpr Index elements = 32, bytes = 22;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index, Run& to) {
        to.scaled(half_at(block));
        const FifthBits fifths{word_at(block + 2)};
        const Bytes codes(block + 6);
        for (int j = 0; j < 16; ++j) to.code[j] = code_of(((codes[j] & 15) | fifths[j]) - 16);
        for (int j = 0; j < 16; ++j) to.code[j + 16] = code_of((codes[j] >> 4 | fifths[j + 16]) - 16);
    }
};

/// [d f16][m f16][fifth bits, 4 bytes][16 bytes as Q4_0]: d q + m
struct Q5_1 {
    static constexpr Index elements = 32, bytes = 24;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index, Run& to) {
        to.scaled(half_at(block), half_at(block + 2));
        const FifthBits fifths{word_at(block + 4)};
        const Bytes codes(block + 8);
        for (int j = 0; j < 16; ++j) to.code[j] = code_of((codes[j] & 15) | fifths[j]);
        for (int j = 0; j < 16; ++j) to.code[j + 16] = code_of(codes[j] >> 4 | fifths[j + 16]);
    }
};

/// [d f16][32 signed bytes]: d q
struct Q8_0 {
    static constexpr Index elements = 32, bytes = 34;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index, Run& to) {
        to.scaled(half_at(block));
        const Bytes first(block + 2), second(block + 18);
        for (int j = 0; j < 16; ++j) to.code[j] = code_of(first[j]);
        for (int j = 0; j < 16; ++j) to.code[j + 16] = code_of(second[j]);
    }
};

}  // namespace hydralora::quant
