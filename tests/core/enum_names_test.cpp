#include <doctest/doctest.h>

#include <array>
#include <hydralora/core/enum_names.hpp>
#include <string_view>

namespace core_enum_names_test {

using namespace hydralora;

namespace {
enum class Colour { red, green, blue };
constexpr std::array<std::string_view, 3> names{"red", "green", "blue"};
}  // namespace

TEST_CASE("names: both ways, for every enumerator") {
    CHECK(enum_name(Colour::red, names) == "red");
    CHECK(enum_name(Colour::blue, names) == "blue");
    CHECK(parse_enum<Colour>("colour", "green", names) == Colour::green);
    for (const auto name : names) CHECK(enum_name(parse_enum<Colour>("colour", name, names), names) == name);
}

TEST_CASE("names: an unknown one is refused with the choices") {
    for (const char* name : {"", "Red", "gree", "greens"})
        CHECK_THROWS_AS(static_cast<void>(parse_enum<Colour>("colour", name, names)), Error);
    CHECK_THROWS_WITH_AS(static_cast<void>(parse_enum<Colour>("colour", "pink", names)),
                         "colour: \"pink\" is unknown, expected one of: red, green, blue", Error);
}

}  // namespace core_enum_names_test
