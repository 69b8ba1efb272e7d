#include <hydralora/backend/compose/exponential.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <limits>

namespace backend_compose_exponential_test {

using hydralora::functor::exponential;
using hydralora::functor::power_of_two;

TEST_CASE("exponential: within two units in the last place of the exact value over all of float's range") {
    double worst = 0;
    for (std::uint32_t bits = 0; bits < 0xff800000u - 211; bits += 211) {
        const float x = std::bit_cast<float>(bits);
        if (!(std::abs(x) < 200)) continue;
        const double exact = std::exp(static_cast<double>(x));
        const float found = exponential(x);
        if (exact > static_cast<double>(std::numeric_limits<float>::max())) {
            // Rounds to the largest float or to infinity.
            worst = std::max(worst, found >= std::numeric_limits<float>::max() * 0.999999f ? 0.0 : 1e9);
            continue;
        }
        const double unit = std::max(std::ldexp(1.0, std::ilogb(exact) - 23), 0x1p-149);
        worst = std::max(worst, std::abs(static_cast<double>(found) - exact) / unit);
    }
    MESSAGE("worst error: ", worst, " units in the last place");
    CHECK(worst <= 2);
}

TEST_CASE("exponential: the ends of the range") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    CHECK(exponential(0.0f) == 1);
    CHECK(exponential(-0.0f) == 1);
    CHECK(exponential(infinity) == infinity);
    CHECK(exponential(1e30f) == infinity);
    CHECK(exponential(-infinity) == 0);
    CHECK(exponential(-1e30f) == 0);
    CHECK(std::isnan(exponential(std::numeric_limits<float>::quiet_NaN())));
    CHECK(std::isnan(exponential(-std::numeric_limits<float>::quiet_NaN())));
    CHECK(exponential(1.0) == std::exp(1.0));
}

TEST_CASE("power_of_two: within two units in the last place for what is not positive, and 0 below -126") {
    double worst = 0;
    for (std::uint32_t bits = 0x80000000u; bits <= std::bit_cast<std::uint32_t>(-126.0f); bits += 211) {
        const float x = std::bit_cast<float>(bits);
        const double exact = std::exp2(static_cast<double>(x));
        const double unit = std::ldexp(1.0, std::ilogb(exact) - 23);
        worst = std::max(worst, std::abs(static_cast<double>(power_of_two(x)) - exact) / unit);
    }
    MESSAGE("worst error: ", worst, " units in the last place");
    CHECK(worst <= 2);
    CHECK(power_of_two(0.0f) == 1);
    CHECK(power_of_two(-126.0f) == 0x1p-126f);
    CHECK(power_of_two(-126.1f) == 0);
    CHECK(power_of_two(-1e30f) == 0);
    CHECK(power_of_two(-std::numeric_limits<float>::infinity()) == 0);
    CHECK(std::isnan(power_of_two(std::numeric_limits<float>::quiet_NaN())));
}

}  // namespace backend_compose_exponential_test
