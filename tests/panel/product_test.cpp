// Products on panels against plain loops in double, and the bits that accumulation and threads must not change. The
// registered variants of this test force a kernel through the environment.
#include <hydralora/panel/product.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <utility>

#include <hydralora/eigen/eigen_backend.hpp>

#include "support/draw.hpp"
#include "support/matrix.hpp"
#include "support/same_bits.hpp"

namespace panel_product_test {

namespace {

using namespace hydralora;
using test::Draw;
using test::Matrix;
using test::max_difference;
using test::same_bits;
using B = BasicEigenBackend<float>;

TEST_CASE("a product packs its right side on the way, whatever it is stored in, some columns at a time") {
    Draw draw(83);
    B be({.threads = 2});
    for (int n = test::trials(40, 1000); n > 0; --n) {
        // The last depths are so long that the columns go in several chunks.
        const Index depth = draw.one_of<Index>({0, 1, 5, 128, 257, 700, 1024, 30000, 70000});
        const bool deep = depth > 1000;
        const Index rows = draw.integer(1, deep ? 5 : 300);
        const Index cols = deep ? draw.integer(60, 70) : draw.one_of<Index>({1, 7, 16, 33, 255, 530});
        const Op op = draw.one_of({Op::none, Op::transpose});
        const Grad mode = draw.one_of({Grad::overwrite, Grad::accumulate});
        const float alpha = draw.one_of({1.0f, -0.5f});
        Matrix<float> a(rows, depth, draw.integer(0, 2)), y(rows, cols, draw.integer(0, 2));
        Matrix<float> b(op == Op::none ? depth : cols, op == Op::none ? cols : depth, draw.integer(0, 2));
        for (auto* each : {&a, &b, &y}) draw.normal(each->view());
        Buffer<B, bfloat16> memory(be, b.rows, b.cols);
        const MatrixView<bfloat16> half = memory.view();
        const bool stored = draw.coin();
        be.cast(std::as_const(b).view(), half);
        if (stored) be.cast(half, b.view());
        Matrix<double> expected(rows, cols);
        for (Index i = 0; i < rows; ++i)
            for (Index j = 0; j < cols; ++j) {
                double sum = 0;
                for (Index k = 0; k < depth; ++k)
                    sum += static_cast<double>(a(i, k)) * static_cast<double>(op == Op::none ? b(k, j) : b(j, k));
                expected(i, j) =
                    static_cast<double>(alpha) * sum + (mode == Grad::accumulate ? static_cast<double>(y(i, j)) : 0.0);
            }
        if (stored)
            panel::multiply(be, alpha, std::as_const(a).view(), op, MatrixView<const bfloat16>(half), y.view(), mode);
        else
            panel::multiply(be, alpha, std::as_const(a).view(), op, std::as_const(b).view(), y.view(), mode);
        REQUIRE(max_difference(y.view(), expected.view()) <= 1e-5 * std::sqrt(static_cast<double>(depth + 1)) * 10);
        REQUIRE(y.padding_untouched());
    }
}

TEST_CASE("plain loops, both ways round, any shape, slab and leading dimension") {
    Draw draw(81);
    for (const Index slab : {4, 128, 600}) {
        B be({.threads = 2, .slab_rows = slab});
        for (int n = test::trials(60, 2000); n > 0; --n) {
            const Index tokens = draw.one_of<Index>({0, 1, 5, 128, 130, 257, 700});
            const Index m = draw.integer(1, 40), wide = draw.one_of<Index>({1, 7, 16, 33, 255, 256, 257, 530});
            const Op op = draw.one_of({Op::none, Op::transpose});
            Matrix<float> a(tokens, m, draw.integer(0, 2)), b(tokens, wide, draw.integer(0, 2));
            Matrix<float> sums(op == Op::none ? m : wide, op == Op::none ? wide : m, draw.integer(0, 2));
            for (auto* each : {&a, &b, &sums}) draw.normal(each->view());
            Matrix<double> expected(sums.rows, sums.cols);
            for (Index i = 0; i < m; ++i)
                for (Index j = 0; j < wide; ++j) {
                    double sum = static_cast<double>(op == Op::none ? sums(i, j) : sums(j, i));
                    for (Index t = 0; t < tokens; ++t)
                        sum += static_cast<double>(a(t, i)) * static_cast<double>(b(t, j));
                    (op == Op::none ? expected(i, j) : expected(j, i)) = sum;
                }
            op == Op::none ? panel::add_sums(be, 1, a.view(), b.view(), sums.view())
                           : panel::add_sums(be, 1, b.view(), a.view(), sums.view());
            REQUIRE(max_difference(sums.view(), expected.view()) <= 2e-4);  // of some 100
            REQUIRE(sums.padding_untouched());
        }
    }
}

TEST_CASE("leading dimensions decide what is copied first, and change no bits") {
    Draw draw(84);
    B be({.threads = 2});
    for (const Index rows : {1, 6, 50, 301}) {
        Matrix<float> x(rows, 1024), b(1024, 24), dy(rows, 256), y(rows, 24), sums(24, 256);
        for (auto* each : {&x, &b, &dy, &y, &sums}) draw.normal(each->view());
        Matrix<float> spread_x(rows, 1024, 8), spread_dy(rows, 256, 8), y_of_spread = y, sums_of_spread = sums;
        be.copy(std::as_const(x).view(), spread_x.view());
        be.copy(std::as_const(dy).view(), spread_dy.view());
        panel::multiply(be, 1.0f, std::as_const(x).view(), Op::none, std::as_const(b).view(), y.view(),
                        Grad::accumulate);
        panel::multiply(be, 1.0f, std::as_const(spread_x).view(), Op::none, std::as_const(b).view(), y_of_spread.view(),
                        Grad::accumulate);
        CHECK(same_bits(y.view(), y_of_spread.view()));
        const Matrix<float> z = y;
        panel::add_sums(be, 1, z.view(), std::as_const(dy).view(), sums.view());
        panel::add_sums(be, 1, z.view(), std::as_const(spread_dy).view(), sums_of_spread.view());
        CHECK(same_bits(sums.view(), sums_of_spread.view()));
    }
}

TEST_CASE("1 to 4 threads, and micro-batches of whole slabs, give the same bits; a second call allocates nothing") {
    Draw draw(82);
    Matrix<float> a(512, 24), b(512, 600), once(24, 600);
    draw.normal(a.view());
    draw.normal(b.view());
    for (const Index slab : {64, 128, 512}) {
        B one({.threads = 1, .slab_rows = slab});
        once.fill(0);
        panel::add_sums(one, 1, a.view(), b.view(), once.view());
        for (int threads = 1; threads <= 4; ++threads)
            for (const Index rows : {slab, Index{512}}) {
                B be({.threads = threads, .slab_rows = slab});
                Matrix<float> sums(24, 600);
                for (Index first = 0; first < 512; first += rows)
                    panel::add_sums(be, 1, a.view().row_slice(first, rows), b.view().row_slice(first, rows),
                                    sums.view());
                CHECK(same_bits(sums.view(), once.view()));
                test::check_second_allocates_nothing([&] { panel::add_sums(be, 1, a.view(), b.view(), sums.view()); });
            }
    }
}

}  // namespace

}  // namespace panel_product_test
