// Products of the Eigen backend against plain loops in double, and the promises on their bits.
#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/eigen/eigen_backend.hpp>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "support/allocation_counter.hpp"
#include "support/matrix.hpp"

namespace eigen_gemm_test {

using namespace hydralora;
using test::Matrix;
using test::random_matrix;
using test::same_bits;

namespace {

struct Case {
    Op a, b;
};
constexpr Case cases[] = {{Op::none, Op::none}, {Op::none, Op::transpose}, {Op::transpose, Op::none}};

struct Dims {
    Index m, n, k;
};

template <class T>
Matrix<T> left(Case c, Dims d, unsigned seed, Index pad = 0) {
    return c.a == Op::none ? random_matrix<T>(d.m, d.k, seed, pad) : random_matrix<T>(d.k, d.m, seed, pad);
}
template <class T>
Matrix<T> right(Case c, Dims d, unsigned seed, Index pad = 0) {
    return c.b == Op::none ? random_matrix<T>(d.k, d.n, seed, pad) : random_matrix<T>(d.n, d.k, seed, pad);
}

/// Largest error of c against alpha op(a) op(b) + beta c0 in double, as a multiple of what rounding allows.
template <class T>
double error(Case o, Dims d, double alpha, const Matrix<T>& a, const Matrix<T>& b, double beta, const Matrix<T>& c0,
             const Matrix<T>& c) {
    double most = 0;
    for (Index i = 0; i < d.m; ++i)
        for (Index j = 0; j < d.n; ++j) {
            double sum = 0, size = 0;
            for (Index k = 0; k < d.k; ++k) {
                const double product = static_cast<double>(o.a == Op::none ? a(i, k) : a(k, i)) *
                                       static_cast<double>(o.b == Op::none ? b(k, j) : b(j, k));
                sum += product;
                size += std::abs(product);
            }
            const double kept = beta == 0 ? 0 : beta * static_cast<double>(c0(i, j));
            const double allowed = std::numeric_limits<T>::epsilon() * (4 + std::sqrt(static_cast<double>(d.k))) *
                                   (std::abs(alpha) * size + std::abs(kept) + 1e-300);
            const double off = std::abs(static_cast<double>(c(i, j)) - (alpha * sum + kept)) / allowed;
            most = off <= most ? most : std::isnan(off) ? INFINITY : off;
        }
    return most;
}

template <class T>
void against_plain_loops(Dims d) {
    BasicEigenBackend<T> be({.threads = 2});
    for (const Case o : cases)
        for (const Index pad : {0, 5})
            for (const double beta : {0.0, 1.0, -0.5})
                for (const double alpha : {1.0, -2.5}) {
                    const auto a = left<T>(o, d, 1, pad);
                    const auto b = right<T>(o, d, 2, pad);
                    const auto c0 = random_matrix<T>(d.m, d.n, 3, pad);
                    auto c = c0;
                    if (beta == 0) c.fill(std::numeric_limits<T>::quiet_NaN());
                    be.gemm(o.a, o.b, static_cast<T>(alpha), a.view(), b.view(), static_cast<T>(beta), c.view());
                    CHECK(error(o, d, alpha, a, b, beta, c0, c) <= 1);
                    CHECK(c.padding_untouched());
                }
}

}  // namespace

TEST_CASE_TEMPLATE("gemm: plain loops agree, for each pair of sides, with strides, alpha and beta", T, float, double) {
    for (const Dims d :
         {Dims{1, 1, 1}, Dims{3, 5, 7}, Dims{4, 48, 192}, Dims{5, 49, 193}, Dims{2, 300, 64}, Dims{7, 1, 385},
          Dims{1, 129, 700}, Dims{64, 32, 8}, Dims{130, 301, 40}, Dims{257, 97, 31}, Dims{12, 8, 1030}})
        against_plain_loops<T>(d);
}

TEST_CASE("gemm: an empty sum is zero, an empty result is left alone") {
    EigenBackend be({.threads = 2});
    for (const Case o : cases) {
        Matrix<float> a = left<float>(o, {3, 4, 0}, 1), b = right<float>(o, {3, 4, 0}, 2), c(3, 4, 1);
        c.fill(std::numeric_limits<float>::quiet_NaN());
        be.gemm(o.a, o.b, 1.0f, a.view(), b.view(), 0.0f, c.view());
        CHECK(same_bits(c.view(), Matrix<float>(3, 4).view()));
        CHECK(c.padding_untouched());
        Matrix<float> none(0, 4);
        be.gemm(o.a, o.b, 1.0f, left<float>(o, {0, 4, 5}, 1).view(), right<float>(o, {0, 4, 5}, 2).view(), 0.0f,
                none.view());
    }
}

TEST_CASE("gemm: a shape that does not fit is told with both sides") {
    EigenBackend be({.threads = 1});
    Matrix<float> a(2, 3), b(4, 5), c(2, 5);
    CHECK_THROWS_WITH_AS(be.gemm(Op::none, Op::none, 1.0f, a.view(), b.view(), 0.0f, c.view()),
                         "EigenBackend: gemm of (2, 3) and (4, 5) into (2, 5)", Error);
    CHECK_THROWS_WITH_AS(be.gemm(Op::transpose, Op::transpose, 1.0f, a.view(), b.view(), 0.0f, c.view()),
                         "EigenBackend: gemm with both sides transposed is not offered", Error);
    CHECK_THROWS_AS(be.gemm(Op::none, Op::none, 1.0f, MatrixView<const float>(a.data.data(), 2, 3, 2),
                            MatrixView<const float>(b.data.data(), 3, 5), 0.0f, c.view()),
                    Error);
}

TEST_CASE_TEMPLATE("gemm: the same bits with 1, 2, 3 and 4 threads", T, float, double) {
    for (const Dims d :
         {Dims{130, 301, 200}, Dims{3, 700, 400}, Dims{16, 4096, 64}, Dims{513, 8, 300}, Dims{1000, 49, 32}})
        for (const Case o : cases) {
            const auto a = left<T>(o, d, 4, 3);
            const auto b = right<T>(o, d, 5, 1);
            const auto run = [&](int threads) {
                BasicEigenBackend<T> be({.threads = threads});
                auto c = random_matrix<T>(d.m, d.n, 6);
                be.gemm(o.a, o.b, T(0.75), a.view(), b.view(), T(1), c.view());
                return c;
            };
            const auto one = run(1);
            for (const int threads : {2, 3, 4}) CHECK(same_bits(one.view(), run(threads).view()));
        }
}

TEST_CASE_TEMPLATE("gemm: rows in multiples of four do not see the rows beside them", T, float, double) {
    BasicEigenBackend<T> be({.threads = 2});
    for (const Dims d : {Dims{260, 97, 200}, Dims{260, 1024, 96}, Dims{1024, 33, 20}, Dims{640, 300, 391}})
        for (const Op op_b : {Op::none, Op::transpose}) {
            const Case o{Op::none, op_b};
            const auto a = left<T>(o, d, 7);
            const auto b = right<T>(o, d, 8);
            Matrix<T> whole(d.m, d.n);
            be.gemm(o.a, o.b, T(1), a.view(), b.view(), T(0), whole.view());
            for (const Index count : {4, 8, 12, 128, 132, 256})
                for (const Index begin : {Index{0}, Index{4}, d.m - count}) {
                    if (begin + count > d.m) continue;
                    Matrix<T> part(count, d.n);
                    be.gemm(o.a, o.b, T(1), a.view().row_slice(begin, count), b.view(), T(0), part.view());
                    INFO("rows " << begin << " + " << count << " of (" << d.m << ", " << d.n << "), k " << d.k);
                    CHECK(same_bits(part.cview(), whole.cview().row_slice(begin, count)));
                }
        }
}

TEST_CASE_TEMPLATE("gemm: a sum over tokens in two calls, cut between slabs, has the bits of one call", T, float,
                   double) {
    for (const Index slab : {4, 64, 128})
        for (const Dims d : {Dims{4, 100, 256}, Dims{3, 101, 300}, Dims{33, 257, 384}, Dims{8, 4000, 256},
                             Dims{1, 1, 256}, Dims{48, 49, 1024}})
            for (const int threads : {1, 3}) {
                BasicEigenBackend<T> be({.threads = threads, .slab_rows = slab});
                const Case o{Op::transpose, Op::none};
                const auto a = left<T>(o, d, 9, 2);
                const auto b = right<T>(o, d, 10);
                const auto start = random_matrix<T>(d.m, d.n, 11);
                auto whole = start;
                be.gemm(o.a, o.b, T(0.5), a.view(), b.view(), T(1), whole.view());
                for (const Index cut : {slab, 2 * slab, d.k / slab * slab}) {
                    if (cut > d.k) continue;
                    auto parts = start;
                    be.gemm(o.a, o.b, T(0.5), a.view().row_slice(0, cut), b.view().row_slice(0, cut), T(1),
                            parts.view());
                    be.gemm(o.a, o.b, T(0.5), a.view().row_slice(cut, d.k - cut), b.view().row_slice(cut, d.k - cut),
                            T(1), parts.view());
                    INFO("slab " << slab << ", cut " << cut << " of (" << d.m << ", " << d.n << "), k " << d.k);
                    CHECK(same_bits(whole.view(), parts.view()));
                }
            }
}

TEST_CASE("gemm_batched: matrix (o, i) begins at o * outer + i * inner") {
    // Queries and keys of 3 sequences of 6 tokens and 2 heads of width 5, side by side in rows of 10: scores (6, 6) a
    // head.
    constexpr Index sequences = 3, tokens = 6, heads = 2, width = 5;
    const auto q = random_matrix<float>(sequences * tokens, heads * width, 12, 3);
    const auto k = random_matrix<float>(sequences * tokens, heads * width, 13);
    std::vector<float> first;
    for (const int threads : {1, 2, 3, 4}) {
        EigenBackend be({.threads = threads});
        Matrix<float> scores(sequences * heads * tokens, tokens);
        scores.fill(std::numeric_limits<float>::quiet_NaN());
        const auto of = [&](MatrixView<const float> m) {
            return Batched<const float, host>{{m.data, tokens, width, m.ld}, tokens * m.ld, width};
        };
        be.gemm_batched({sequences, heads}, Op::none, Op::transpose, 0.5f, of(q.view()), of(k.view()), 0.0f,
                        {{scores.data.data(), tokens, tokens, tokens}, heads * tokens * tokens, tokens * tokens});
        for (Index s = 0; s < sequences; ++s)
            for (Index h = 0; h < heads; ++h)
                for (Index i = 0; i < tokens; ++i)
                    for (Index j = 0; j < tokens; ++j) {
                        double sum = 0;
                        for (Index w = 0; w < width; ++w)
                            sum += static_cast<double>(q(s * tokens + i, h * width + w)) *
                                   static_cast<double>(k(s * tokens + j, h * width + w));
                        REQUIRE(std::abs(static_cast<double>(scores((s * heads + h) * tokens + i, j)) - 0.5 * sum) <
                                1e-6);
                    }
        if (threads == 1) first = scores.data;
        CHECK(first == scores.data);
    }
}

TEST_CASE("gemm allocates once: a second product of its size, or of fewer rows, takes nothing from the heap") {
    EigenBackend be({.threads = 4});
    const Dims d{512, 512, 64};
    const Case o{Op::none, Op::transpose};
    const auto a = left<float>(o, d, 14), b = right<float>(o, d, 15);
    Matrix<float> c(d.m, d.n);
    be.gemm(o.a, o.b, 1.0f, a.view(), b.view(), 0.0f, c.view());
    be.gemm(o.a, o.b, 1.0f, a.view().row_slice(0, 2), b.view(), 0.0f,
            c.view().row_slice(0, 2));  // few rows: not packed
    const long before = test::allocations();
    for (int i = 0; i < 20; ++i)
        for (const Index rows : {d.m, Index{100}, Index{3}})
            be.gemm(o.a, o.b, 1.0f, a.view().row_slice(0, rows), b.view(), 0.0f, c.view().row_slice(0, rows));
    CHECK(test::allocations() == before);
}

/// Random numbers in 16 bits, and the same numbers widened.
template <class S, class T>
std::pair<std::vector<S>, std::vector<T>> stored(Index count, int seed) {
    const auto values = random_matrix<float>(1, count, seed);
    std::pair<std::vector<S>, std::vector<T>> both;
    for (Index i = 0; i < count; ++i) {
        both.first.emplace_back(values(0, i));
        both.second.push_back(static_cast<T>(static_cast<float>(both.first.back())));
    }
    return both;
}

template <class T, class S>
void check_stored() {
    for (const Dims d :
         {Dims{1, 700, 64}, Dims{3, 65, 200}, Dims{4, 65, 200}, Dims{70, 301, 500}, Dims{130, 777, 385}, Dims{2, 3, 1}})
        for (const Op op_b : {Op::none, Op::transpose})
            for (const int threads : {1, 3}) {
                BasicEigenBackend<T> be({.threads = threads});
                const auto a = left<T>({Op::none, op_b}, d, 31);
                const auto [small, wide] = stored<S, T>(d.k * d.n, 32);
                const Index rows = op_b == Op::none ? d.k : d.n, cols = op_b == Op::none ? d.n : d.k;
                Matrix<T> expected(d.m, d.n), got(d.m, d.n, 3);
                for (const T beta : {T{0}, T{1}}) {
                    be.gemm(Op::none, op_b, T{1}, a.view(), host_view(wide.data(), rows, cols), beta, expected.view());
                    be.gemm(Op::none, op_b, T{1}, a.view(), host_view(small.data(), rows, cols), beta, got.view());
                    for (Index i = 0; i < d.m; ++i)
                        for (Index j = 0; j < d.n; ++j) REQUIRE(got(i, j) == expected(i, j));
                }
                CHECK(got.padding_untouched());
            }
}

TEST_CASE("gemm with a right side in 16 bits has the bits of the same numbers in float, for any shape and threads") {
    check_stored<float, bfloat16>();
    check_stored<float, float16>();
    check_stored<double, bfloat16>();
}

}  // namespace eigen_gemm_test
