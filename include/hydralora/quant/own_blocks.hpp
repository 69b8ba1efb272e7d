// The formats that matrices are quantised to here, and not by whoever wrote a file: NF4 and int8.
//
// NF4 (QLoRA, arXiv 2305.14314, section 3) is that of bitsandbytes: blocks of 64, codes of 4 bits that are places in a table,
// a scale that is the block's largest magnitude, and, nested, these scales quantised once more. A matrix whose rows are whole
// blocks has the codes and scales that bitsandbytes 0.50.2 gives it on a CPU (functional.py, backends/default/ops.py,
// csrc/cpu_ops.cpp); of another the last block of each row is filled up with zeros, where bitsandbytes lets blocks run on
// from row to row.
#pragma once

#include "format.hpp"

namespace hydralora::quant {

/// Value of a code, ascending.
[[nodiscard]] HYDRALORA_HD constexpr float nf4_value(int code) {
    constexpr float values[16] = {-1.0f,
                                  -0.6961928009986877f,
                                  -0.5250730514526367f,
                                  -0.39491748809814453f,
                                  -0.28444138169288635f,
                                  -0.18477343022823334f,
                                  -0.09105003625154495f,
                                  0.0f,
                                  0.07958029955625534f,
                                  0.16093020141124725f,
                                  0.24611230194568634f,
                                  0.33791524171829224f,
                                  0.44070982933044434f,
                                  0.5626170039176941f,
                                  0.7229568362236023f,
                                  1.0f};
    return values[code];
}

/// The code whose value is nearest to v in [-1, 1]; midway the lower one.
[[nodiscard]] HYDRALORA_HD constexpr int nf4_code(float v) {
    int code = 0;
    for (int i = 0; i < 15; ++i) code += v > (nf4_value(i) + nf4_value(i + 1)) / 2 ? 1 : 0;
    return code;
}

namespace own_detail {
/// Of a run, from 16 bytes: element 2 j in the upper, 2 j + 1 in the lower half of byte j.
HYDRALORA_HD inline void nf4_codes(const std::uint8_t* from, Run& to) {
    const Bytes codes(from);
    for (int j = 0; j < 16; ++j) {
        to.code[2 * j] = code_of(codes[j] >> 4);
        to.code[2 * j + 1] = code_of(codes[j] & 15);
    }
}
}  // namespace own_detail

/// [scale f32][32 bytes of codes]: scale value(q), 4.5 bits an element
struct NF4 {
    static constexpr Index elements = 64, bytes = 36;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index run, Run& to) {
        to.scaled(float_at(block));
        own_detail::nf4_codes(block + 4 + run * 16, to);
    }
    [[nodiscard]] HYDRALORA_HD static float value(std::int8_t code) { return nf4_value(code); }
};

/// The table beside a matrix of nested scales: values of the scales' codes, the offset, and a scale of each 256 scales. Scale
/// of block i: values[code] scales[i / 256] + offset
struct NestedScales {
    static constexpr Index codes = 256, group = 256;

    [[nodiscard]] HYDRALORA_HD static constexpr Index size(Index blocks) {
        return codes + 1 + (blocks + group - 1) / group;
    }
    /// The product is rounded by itself: a compiler that made one operation of it and the sum, here and not there, would give
    /// a block two values.
    [[nodiscard]] HYDRALORA_HD static float scale(const float* side, Index block, int code) {
#if defined(__CUDA_ARCH__)
        const float product = __fmul_rn(side[code], side[codes + 1 + block / group]);
#else
        float product = side[code] * side[codes + 1 + block / group];
#if defined(__GNUC__)
        asm("" : "+m"(product));  // cannot be looked through
#endif
#endif
        return product + side[codes];
    }
};

/// [code of the scale u8][32 bytes of codes]: scale value(q), 4.13 bits an element with what stands beside
struct NestedNF4 {
    static constexpr Index elements = 64, bytes = 33;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index run, Run& to, const float* side, Index number) {
        to.scaled(NestedScales::scale(side, number, block[0]));
        own_detail::nf4_codes(block + 1 + run * 16, to);
    }
    [[nodiscard]] HYDRALORA_HD static float value(std::int8_t code) { return nf4_value(code); }
};

/// [scale f32][64 signed bytes, -127 to 127]: scale q, 8.5 bits an element
struct Int8 {
    static constexpr Index elements = 64, bytes = 68;

    HYDRALORA_HD static void unpack(const std::uint8_t* block, Index run, Run& to) {
        to.scaled(float_at(block));
        const Bytes first(block + 4 + run * 32), second(block + 20 + run * 32);
        for (int j = 0; j < 16; ++j) to.code[j] = code_of(first[j]);
        for (int j = 0; j < 16; ++j) to.code[j + 16] = code_of(second[j]);
    }
};

}  // namespace hydralora::quant
