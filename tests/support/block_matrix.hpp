// A matrix of blocks with moderate random numbers, for tests of what is computed with it.
#pragma once

#include <cstdint>
#include <hydralora/quant/nested_scales.hpp>
#include <hydralora/quant/quant_view.hpp>
#include <vector>

#include "support/draw.hpp"
#include "support/matrix.hpp"

namespace test {

/// Random blocks whose scales are about 2^-7, so that elements are of size 1.
struct BlockMatrix {
    hydralora::QuantFormat format;
    Index rows, cols;
    std::vector<std::uint8_t> bytes;
    std::vector<float> side;  // of nested scales

    BlockMatrix(hydralora::QuantFormat f, Index r, Index c, Draw& draw)
        : format(f), rows(r), cols(c), bytes(static_cast<std::size_t>(r * hydralora::row_bytes(f, c))) {
        using hydralora::QuantFormat;
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(draw.integer(0, 255));
        const auto block = hydralora::block_size(f);
        const auto scale_at = [&](std::size_t place) {
            for (std::size_t b = place; b < bytes.size(); b += static_cast<std::size_t>(block.bytes)) {
                const hydralora::float16 scale(static_cast<float>((draw.unit() + 0.5) / 128));
                bytes[b] = static_cast<std::uint8_t>(scale.bits & 255);
                bytes[b + 1] = static_cast<std::uint8_t>(scale.bits >> 8);
            }
        };
        switch (f) {
            case QuantFormat::f32:
                for (std::size_t i = 0; i < bytes.size(); i += 4) {
                    const auto word = hydralora::bit_cast<std::uint32_t>(static_cast<float>(draw.normal()));
                    for (std::size_t j = 0; j < 4; ++j) bytes[i + j] = static_cast<std::uint8_t>(word >> 8 * j);
                }
                break;
            case QuantFormat::f16:
                scale_at(0);
                break;
            case QuantFormat::bf16:
                for (std::size_t i = 0; i < bytes.size(); i += 2) {
                    const auto bits = hydralora::bfloat16(static_cast<float>(draw.normal())).bits;
                    bytes[i] = static_cast<std::uint8_t>(bits & 255),
                    bytes[i + 1] = static_cast<std::uint8_t>(bits >> 8);
                }
                break;
            case QuantFormat::q2_k:
                scale_at(80), scale_at(82);
                break;
            case QuantFormat::q3_k:
                scale_at(108);
                break;
            case QuantFormat::q6_k:
                scale_at(208);
                break;
            case QuantFormat::mxfp4:
                for (std::size_t b = 0; b < bytes.size(); b += 17)
                    bytes[b] = static_cast<std::uint8_t>(draw.integer(120, 126));
                break;
            case QuantFormat::nf4:
            case QuantFormat::int8:
                for (std::size_t b = 0; b < bytes.size(); b += static_cast<std::size_t>(block.bytes)) {
                    const auto size = static_cast<float>((draw.unit() + 0.5) / (f == QuantFormat::nf4 ? 1 : 128));
                    const auto word = hydralora::bit_cast<std::uint32_t>(size);
                    for (std::size_t j = 0; j < 4; ++j) bytes[b + j] = static_cast<std::uint8_t>(word >> 8 * j);
                }
                break;
            case QuantFormat::nf4_nested: {
                std::vector<float> scales(bytes.size() / static_cast<std::size_t>(block.bytes));
                for (auto& scale : scales) scale = static_cast<float>(draw.unit() + 0.5);
                side = hydralora::quant::nest_scales(scales).side;
                break;
            }
            case QuantFormat::q4_1:
            case QuantFormat::q5_1:
            case QuantFormat::q4_k:
            case QuantFormat::q5_k:
                scale_at(2);
                [[fallthrough]];
            default:
                scale_at(0);
        }
    }

    [[nodiscard]] hydralora::QuantView<hydralora::host> view(hydralora::RowOrder order = {}) const {
        return {bytes.data(), format, rows, cols, order, side.data()};
    }
    /// Its elements, row by row, decoded a run at a time as their description says.
    [[nodiscard]] Matrix<float> values(hydralora::RowOrder order = {}) const {
        Matrix<float> m(rows, cols);
        for (Index i = 0; i < rows; ++i)
            for (Index j = 0; j < cols; j += hydralora::quant_run) {
                float run[hydralora::quant_run];
                const Index count = std::min(hydralora::quant_run, cols - j);
                const hydralora::Index size = hydralora::row_bytes(format, cols), place = order.place_of(i);
                const hydralora::quant::BlockRow row(bytes.data() + place * size, side.data(),
                                                     place * (size / hydralora::block_size(format).bytes));
                hydralora::with_format(format, [&](auto f) { hydralora::quant::decode_run(f, row, j, count, run); });
                for (Index k = 0; k < count; ++k) m(i, j + k) = run[k];
            }
        return m;
    }
};

}  // namespace test
