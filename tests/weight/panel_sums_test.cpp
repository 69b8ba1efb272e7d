// Sums over tokens on panels against plain loops in double, and the bits that accumulation and threads must not change. The
// registered variants of this test force a kernel through the environment.
#include <hydralora/weight/panel_sums.hpp>

#include <doctest/doctest.h>

#include <hydralora/eigen/eigen_backend.hpp>

#include "support/draw.hpp"
#include "support/matrix.hpp"
#include "support/same_bits.hpp"

namespace {

using namespace hydralora;
using test::Draw;
using test::Matrix;
using test::max_difference;
using test::same_bits;
using B = BasicEigenBackend<float>;

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
            add_panel_sums<B>(be, a.view(), b.view(), op, sums.view());
            REQUIRE(max_difference(sums.view(), expected.view()) <= 2e-4);  // of some 100
            REQUIRE(sums.padding_untouched());
        }
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
        add_panel_sums<B>(one, a.view(), b.view(), Op::none, once.view());
        for (int threads = 1; threads <= 4; ++threads)
            for (const Index rows : {slab, Index{512}}) {
                B be({.threads = threads, .slab_rows = slab});
                Matrix<float> sums(24, 600);
                for (Index first = 0; first < 512; first += rows)
                    add_panel_sums<B>(be, a.view().row_slice(first, rows), b.view().row_slice(first, rows), Op::none,
                                      sums.view());
                CHECK(same_bits(sums.view(), once.view()));
                test::check_second_allocates_nothing(
                    [&] { add_panel_sums<B>(be, a.view(), b.view(), Op::none, sums.view()); });
            }
    }
}

}  // namespace
