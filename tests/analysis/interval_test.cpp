// Against tables and plain sums.
#include <hydralora/analysis/interval.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "support/message_of.hpp"

namespace analysis_interval_test {

namespace {

using namespace hydralora;
using test::message_of;

TEST_CASE("Student's t as tables have it") {
    CHECK(student_t975(1) == doctest::Approx(12.7062).epsilon(1e-5));
    CHECK(student_t975(2) == doctest::Approx(4.30265).epsilon(1e-5));
    CHECK(student_t975(5) == doctest::Approx(2.57058).epsilon(1e-5));
    CHECK(student_t975(9) == doctest::Approx(2.26216).epsilon(1e-5));
    CHECK(student_t975(60) == doctest::Approx(2.00030).epsilon(1e-5));
    CHECK(student_t975(1000) == doctest::Approx(1.96234).epsilon(1e-5));
}

TEST_CASE("an interval is the mean and t times its standard error; paired ones are of the differences") {
    const std::vector<double> a{1, 2, 3, 4}, b{0.5, 1, 2.5, 3};
    const Interval i = interval(a);
    CHECK(i.mean == doctest::Approx(2.5));
    CHECK(i.half == doctest::Approx(3.18245 * 1.2909944 / 2).epsilon(1e-5));
    const Interval d = paired(a, b);  // 0.5 1 0.5 1
    CHECK(d.mean == doctest::Approx(0.75));
    CHECK(d.half == doctest::Approx(3.18245 * 0.2886751 / 2).epsilon(1e-5));
    CHECK((d.above(0) && !d.below(0) && d.below(1.3)));
    CHECK_FALSE(interval(std::vector<double>{1}).below(2));
    CHECK(message_of([&] { static_cast<void>(paired(a, std::vector<double>{1})); }) ==
          "paired: 4 and 1 values, expected as many");
    CHECK(message_of([] { static_cast<void>(interval({})); }) == "interval: no numbers, expected at least one");
    CHECK(message_of([] { static_cast<void>(student_t975(0)); }) ==
          "student_t975: 0 degrees of freedom, expected at least 1");
}

}  // namespace

}  // namespace analysis_interval_test
