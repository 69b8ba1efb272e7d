// Every block format against the values of the gguf package, to the last bit: as described, by the host's vectors, turned,
// in another order of rows, and summed. Golden blocks: tests/golden/make_quant_blocks.py.
#include <hydralora/quant/decode.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <hydralora/backend/group.hpp>
#include <hydralora/io/safetensors.hpp>
#include <limits>
#include <string>
#include <vector>

#include "support/block_matrix.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"

namespace quant_decode_test {

using namespace hydralora;
using test::BlockMatrix;
using test::Matrix;

namespace {

constexpr QuantFormat formats[] = {QuantFormat::q4_0, QuantFormat::q4_1, QuantFormat::q5_0,   QuantFormat::q5_1,
                                   QuantFormat::q8_0, QuantFormat::q2_k, QuantFormat::q3_k,   QuantFormat::q4_k,
                                   QuantFormat::q5_k, QuantFormat::q6_k, QuantFormat::iq4_nl, QuantFormat::iq4_xs,
                                   QuantFormat::mxfp4};

bool same(const float* a, const float* b, Index n) {
    return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(float)) == 0;
}

/// All that reads a matrix gives `expected`, of its shape.
void check_matrix(const QuantView<host>& m, MatrixView<const float> expected) {
    Matrix<float> to(m.rows, m.cols, 3);
    quant::decode(m, 0, m.rows, 0, m.cols, to.view().data, to.ld);
    REQUIRE(test::same_bits(to.cview(), expected));
    REQUIRE(to.padding_untouched());
    to.fill(0);
    for (Index i = 0; i < m.rows; ++i) functor::DecodeRow<float, host>{m, to.view().data, to.ld}(Solo{}, i);
    REQUIRE(test::same_bits(to.cview(), expected));
    const float last = m(m.rows - 1, m.cols - 1);
    REQUIRE(same(&last, &expected(m.rows - 1, m.cols - 1), 1));
    for (const Index rows : {Index{16}, Index{8}, Index{32}, Index{1}, Index{5}, Index{21}})
        for (Index col = 0; col < m.cols; col += 64) {
            const Index some = std::min(rows, m.rows), count = std::min(Index{43}, m.cols - col);
            Matrix<float> turned(count, some, 1);
            quant::decode_turned(m, m.rows - some, some, col, count, turned.view().data, turned.ld);
            for (Index k = 0; k < count; ++k)
                for (Index j = 0; j < some; ++j) REQUIRE(same(&turned(k, j), &expected(m.rows - some + j, col + k), 1));
            REQUIRE(turned.padding_untouched());
        }
}

}  // namespace

TEST_CASE("every format, scales of all sizes: the gguf package's values to the last bit") {
    const auto golden = io::SafetensorsFile::open(HYDRALORA_TEST_DATA "/golden/quant_blocks.safetensors");
    for (const QuantFormat format : formats) {
        const std::string name(name_of(format));
        INFO(name);
        const auto blocks = golden.view<std::uint8_t>(name + ".blocks");
        const auto values = golden.view<float>(name + ".values");
        CHECK(block_size(format).bytes == blocks.cols);
        CHECK(block_size(format).elements == values.cols);
        check_matrix({blocks.data, format, blocks.rows, values.cols}, values);
        // the same as one long row, and two blocks a row
        check_matrix({blocks.data, format, 1, values.size()}, {values.data, 1, values.size()});
        check_matrix({blocks.data, format, blocks.rows / 2, 2 * values.cols},
                     {values.data, blocks.rows / 2, 2 * values.cols});
    }
}

TEST_CASE("rows of q and k as GGUF files have them, parts, and plain elements in any number") {
    test::Draw draw(5);
    for (const QuantFormat format : {QuantFormat::q4_1, QuantFormat::q6_k, QuantFormat::nf4, QuantFormat::nf4_nested,
                                     QuantFormat::int8, QuantFormat::f16, QuantFormat::bf16, QuantFormat::f32}) {
        INFO(name_of(format));
        const Index cols = block_size(format).elements == 1 ? 45 : 512, head_dim = 12;
        const BlockMatrix m(format, 36, cols, draw);
        const auto stored = m.values();
        Matrix<float> expected(36, cols);  // halves of a head that alternate in the file stand behind one another
        for (Index head = 0; head < 3; ++head)
            for (Index i = 0; i < head_dim / 2; ++i)
                for (Index j = 0; j < cols; ++j) {
                    expected(head * head_dim + i, j) = stored(head * head_dim + 2 * i, j);
                    expected(head * head_dim + head_dim / 2 + i, j) = stored(head * head_dim + 2 * i + 1, j);
                }
        const auto view = m.view({head_dim});
        check_matrix(view, expected.cview());
        check_matrix(view.row_slice(7, 20), expected.cview().row_slice(7, 20));
        if (cols == 512)
            check_matrix(view.col_slice(256, 256).row_slice(3, 2),
                         expected.cview().col_slice(256, 256).row_slice(3, 2));
    }
}

TEST_CASE("dot: the sum in double") {
    test::Draw draw(6);
    for (std::size_t f = 0; f < quant_format_count; ++f) {
        const auto format = static_cast<QuantFormat>(f);
        INFO(name_of(format));
        const Index cols = block_size(format).elements == 1 ? 77 : 768;
        const BlockMatrix m(format, 4, cols, draw);
        const auto values = m.values();
        std::vector<float> x(static_cast<std::size_t>(cols));
        for (auto& each : x) each = static_cast<float>(draw.normal());
        std::vector<float> sums(static_cast<std::size_t>(quant::dot_sums(cols))), y(4);
        quant::sum_sixteens(x.data(), cols, sums.data());
        quant::dot(m.view(), 0, 4, x.data(), sums.data(), y.data());
        for (Index i = 0; i < 4; ++i) {
            double sum = 0, size = 0;
            for (Index j = 0; j < cols; ++j) {
                const double term =
                    static_cast<double>(values(i, j)) * static_cast<double>(x[static_cast<std::size_t>(j)]);
                sum += term, size += std::abs(term);
            }
            CHECK(std::abs(static_cast<double>(y[static_cast<std::size_t>(i)]) - sum) <= 1e-6 * size);
        }
    }
}

TEST_CASE("all_finite finds one scale that is not") {
    test::Draw draw(7);
    for (const QuantFormat format : formats) {
        INFO(name_of(format));
        BlockMatrix m(format, 3, 512, draw);
        CHECK(quant::all_finite(m.view()));
        if (format == QuantFormat::mxfp4) {
            m.bytes[m.bytes.size() - 17] = 255;  // times a code of 12: beyond the range of a float
            m.bytes[m.bytes.size() - 1] = 0x77;
        } else {
            const std::size_t at = m.bytes.size() - static_cast<std::size_t>(block_size(format).bytes);
            const std::size_t place = format == QuantFormat::q2_k   ? 82
                                      : format == QuantFormat::q3_k ? 108
                                      : format == QuantFormat::q6_k ? 208
                                                                    : 0;
            m.bytes[at + place] = 0, m.bytes[at + place + 1] = 0x7c;
        }
        CHECK_FALSE(quant::all_finite(m.view()));
    }
}

}  // namespace quant_decode_test
