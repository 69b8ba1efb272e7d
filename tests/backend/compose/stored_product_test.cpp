// A backend without products of its own for 16-bit matrices gets them from the composed default, against plain loops.
#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/backend/compose/stored_product.hpp>
#include <vector>

#include "support/backend.hpp"
#include "support/draw.hpp"
#include "support/matrix.hpp"

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

}  // namespace

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
