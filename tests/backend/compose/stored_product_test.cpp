// Products and rows of matrices in 16 bits and in blocks, against plain loops: the composed default, which a backend without
// products of its own for them gets, and the backend's own.
#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/backend/compose/embedding.hpp>
#include <hydralora/backend/compose/stored_product.hpp>
#include <limits>
#include <vector>

#include "support/backend.hpp"
#include "support/block_matrix.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"

namespace backend_compose_stored_product_test {

using namespace hydralora;

namespace {

/// Declares the gemm of floats alone, which hides those of 16 bits.
struct FloatsOnly : test::TestBackend {
    explicit FloatsOnly(const test::TestOptions& options) : test::TestBackend(options) {}
    void gemm(Op op_a, Op op_b, float alpha, MatrixView<const float> a, MatrixView<const float> b, float beta,
              MatrixView<float> c) {
        ++products;
        test::TestBackend::gemm(op_a, op_b, alpha, a, b, beta, c);
    }
    int products = 0;
};

template <class B, class S>
void check_product(B& be, Op op, Index tokens, Index out, Index in, float beta) {
    test::Draw draw(static_cast<std::uint64_t>(tokens + out + in));
    test::Matrix<float> numbers(out, in), a(tokens, op == Op::transpose ? in : out, 2);
    draw.normal(numbers.view(), 1.0);
    draw.normal(a.view(), 1.0);
    std::vector<S> w;
    for (Index i = 0; i < out; ++i)
        for (Index j = 0; j < in; ++j) w.emplace_back(numbers(i, j));
    test::Matrix<float> c(tokens, op == Op::transpose ? out : in, 1);
    c.fill(0.5f);
    const StoredView<B> view(host_view(static_cast<const S*>(w.data()), out, in));
    CHECK(view.shape() == Shape{out, in});
    ops::stored_product(be, ConstView<B>(a.view()), op, view, beta, c.view());
    for (Index t = 0; t < tokens; ++t)
        for (Index j = 0; j < c.cols; ++j) {
            double sum = beta == 0 ? 0.0 : 0.5;
            for (Index k = 0; k < a.cols; ++k) {
                const Index at = op == Op::transpose ? j * in + k : k * in + j;
                sum += static_cast<double>(a(t, k)) *
                       static_cast<double>(static_cast<float>(w[static_cast<std::size_t>(at)]));
            }
            REQUIRE(std::abs(static_cast<double>(c(t, j)) - sum) <= 2e-4);
        }
    CHECK(c.padding_untouched());
}

/// The same of a matrix in blocks, with its rows as they are numbered and as GGUF files have q and k.
template <class B>
void check_blocks(B& be, QuantFormat format, Op op, Index tokens, Index out, Index in, float beta) {
    test::Draw draw(static_cast<std::uint64_t>(tokens + out + in));
    const test::BlockMatrix w(format, out, in, draw);
    for (const RowOrder order : {RowOrder{}, RowOrder{6}}) {
        const auto values = w.values(order);
        test::Matrix<float> a(tokens, op == Op::transpose ? in : out, 2), c(tokens, op == Op::transpose ? out : in, 1);
        draw.normal(a.view(), 1.0);
        c.fill(beta == 0 ? std::numeric_limits<float>::quiet_NaN() : 0.5f);
        const StoredView<B> view(w.view(order));
        CHECK(view.shape() == Shape{out, in});
        CHECK(view.storage() == Storage::blocks);
        ops::stored_product(be, ConstView<B>(a.view()), op, view, beta, c.view());
        for (Index t = 0; t < tokens; ++t)
            for (Index j = 0; j < c.cols; ++j) {
                double sum = beta == 0 ? 0.0 : 0.5, size = 1;
                for (Index k = 0; k < a.cols; ++k) {
                    const double term = static_cast<double>(a(t, k)) *
                                        static_cast<double>(op == Op::transpose ? values(j, k) : values(k, j));
                    sum += term, size += std::abs(term);
                }
                REQUIRE(std::abs(static_cast<double>(c(t, j)) - sum) <= 1e-5 * size);
            }
        CHECK(c.padding_untouched());
    }
}

}  // namespace

TEST_CASE("stored_product: blocks of every format, composed and the backend's own") {
    FloatsOnly composed(test::TestOptions{.threads = 2});
    test::TestBackend own({.threads = 2});
    for (std::size_t f = 0; f < quant_format_count; ++f) {
        const auto format = static_cast<QuantFormat>(f);
        INFO(name_of(format));
        const Index in = block_size(format).elements == 1 ? 75 : 768;
        for (const Op op : {Op::none, Op::transpose}) {
            check_blocks(composed, format, op, 5, 36, in, 0);
            check_blocks(own, format, op, 150, 36, in, 1);
            check_blocks(own, format, op, 2, 402, in, 0);
        }
    }
    // depths that are cut where no run begins; and several pieces of the depth
    for (const Op op : {Op::none, Op::transpose}) {
        check_blocks(own, QuantFormat::q8_0, op, 20, 18, 992, 1);
        check_blocks(own, QuantFormat::q4_1, op, 7, 60, 32 * 300, 0);
        check_blocks(own, QuantFormat::q4_1, op, 7, 9006, 64, 0);
    }
}

TEST_CASE("gather: rows of blocks by id") {
    test::TestBackend be({.threads = 2});
    test::Draw draw(9);
    for (const QuantFormat format :
         {QuantFormat::q8_0, QuantFormat::q4_k, QuantFormat::nf4_nested, QuantFormat::bf16}) {
        const test::BlockMatrix table(format, 11, 256, draw);
        const auto values = table.values();
        const std::vector<std::int32_t> ids{10, 0, 3, 3};
        test::Matrix<float> x(4, 256, 2);
        ops::gather(be, StoredView<test::TestBackend>(table.view()), host_view(ids.data(), 1, 4), x.view());
        for (Index t = 0; t < 4; ++t)
            for (Index j = 0; j < 256; ++j) REQUIRE(x(t, j) == values(ids[static_cast<std::size_t>(t)], j));
        CHECK(x.padding_untouched());
    }
}

TEST_CASE("stored_product: composed and the backend's own, 16 bits of both kinds and floats") {
    FloatsOnly composed(test::TestOptions{.threads = 2});
    test::TestBackend own({.threads = 2});
    for (const Op op : {Op::none, Op::transpose})
        for (const float beta : {0.0f, 1.0f}) {
            check_product<FloatsOnly, bfloat16>(composed, op, 5, 900, 33, beta);
            check_product<FloatsOnly, float16>(composed, op, 1, 384, 7, beta);
            check_product<test::TestBackend, bfloat16>(own, op, 5, 900, 33, beta);
            check_product<test::TestBackend, float16>(own, op, 2, 10, 7, beta);
            check_product<test::TestBackend, float>(own, op, 5, 90, 33, beta);
        }
    CHECK(composed.products > 0);
}

}  // namespace backend_compose_stored_product_test
