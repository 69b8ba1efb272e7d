// The block formats that frozen matrices are stored in, by name, and how a format is described.
//
// A row of such a matrix is a series of blocks, each of a fixed number of elements in a fixed number of bytes. A block is
// read in runs of 32 elements, so a description is a struct with
//
//     static constexpr Index elements, bytes;                                    of a block; elements a multiple of 32
//     static void unpack(const std::uint8_t* block, Index run, quant::Run& to);  one of its runs
//
// (legacy_blocks.hpp, k_blocks.hpp, table_blocks.hpp, own_blocks.hpp), and everything else is written over that. Two things
// a format may have besides: `static float value(std::int8_t code)` where codes are places in a table of floats, and two more
// arguments of unpack, `const float* side, Index number`, where the scale of block `number` of a matrix stands beside it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "../core/precision.hpp"
#include "../core/view.hpp"

namespace hydralora {

/// Formats of GGUF files (github.com/ggml-org/ggml, src/ggml-common.h), of which the first three are plain elements, and from
/// nf4 on those that matrices are quantised to here (own_blocks.hpp), which no GGUF file has.
enum class QuantFormat : std::uint8_t {
    f32,
    f16,
    bf16,
    q4_0,
    q4_1,
    q5_0,
    q5_1,
    q8_0,
    q2_k,
    q3_k,
    q4_k,
    q5_k,
    q6_k,
    iq4_nl,
    iq4_xs,
    mxfp4,
    nf4,
    nf4_nested,
    int8
};
inline constexpr std::size_t quant_format_count = 19;
inline constexpr std::array<std::string_view, quant_format_count> quant_format_names{
    "F32",  "F16",  "BF16", "Q4_0",   "Q4_1",   "Q5_0",  "Q5_1", "Q8_0",       "Q2_K", "Q3_K",
    "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4", "NF4",  "NF4_NESTED", "INT8"};

[[nodiscard]] constexpr std::string_view name_of(QuantFormat format) {
    return quant_format_names[static_cast<std::size_t>(format)];
}

/// Elements that are decoded together.
inline constexpr Index quant_run = 32;

namespace quant {

/// A float16 that lies at any address.
[[nodiscard]] HYDRALORA_HD inline float half_at(const std::uint8_t* from) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__) && __GNUC__ >= 12
    __extension__ _Float16 half;  // one instruction where this is inlined into text for F16C, else a call
    std::memcpy(&half, from, sizeof half);
    return static_cast<float>(half);
#else
    float16 half;
    half.bits = static_cast<std::uint16_t>(from[0] | from[1] << 8);
    return static_cast<float>(half);
#endif
}
[[nodiscard]] HYDRALORA_HD inline std::uint32_t word_at(const std::uint8_t* from) {
    return from[0] | static_cast<std::uint32_t>(from[1]) << 8 | static_cast<std::uint32_t>(from[2]) << 16 |
           static_cast<std::uint32_t>(from[3]) << 24;
}
[[nodiscard]] HYDRALORA_HD inline float float_at(const std::uint8_t* from) { return bit_cast<float>(word_at(from)); }

/// A row of a matrix from one of its blocks on. Where scales are nested: the table that they are made with, and the number of
/// that block in the whole matrix.
struct BlockRow {
    const std::uint8_t* bytes = nullptr;
    const float* side = nullptr;
    Index number = 0;

    constexpr BlockRow() = default;
    HYDRALORA_HD constexpr BlockRow(const std::uint8_t* b, const float* s = nullptr, Index n = 0)
        : bytes(b), side(s), number(n) {}
};

/// A run as it is stored: element j is scale[j / 16] * value(code[j]) + offset[j / 16], value(code) the code itself unless the
/// format has a table. Decoded so it is the value of the format's reference to the last bit, whether or not a compiler makes
/// one operation of the two: with an offset the product is exact in a float; without one the offset is -0, which changes nothing.
struct Run {
    std::int8_t code[quant_run];
    float scale[2];
    float offset[2];

    HYDRALORA_HD void scaled(float d, float m = -0.0f) {
        scale[0] = scale[1] = d;
        offset[0] = offset[1] = m;
    }
};

/// What a code of a format stands for.
template <class Format>
[[nodiscard]] HYDRALORA_HD float value_of(std::int8_t code) {
    if constexpr (requires { Format::value(code); })
        return Format::value(code);
    else
        return static_cast<float>(code);
}

/// Sixteen bytes of a block in memory of their own: no code that is written changes them, so loops become vectors.
struct Bytes {
    std::uint8_t byte[16];

    HYDRALORA_HD explicit Bytes(const std::uint8_t* from) {
        for (int i = 0; i < 16; ++i) byte[i] = from[i];
    }
    HYDRALORA_HD int operator[](int i) const { return byte[i]; }
};

[[nodiscard]] HYDRALORA_HD constexpr std::int8_t code_of(int value) { return static_cast<std::int8_t>(value); }

}  // namespace quant

}  // namespace hydralora
