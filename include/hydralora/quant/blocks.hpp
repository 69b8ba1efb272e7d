// From the name of a format to its description.
#pragma once

#include <utility>

#include "format.hpp"
#include "k_blocks.hpp"
#include "legacy_blocks.hpp"
#include "own_blocks.hpp"
#include "plain_blocks.hpp"
#include "table_blocks.hpp"

namespace hydralora {

/// f(description of the format); every branch returns the same type. f may be for the host alone.
#if defined(__CUDACC__)
#pragma nv_exec_check_disable
#endif
template <class F>
HYDRALORA_HD decltype(auto) with_format(QuantFormat format, F&& f) {
    switch (format) {
        case QuantFormat::f32:
            return f(quant::F32{});
        case QuantFormat::f16:
            return f(quant::F16{});
        case QuantFormat::bf16:
            return f(quant::BF16{});
        case QuantFormat::q4_0:
            return f(quant::Q4_0{});
        case QuantFormat::q4_1:
            return f(quant::Q4_1{});
        case QuantFormat::q5_0:
            return f(quant::Q5_0{});
        case QuantFormat::q5_1:
            return f(quant::Q5_1{});
        case QuantFormat::q8_0:
            return f(quant::Q8_0{});
        case QuantFormat::q2_k:
            return f(quant::Q2_K{});
        case QuantFormat::q3_k:
            return f(quant::Q3_K{});
        case QuantFormat::q4_k:
            return f(quant::Q4_K{});
        case QuantFormat::q5_k:
            return f(quant::Q5_K{});
        case QuantFormat::q6_k:
            return f(quant::Q6_K{});
        case QuantFormat::iq4_nl:
            return f(quant::IQ4_NL{});
        case QuantFormat::iq4_xs:
            return f(quant::IQ4_XS{});
        case QuantFormat::mxfp4:
            return f(quant::MXFP4{});
        case QuantFormat::nf4:
            return f(quant::NF4{});
        case QuantFormat::nf4_nested:
            return f(quant::NestedNF4{});
        case QuantFormat::int8:
            break;
    }
    return f(quant::Int8{});
}

/// Elements and bytes of a block.
struct BlockSize {
    Index elements, bytes;
};
[[nodiscard]] HYDRALORA_HD inline BlockSize block_size(QuantFormat format) {
    return with_format(format, [](auto block) { return BlockSize{decltype(block)::elements, decltype(block)::bytes}; });
}

/// Bytes of a row of so many elements; the last block may be a part of one, of which all bytes are there.
[[nodiscard]] HYDRALORA_HD inline Index row_bytes(QuantFormat format, Index cols) {
    const BlockSize block = block_size(format);
    return (cols + block.elements - 1) / block.elements * block.bytes;
}

namespace quant {

template <class Format>
inline constexpr bool is_plain = Format::elements == 1;

/// The run of a row of blocks that begins with element `col`, a multiple of 32.
template <class Format>
HYDRALORA_HD void unpack_run(Format, BlockRow row, Index col, Run& to) {
    const Index block = col / Format::elements, run = (col - block * Format::elements) / quant_run;
    const std::uint8_t* const bytes = row.bytes + block * Format::bytes;
    if constexpr (requires { Format::unpack(bytes, run, to, row.side, row.number); })
        Format::unpack(bytes, run, to, row.side, row.number + block);
    else
        Format::unpack(bytes, run, to);
}

/// Up to 32 elements of a row, from element `col` on, a multiple of 32: all 32 where the format has blocks.
template <class Format>
HYDRALORA_HD void decode_run(Format format, BlockRow row, Index col, Index count, float* to) {
    if constexpr (is_plain<Format>) {
        for (Index j = 0; j < count; ++j) to[j] = Format::value(row.bytes + (col + j) * Format::bytes);
    } else {
        Run run;
        unpack_run(format, row, col, run);
        for (int j = 0; j < 16; ++j) to[j] = run.scale[0] * value_of<Format>(run.code[j]) + run.offset[0];
        for (int j = 16; j < 32; ++j) to[j] = run.scale[1] * value_of<Format>(run.code[j]) + run.offset[1];
    }
}

}  // namespace quant

}  // namespace hydralora
