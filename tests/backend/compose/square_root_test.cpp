#include <hydralora/backend/compose/square_root.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <limits>

namespace backend_compose_square_root_test {

using hydralora::functor::square_root;

TEST_CASE("square_root: within one unit in the last place of the exact value over all of float's range") {
    double worst = 0;
    for (std::uint32_t bits = 1; bits < 0x7f800000u - 211; bits += 211) {
        const float x = std::bit_cast<float>(bits);
        const double exact = std::sqrt(static_cast<double>(x));
        const double unit = std::ldexp(1.0, std::ilogb(exact) - 23);
        worst = std::max(worst, std::abs(static_cast<double>(square_root(x)) - exact) / unit);
    }
    MESSAGE("worst error: ", worst, " units in the last place");
    CHECK(worst <= 1);
}

TEST_CASE("square_root: the ends of the range") {
    constexpr float infinity = std::numeric_limits<float>::infinity();
    CHECK(square_root(0.0f) == 0);
    CHECK(square_root(std::numeric_limits<float>::denorm_min()) == doctest::Approx(std::sqrt(0x1p-149)));
    CHECK(square_root(std::numeric_limits<float>::max()) == doctest::Approx(0x1p64));
    CHECK(square_root(infinity) == infinity);
    CHECK(std::isnan(square_root(std::numeric_limits<float>::quiet_NaN())));
    CHECK(square_root(2.0) == std::sqrt(2.0));
}

}  // namespace backend_compose_square_root_test
