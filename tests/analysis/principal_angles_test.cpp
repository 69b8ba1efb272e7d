#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/analysis/principal_angles.hpp>
#include <limits>
#include <vector>

#include "golden/analysis.hpp"
#include "support/matrix.hpp"
#include "support/message_of.hpp"

namespace analysis_principal_angles_test {

using namespace hydralora;
using test::message_of;
using test::random_matrix;

namespace {
constexpr double right_angle = 1.5707963267948966;
}  // namespace

TEST_CASE("principal_angles: those of 60-digit arithmetic, small ones too") {
    const auto rows =
        principal_angles(host_view(golden::rows_a, 3, 10), host_view(golden::rows_b, 4, 10), SpanOf::rows);
    REQUIRE(rows.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) CHECK(std::abs(rows[i] - golden::row_angles[i]) < 2e-15);
    CHECK(rows[1] == doctest::Approx(golden::row_angles[1]).epsilon(1e-8));  // of 1e-6: what the input's digits give
    const auto columns =
        principal_angles(host_view(golden::columns_a, 9, 2), host_view(golden::columns_b, 9, 3), SpanOf::columns);
    REQUIRE(columns.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) CHECK(std::abs(columns[i] - golden::column_angles[i]) < 2e-15);
}

TEST_CASE("principal_angles: of planes at a known angle, in any basis, from either side") {
    for (const double angle : {0.0, 1e-12, 1e-5, 0.3, 0.8, 1.5, right_angle}) {
        test::Matrix<double> a(2, 5), b(2, 5);  // in common: axis 0; apart: axis 1 and a turned axis 1
        a(0, 0) = 3;
        a(1, 1) = 1e-3;
        b(0, 0) = 2;
        b(0, 1) = 5 * std::cos(angle);
        b(0, 3) = 5 * std::sin(angle);
        b(1, 0) = -7;
        b(1, 1) = std::cos(angle);
        b(1, 3) = std::sin(angle);
        for (const auto& angles :
             {principal_angles(a.view(), b.view(), SpanOf::rows), principal_angles(b.view(), a.view(), SpanOf::rows)}) {
            REQUIRE(angles.size() == 2);
            CHECK(std::abs(angles[0]) < 1e-15);
            CHECK(std::abs(angles[1] - angle) < 2e-15);
            CHECK(subspace_overlap(angles) == doctest::Approx((1 + std::pow(std::cos(angle), 2)) / 2).epsilon(1e-14));
        }
    }
}

TEST_CASE("principal_angles: a space with itself, orthogonal ones, one inside the other, ranks less than the rows") {
    const auto a = random_matrix<float>(4, 50, 1);
    for (const double angle : principal_angles(a.view(), a.view(), SpanOf::rows)) CHECK(std::abs(angle) < 1e-15);
    for (const double angle : principal_angles(a.view(), a.view().row_slice(1, 2), SpanOf::rows))
        CHECK(std::abs(angle) < 1e-14);
    test::Matrix<double> left(2, 6), right(3, 6);
    for (Index i = 0; i < 2; ++i) left(i, 2 * i) = 1;
    for (Index i = 0; i < 3; ++i) right(i, 2 * i + 1) = 2;
    for (const double angle : principal_angles(left.view(), right.view(), SpanOf::rows))
        CHECK(std::abs(angle - right_angle) < 1e-15);

    test::Matrix<double> repeated(5, 7), once(2, 7);
    const auto base = random_matrix<double>(2, 7, 4);
    for (Index j = 0; j < 7; ++j) {
        for (Index i = 0; i < 5; ++i)
            repeated(i, j) = static_cast<double>(i) * base(0, j) + static_cast<double>(i % 2) * base(1, j);
        once(0, j) = base(0, j);
        once(1, j) = base(1, j);
    }
    const auto angles = principal_angles(repeated.view(), once.view(), SpanOf::rows);
    REQUIRE(angles.size() == 2);
    for (const double angle : angles) CHECK(std::abs(angle) < 1e-14);
    // Columns fill the space of few rows: d = 2.
    CHECK(principal_angles(once.view(), once.view(), SpanOf::columns).size() == 2);
}

TEST_CASE("subspace_overlap: rank / d by chance") {
    double sum = 0;
    for (unsigned trial = 0; trial < 40; ++trial)
        sum += subspace_overlap(principal_angles(random_matrix<float>(4, 64, 2 * trial).view(),
                                                 random_matrix<float>(4, 64, 2 * trial + 1).view(), SpanOf::rows));
    CHECK(sum / 40 == doctest::Approx(4.0 / 64).epsilon(0.1));
}

TEST_CASE("subspace_overlap: from bases as from angles") {
    for (const SpanOf span : {SpanOf::rows, SpanOf::columns})
        for (unsigned trial = 0; trial < 20; ++trial) {
            const auto a = random_matrix<double>(span == SpanOf::rows ? 3 : 20, span == SpanOf::rows ? 20 : 3, trial);
            const auto b =
                random_matrix<double>(span == SpanOf::rows ? 7 : 20, span == SpanOf::rows ? 20 : 7, trial + 99);
            CHECK(subspace_overlap(spanning_basis(a.view(), span), spanning_basis(b.view(), span)) ==
                  doctest::Approx(subspace_overlap(principal_angles(a.view(), b.view(), span))).epsilon(1e-12));
        }
    CHECK(message_of([] { static_cast<void>(subspace_overlap(DoubleMatrix(2, 3), DoubleMatrix(2, 4))); }) ==
          "subspace_overlap: one basis is (2, 3), the other (2, 4), expected vectors of as many dimensions");
}

TEST_CASE("principal_angles: what it cannot compare is named") {
    const auto a = random_matrix<double>(3, 4, 1), b = random_matrix<double>(3, 5, 2);
    CHECK(message_of([&] { static_cast<void>(principal_angles(a.view(), b.view(), SpanOf::rows)); }) ==
          "principal_angles: one matrix is (3, 4), the other (3, 5), expected as many columns; compare adapters of the "
          "same linear layer");
    CHECK(principal_angles(a.view(), b.view(), SpanOf::columns).size() == 3);
    test::Matrix<double> zero(3, 4);
    CHECK(message_of([&] { static_cast<void>(principal_angles(a.view(), zero.view(), SpanOf::rows)); }) ==
          "principal_angles: a (3, 4) matrix is all zero and spans nothing; B is zero until the first step: compare "
          "after it");
    zero(2, 3) = std::numeric_limits<double>::infinity();
    CHECK(message_of([&] { static_cast<void>(principal_angles(a.view(), zero.view(), SpanOf::rows)); }) ==
          "principal_angles: element (2, 3) is inf, expected a finite number");
}

}  // namespace analysis_principal_angles_test
