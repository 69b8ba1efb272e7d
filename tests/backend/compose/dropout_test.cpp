#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/backend/compose/dropout.hpp>
#include <initializer_list>

#include "support/backend.hpp"
#include "support/matrix.hpp"

namespace backend_compose_dropout_test {

using namespace hydralora;
using test::Matrix;
using test::random_matrix;
using test::same_bits;

namespace {

constexpr RandomKey key{Seed{99}, 4, 17};

DropoutMask mask_of(double rate, RowNumbers rows = {}) { return {.key = key, .rows = rows, .rate = rate}; }

/// What of ones is kept, as 0 and 1 / (1 - rate).
template <class T>
Matrix<T> kept(Index rows, Index cols, const DropoutMask& mask, int threads = 2) {
    test::BasicTestBackend<T> be({.threads = threads});
    Matrix<T> x(rows, cols), y(rows, cols);
    x.fill(T{1});
    ops::dropout(be, x.cview(), mask, y.view());
    return y;
}

}  // namespace

TEST_CASE("dropout: element (t, j) is kept where its random word is not below rate * 2^32") {
    test::TestBackend be({.threads = 2});
    for (const Index cols : {1, 3, 4, 7, 64, 129}) {
        const auto x = random_matrix<float>(11, cols, 1, 2);
        Matrix<float> y(11, cols, 3);
        ops::dropout(be, x.cview(), mask_of(0.3), y.view());
        for (Index t = 0; t < 11; ++t)
            for (Index j = 0; j < cols; ++j) {
                const bool keep = random_word(key, static_cast<std::uint64_t>(t * cols + j)) >= 0.3 * 4294967296.0;
                CHECK(y(t, j) == (keep ? x(t, j) * static_cast<float>(1 / 0.7) : 0.0f));
            }
        CHECK(y.padding_untouched());
    }
}

TEST_CASE("dropout: the share of zeros is the rate, and the mean is kept") {
    for (const double rate : {0.05, 0.1, 0.5, 0.9}) {
        constexpr Index rows = 400, cols = 500, n = rows * cols;
        const auto y = kept<double>(rows, cols, mask_of(rate));
        double zeros = 0, sum = 0;
        for (const double v : y.data) {
            zeros += v == 0;
            sum += v;
        }
        const double deviation = std::sqrt(rate * (1 - rate) / static_cast<double>(n));
        CHECK(std::abs(zeros / n - rate) < 5 * deviation);
        CHECK(std::abs(sum / n - 1) < 5 * deviation / (1 - rate));
    }
}

TEST_CASE("dropout: rate 0 is the identity, in place is fine") {
    test::TestBackend be({.threads = 2});
    const auto x = random_matrix<float>(9, 33, 2);
    auto y = x;
    ops::dropout(be, y.cview(), mask_of(0), y.view());
    CHECK(same_bits(x.view(), y.view()));
    Matrix<float> apart(9, 33);
    ops::dropout(be, x.cview(), mask_of(0.5), apart.view());
    ops::dropout(be, y.cview(), mask_of(0.5), y.view());
    CHECK(same_bits(apart.view(), y.view()));
}

TEST_CASE("dropout: one mask in float and double, for any number of threads") {
    const auto f = kept<float>(57, 61, mask_of(0.4), 1);
    const auto d = kept<double>(57, 61, mask_of(0.4), 3);
    for (Index t = 0; t < 57; ++t)
        for (Index j = 0; j < 61; ++j) CHECK((f(t, j) == 0) == (d(t, j) == 0));
    for (const int threads : {2, 3, 4}) CHECK(same_bits(f.view(), kept<float>(57, 61, mask_of(0.4), threads).view()));
}

TEST_CASE("dropout: rows of a batch taken with their offset have the batch's mask") {
    const auto whole = kept<float>(40, 13, mask_of(0.5));
    for (const Index begin : {0, 1, 7, 39}) {
        const auto part = kept<float>(40 - begin, 13, mask_of(0.5, {.first = begin}));
        CHECK(same_bits(part.view(), whole.view().row_slice(begin, 40 - begin)));
    }
}

TEST_CASE("dropout: sequences padded to a shorter length have the batch's mask") {
    // A batch of 4 sequences of 10 tokens; a micro-batch of the sequences 2 and 3, padded to 6 tokens.
    const auto whole = kept<float>(40, 13, mask_of(0.5));
    const auto part = kept<float>(12, 13, mask_of(0.5, {.first = 20, .length = 6, .stride = 10}));
    CHECK(same_bits(part.view().row_slice(0, 6), whole.view().row_slice(20, 6)));
    CHECK(same_bits(part.view().row_slice(6, 6), whole.view().row_slice(30, 6)));
}

TEST_CASE("dropout: another stream, step or seed is another mask") {
    const auto one = kept<float>(20, 20, mask_of(0.5));
    for (const RandomKey other : {RandomKey{Seed{98}, 4, 17}, {Seed{99}, 5, 17}, {Seed{99}, 4, 18}})
        CHECK_FALSE(same_bits(one.view(), kept<float>(20, 20, {.key = other, .rows = {}, .rate = 0.5}).view()));
}

TEST_CASE("dropout: backward is the same mask on the gradient, overwriting or adding") {
    test::BasicTestBackend<double> be({.threads = 2});
    const auto mask = kept<double>(15, 22, mask_of(0.25));
    const auto dy = random_matrix<double>(15, 22, 3, 1), start = random_matrix<double>(15, 22, 4, 2);
    auto dx = start;
    ops::dropout(be, dy.cview(), mask_of(0.25), dx.view(), Grad::accumulate);
    for (Index t = 0; t < 15; ++t)
        for (Index j = 0; j < 22; ++j) CHECK(std::abs(dx(t, j) - (start(t, j) + dy(t, j) * mask(t, j))) < 1e-15);
    ops::dropout(be, dy.cview(), mask_of(0.25), dx.view());
    for (Index t = 0; t < 15; ++t)
        for (Index j = 0; j < 22; ++j) CHECK(dx(t, j) == dy(t, j) * mask(t, j));
    CHECK(dx.padding_untouched());
}

}  // namespace backend_compose_dropout_test
