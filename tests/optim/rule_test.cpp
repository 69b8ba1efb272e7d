#include <doctest/doctest.h>

#include <hydralora/optim/rule.hpp>

namespace optim_rule_test {

using namespace hydralora;

TEST_CASE("LearningRateRatios: A, B and router have their own, all others 1") {
    constexpr LearningRateRatios ratios{.a = 2, .b = 3, .router = 4};
    CHECK(ratios.of(Role::a) == 2);
    CHECK(ratios.of(Role::b) == 3);
    CHECK(ratios.of(Role::router) == 4);
    for (const Role role : {Role::weight, Role::norm, Role::bias}) CHECK(ratios.of(role) == 1);
}

TEST_CASE("Weight decay spares norms and biases") {
    for (const Role role : {Role::a, Role::b, Role::router, Role::weight}) CHECK(decays(role));
    for (const Role role : {Role::norm, Role::bias}) CHECK_FALSE(decays(role));
}

}  // namespace optim_rule_test
