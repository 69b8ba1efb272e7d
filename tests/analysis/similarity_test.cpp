#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/analysis/similarity.hpp>
#include <limits>
#include <span>
#include <vector>

#include "golden/analysis.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"

namespace analysis_similarity_test {

using namespace hydralora;
using test::Matrix;
using test::message_of;
using test::random_matrix;

namespace {

using Views = std::vector<MatrixView<const double>>;

double plain_cosine(const Matrix<double>& b, Index first, Index second, Index r) {
    double ab = 0, aa = 0, bb = 0;
    for (Index o = 0; o < b.rows; ++o)
        for (Index j = 0; j < r; ++j) {
            ab += b(o, first * r + j) * b(o, second * r + j);
            aa += b(o, first * r + j) * b(o, first * r + j);
            bb += b(o, second * r + j) * b(o, second * r + j);
        }
    return ab / std::sqrt(aa * bb);
}

}  // namespace

TEST_CASE("pairwise_cosine, of matrices and of their changes: numpy's") {
    Views matrices;
    for (Index i = 0; i < 3; ++i) matrices.push_back(host_view(golden::matrices + 28 * i, 4, 7));
    const std::span<const MatrixView<const double>> all(matrices);
    const auto cosines = pairwise_cosine(all);
    const auto changes = pairwise_cosine_of_change(all, host_view(golden::start, 4, 7));
    for (Index i = 0; i < 3; ++i)
        for (Index j = 0; j < 3; ++j) {
            CHECK(std::abs(cosines(i, j) - golden::cosine[3 * i + j]) < 1e-14);
            CHECK(std::abs(changes(i, j) - golden::cosine_of_change[3 * i + j]) < 1e-14);
            CHECK(std::abs(cosine(all[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(j)]) - cosines(i, j)) <
                  1e-15);
        }
    CHECK(mean_of_pairs(cosines) ==
          doctest::Approx((golden::cosine[1] + golden::cosine[2] + golden::cosine[5]) / 3).epsilon(1e-14));
}

TEST_CASE("head_cosine: plain loops over the columns of each head; blind to scale, turned with the heads") {
    const auto b = random_matrix<double>(23, 4 * 3, 6, 5);
    const auto cosines = head_cosine(b.view(), 4);
    for (Index i = 0; i < 4; ++i)
        for (Index j = 0; j < 4; ++j) CHECK(std::abs(cosines(i, j) - plain_cosine(b, i, j, 3)) < 1e-14);
    auto other = b;
    for (Index o = 0; o < 23; ++o)
        for (Index i = 0; i < 4; ++i)
            for (Index j = 0; j < 3; ++j)
                other(o, i * 3 + j) = std::ldexp(b(o, (i + 1) % 4 * 3 + j), i == 2 ? -600 : 500);
    const auto turned = head_cosine(other.view(), 4);
    for (Index i = 0; i < 4; ++i)
        for (Index j = 0; j < 4; ++j) CHECK(std::abs(turned(i, j) - cosines((i + 1) % 4, (j + 1) % 4)) < 1e-14);
    CHECK(std::abs(mean_of_pairs(turned) - mean_of_pairs(cosines)) < 1e-15);
}

TEST_CASE("cosines: equal 1, opposite -1, zero matrices 0, one head no pair") {
    const auto a = random_matrix<float>(5, 6, 2);
    Matrix<float> opposite(5, 6), zero(5, 6);
    for (Index i = 0; i < 5; ++i)
        for (Index j = 0; j < 6; ++j) opposite(i, j) = -3 * a(i, j);
    CHECK(cosine(a.view(), a.view()) == doctest::Approx(1).epsilon(1e-15));
    CHECK(cosine(a.view(), opposite.view()) == doctest::Approx(-1).epsilon(1e-15));
    CHECK(cosine(a.view(), zero.view()) == 0);
    CHECK(head_cosine(zero.view(), 3)(1, 1) == 0);
    CHECK(head_cosine(a.view(), 1)(0, 0) == 1);
    CHECK(mean_of_pairs(head_cosine(a.view(), 1)) == 0);
}

TEST_CASE("similarity: what cannot be compared is named") {
    const auto a = random_matrix<double>(2, 6, 1), b = random_matrix<double>(3, 6, 2);
    CHECK(message_of([&] { static_cast<void>(cosine(a.view(), b.view())); }) ==
          "cosine: one matrix is (2, 6), the other (3, 6), expected one shape; compare adapters of the same linear "
          "layer and rank");
    const Views two{a.view(), b.view()};
    const std::span<const MatrixView<const double>> both(two);
    CHECK(message_of([&] {
              static_cast<void>(pairwise_cosine(both));
          }).starts_with("pairwise_cosine: one matrix is (2, 6), the other (3, 6)"));
    CHECK(message_of([&] { static_cast<void>(pairwise_cosine(both.subspan(2))); }) ==
          "pairwise_cosine: no matrix, expected at least one");
    CHECK(message_of([&] { static_cast<void>(pairwise_cosine_of_change(both.subspan(2), a.view())); }) ==
          "pairwise_cosine_of_change: no matrix, expected at least one");
    CHECK(message_of([&] {
              static_cast<void>(pairwise_cosine_of_change(both, a.view()));
          }).starts_with("pairwise_cosine_of_change: one matrix is (3, 6), the other (2, 6)"));
    CHECK(message_of([&] { static_cast<void>(head_cosine(a.view(), 4)); }) ==
          "head_cosine: B is (2, 6) for 4 heads, expected N * r columns, a multiple of the heads");
    CHECK(message_of([&] { static_cast<void>(head_cosine(a.view(), 0)); }).starts_with("head_cosine: B is (2, 6)"));
    auto bad = a;
    bad(1, 2) = std::numeric_limits<double>::quiet_NaN();
    CHECK(message_of([&] { static_cast<void>(cosine(a.view(), bad.view())); }) ==
          "cosine: element (1, 2) is nan, expected a finite number");
}

}  // namespace analysis_similarity_test
