// The K formats: 256 elements with a scale d (and a minimum dmin), and a small integer scale for each 16 or 32 of them.
#pragma once

#include "format.hpp"

namespace hydralora::quant {

/// [16 bytes: scale | minimum << 4, of 16 elements each][64 bytes of 2-bit codes][d f16][dmin f16]:
/// d scale q - dmin minimum. Byte j of each 32 holds the codes of elements j, j + 32, j + 64, j + 96 of 128.
struct Q2_K {
    static constexpr Index elements = 256, bytes = 84;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index run, Run& to) {
        const float d = half_at(block + 80), dmin = half_at(block + 82);
        const int shift = static_cast<int>(run % 4 * 2);
        for (int half = 0; half < 2; ++half) {
            const int scale = block[run * 2 + half];
            to.scale[half] = d * static_cast<float>(scale & 15);
            to.offset[half] = -(dmin * static_cast<float>(scale >> 4));
            const Bytes codes(block + 16 + run / 4 * 32 + half * 16);
            for (int j = 0; j < 16; ++j) to.code[half * 16 + j] = code_of(codes[j] >> shift & 3);
        }
    }
};

/// [32 bytes: the third bits, run i's in bit i][64 bytes of 2-bit codes as Q2_K][12 bytes: 16 scales of 6 bits][d f16]:
/// d (scale - 32) (q - 4), q with its third bit as the 4
struct Q3_K {
    static constexpr Index elements = 256, bytes = 110;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index run, Run& to) {
        const float d = half_at(block + 108);
        const int shift = static_cast<int>(run % 4 * 2), third = static_cast<int>(run);
        for (int half = 0; half < 2; ++half) {
            const int s = static_cast<int>(run) * 2 + half;  // of 16: four bits of each in bytes 0 to 7, two in 8 to 11
            const int low = (s < 8 ? block[96 + s] : block[96 + s - 8] >> 4) & 15;
            const int high = block[104 + s % 4] >> (s / 4 * 2) & 3;
            to.scale[half] = d * static_cast<float>((low | high << 4) - 32);
            to.offset[half] = -0.0f;
            const Bytes codes(block + 32 + run / 4 * 32 + half * 16), thirds(block + half * 16);
            for (int j = 0; j < 16; ++j)
                to.code[half * 16 + j] = code_of((codes[j] >> shift & 3) + ((thirds[j] >> third & 1) << 2) - 4);
        }
    }
};

/// Scale and minimum of 6 bits of run i of eight, from the 12 bytes that Q4_K and Q5_K keep them in.
struct SixBitScales {
    float scale, minimum;

    HYDRALORA_HD SixBitScales(const std::uint8_t* from, Index i) {
        if (i < 4) {
            scale = static_cast<float>(from[i] & 63);
            minimum = static_cast<float>(from[i + 4] & 63);
        } else {
            scale = static_cast<float>((from[i + 4] & 15) | (from[i - 4] >> 6) << 4);
            minimum = static_cast<float>(from[i + 4] >> 4 | (from[i] >> 6) << 4);
        }
    }
};

/// [d f16][dmin f16][12 bytes of scales and minima][128 bytes: run 2i in the lower, 2i + 1 in the upper halves of 32]:
/// d scale q - dmin minimum
struct Q4_K {
    static constexpr Index elements = 256, bytes = 144;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index run, Run& to) {
        const SixBitScales six(block + 4, run);
        to.scaled(half_at(block) * six.scale, -(half_at(block + 2) * six.minimum));
        const int shift = static_cast<int>(run % 2 * 4);
        for (int half = 0; half < 2; ++half) {
            const Bytes codes(block + 16 + run / 2 * 32 + half * 16);
            for (int j = 0; j < 16; ++j) to.code[half * 16 + j] = code_of(codes[j] >> shift & 15);
        }
    }
};

/// [d f16][dmin f16][12 bytes as Q4_K][32 bytes: the fifth bits, run i's in bit i][128 bytes as Q4_K]
struct Q5_K {
    static constexpr Index elements = 256, bytes = 176;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index run, Run& to) {
        const SixBitScales six(block + 4, run);
        to.scaled(half_at(block) * six.scale, -(half_at(block + 2) * six.minimum));
        const int shift = static_cast<int>(run % 2 * 4), fifth = static_cast<int>(run);
        for (int half = 0; half < 2; ++half) {
            const Bytes fifths(block + 16 + half * 16), codes(block + 48 + run / 2 * 32 + half * 16);
            for (int j = 0; j < 16; ++j)
                to.code[half * 16 + j] = code_of((codes[j] >> shift & 15) | (fifths[j] >> fifth & 1) << 4);
        }
    }
};

/// [128 bytes of lower 4 bits][64 bytes of upper 2 bits][16 signed scales, of 16 elements each][d f16]: d scale (q - 32).
/// Of each 128 elements, lower bits of run i stand in half i / 2 of bytes i % 2 * 32 to + 31, upper ones in bits 2i.
struct Q6_K {
    static constexpr Index elements = 256, bytes = 210;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index run, Run& to) {
        const float d = half_at(block + 208);
        const Index part = run / 4, i = run % 4;
        const int shift_low = static_cast<int>(i / 2 * 4), shift_high = static_cast<int>(i * 2);
        for (int half = 0; half < 2; ++half) {
            to.scale[half] = d * static_cast<float>(static_cast<std::int8_t>(block[192 + run * 2 + half]));
            to.offset[half] = -0.0f;
            const Bytes low(block + part * 64 + i % 2 * 32 + half * 16), high(block + 128 + part * 32 + half * 16);
            for (int j = 0; j < 16; ++j)
                to.code[half * 16 + j] = code_of(((low[j] >> shift_low & 15) | (high[j] >> shift_high & 3) << 4) - 32);
        }
    }
};

}  // namespace hydralora::quant
