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

/// Fifth bits of 16 elements, element j's in bit j, as 0 or 16: eight bytes of a word at a time.
struct FifthBits {
    std::uint8_t bit[16];

    HYDRALORA_HD explicit FifthBits(const std::uint8_t* from) {
        for (int half = 0; half < 2; ++half) {
            const std::uint64_t own = from[half] * 0x0101010101010101u & 0x8040201008040201u;  // byte j has bit j alone
            const std::uint64_t bits = (own + 0x7f7f7f7f7f7f7f7fu) >> 3 & 0x1010101010101010u;
            for (int j = 0; j < 8; ++j) bit[half * 8 + j] = static_cast<std::uint8_t>(bits >> 8 * j);
        }
    }
    HYDRALORA_HD int operator[](int j) const { return bit[j]; }
};

/// [d f16][fifth bits, 4 bytes][16 bytes as Q4_0]: d (q - 16)
struct Q5_0 {
    static constexpr Index elements = 32, bytes = 22;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index, Run& to) {
        to.scaled(half_at(block));
        const FifthBits low(block + 2), high(block + 4);
        const Bytes codes(block + 6);
        for (int j = 0; j < 16; ++j) to.code[j] = code_of(((codes[j] & 15) | low[j]) - 16);
        for (int j = 0; j < 16; ++j) to.code[j + 16] = code_of((codes[j] >> 4 | high[j]) - 16);
    }
};

/// [d f16][m f16][fifth bits, 4 bytes][16 bytes as Q4_0]: d q + m
struct Q5_1 {
    static constexpr Index elements = 32, bytes = 24;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index, Run& to) {
        to.scaled(half_at(block), half_at(block + 2));
        const FifthBits low(block + 4), high(block + 6);
        const Bytes codes(block + 8);
        for (int j = 0; j < 16; ++j) to.code[j] = code_of((codes[j] & 15) | low[j]);
        for (int j = 0; j < 16; ++j) to.code[j + 16] = code_of(codes[j] >> 4 | high[j]);
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
