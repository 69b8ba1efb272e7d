#include <doctest/doctest.h>

#include <cmath>
#include <hydralora/optim/schedule.hpp>
#include <limits>

namespace optim_schedule_test {

using namespace hydralora;

// The expected numbers are those of get_constant_schedule_with_warmup, get_linear_schedule_with_warmup and
// get_cosine_schedule_with_warmup of transformers for 10 steps, 4 of them warm-up.

TEST_CASE("Schedule: constant after the warm-up") {
    const Schedule s{.kind = ScheduleKind::constant, .warm_up = 4};
    const double expected[] = {0, 0.25, 0.5, 0.75, 1, 1, 1};
    for (Index i = 0; i < 7; ++i) CHECK(s.factor(i) == expected[i]);
    CHECK(Schedule{}.factor(0) == 1);
    CHECK(Schedule{}.factor(1000000) == 1);
}

TEST_CASE("Schedule: linear fall to zero, and to a ratio") {
    const Schedule s{.kind = ScheduleKind::linear, .steps = 10, .warm_up = 4};
    const double expected[] = {0, 0.25, 0.5, 0.75, 1, 5 / 6.0, 4 / 6.0, 3 / 6.0, 2 / 6.0, 1 / 6.0, 0, 0, 0};
    for (Index i = 0; i < 13; ++i) CHECK(s.factor(i) == doctest::Approx(expected[i]).epsilon(1e-15));
    const Schedule r{.kind = ScheduleKind::linear, .steps = 10, .warm_up = 4, .final_ratio = 0.1};
    for (Index i = 4; i < 13; ++i) CHECK(r.factor(i) == doctest::Approx(0.1 + 0.9 * expected[i]).epsilon(1e-15));
}

TEST_CASE("Schedule: half a cosine") {
    const Schedule s{.kind = ScheduleKind::cosine, .steps = 10, .warm_up = 4};
    // cos(k pi / 6): 1, sqrt(3)/2, 1/2, 0, -1/2, -sqrt(3)/2, -1
    const double root = std::sqrt(3.0) / 2;
    const double expected[] = {0, 0.25, 0.5, 0.75, 1, (1 + root) / 2, 0.75, 0.5, 0.25, (1 - root) / 2, 0, 0};
    for (Index i = 0; i < 12; ++i) CHECK(s.factor(i) == doctest::Approx(expected[i]).epsilon(1e-14));
    const Schedule r{.kind = ScheduleKind::cosine, .steps = 10, .warm_up = 4, .final_ratio = 0.5};
    for (Index i = 4; i < 12; ++i) CHECK(r.factor(i) == doctest::Approx(0.5 + 0.5 * expected[i]).epsilon(1e-14));
}

TEST_CASE("Schedule: a fractional warm-up is rounded up") {
    CHECK(Schedule{.kind = ScheduleKind::cosine, .steps = 101, .warm_up = 0.03}.warm_up_steps() == 4);
    CHECK(Schedule{.kind = ScheduleKind::cosine, .steps = 100, .warm_up = 0}.warm_up_steps() == 0);
    CHECK(Schedule{.kind = ScheduleKind::cosine, .steps = 100, .warm_up = 1}.warm_up_steps() == 1);
    CHECK(Schedule{.kind = ScheduleKind::cosine, .steps = 100}.factor(0) == 1);
}

TEST_CASE("Schedule: names both ways, and an error that tells the choices") {
    const auto parse = [](std::string_view what, std::string_view name) {
        return parse_enum<ScheduleKind>(what, name, schedule_names);
    };
    for (const auto kind : {ScheduleKind::constant, ScheduleKind::linear, ScheduleKind::cosine})
        CHECK(parse("schedule", enum_name(kind, schedule_names)) == kind);
    CHECK(parse("schedule", "cosine") == ScheduleKind::cosine);
    for (const char* name : {"cosinus", "", "Linear"})
        CHECK_THROWS_AS(static_cast<void>(parse("schedule", name)), Error);
    CHECK_THROWS_WITH_AS(static_cast<void>(parse("schedule", "step")),
                         "schedule: \"step\" is unknown, expected one of: constant, linear, cosine", Error);
}

TEST_CASE("Schedule: members out of range are named") {
    const auto refuse = [](const Schedule& s) { CHECK_THROWS_AS(s.validate(), Error); };
    refuse({.kind = ScheduleKind::linear});
    refuse({.kind = ScheduleKind::linear, .steps = 10, .warm_up = -0.5});
    refuse({.kind = ScheduleKind::linear, .steps = 10, .warm_up = 1.5});
    refuse({.kind = ScheduleKind::linear, .steps = 10, .warm_up = 11});
    refuse({.kind = ScheduleKind::linear, .steps = 10, .warm_up = std::numeric_limits<double>::quiet_NaN()});
    refuse({.kind = ScheduleKind::linear, .steps = 10, .final_ratio = 1.5});
    refuse({.warm_up = 0.5});
    Schedule{}.validate();
    Schedule{.warm_up = 100}.validate();
    Schedule{.kind = ScheduleKind::cosine, .steps = 1}.validate();
    CHECK_THROWS_WITH_AS((Schedule{.kind = ScheduleKind::linear, .steps = 3, .warm_up = 4}.validate()),
                         "Schedule: warm_up = 4 is longer than the run of 3 steps", Error);
}

}  // namespace optim_schedule_test
