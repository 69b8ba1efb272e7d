#include <doctest/doctest.h>

#include <cstdint>
#include <hydralora/core/check.hpp>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>

namespace core_check_test {

using namespace hydralora;

namespace {
struct Counted {
    int* printed;
    operator std::string_view() const {
        ++*printed;
        return "a text";
    }
};
}  // namespace

TEST_CASE("check: the message is the parts one after another") {
    CHECK_THROWS_WITH_AS(check(false, "layer: x has ", 512, " columns, expected in = ", 4096),
                         "layer: x has 512 columns, expected in = 4096", Error);
    CHECK_THROWS_WITH_AS(fail("rate = ", 1.5, ' ', std::string("too large")), "rate = 1.5 too large", Error);
    CHECK_THROWS_AS(fail(""), std::runtime_error);
    CHECK(concat("a", 1, 2.5) == "a12.5");
}

TEST_CASE("check: numbers as streams print them, characters as such") {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    CHECK(concat(1e-6, ' ', 1.0f / 3, ' ', 1e20, ' ', 100000.0, ' ', 1234567.0) ==
          "1e-06 0.333333 1e+20 100000 1.23457e+06");
    CHECK(concat(infinity, -infinity) == "inf-inf");
    CHECK(concat(std::numeric_limits<std::int64_t>::min(), ' ', std::numeric_limits<std::uint64_t>::max()) ==
          "-9223372036854775808 18446744073709551615");
    CHECK(concat(std::string("text"), std::string_view(" view"), ',', true, short{-3}, 7u) == "text view,1-37");
}

TEST_CASE("check: nothing is built unless it fails") {
    int printed = 0;
    check(true, "no ", Counted{&printed});
    CHECK(printed == 0);
    CHECK_THROWS_AS(check(false, Counted{&printed}), Error);
    CHECK(printed == 1);
}

}  // namespace core_check_test
