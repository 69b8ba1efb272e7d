#include <doctest/doctest.h>

#include <hydralora/core/check.hpp>
#include <stdexcept>
#include <string>

using namespace hydralora;

namespace {
struct Counted {
    int* printed;
    friend std::ostream& operator<<(std::ostream& out, const Counted& c) {
        ++*c.printed;
        return out;
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

TEST_CASE("check: nothing is built unless it fails") {
    int printed = 0;
    check(true, "no ", Counted{&printed});
    CHECK(printed == 0);
    CHECK_THROWS_AS(check(false, Counted{&printed}), Error);
    CHECK(printed == 1);
}
