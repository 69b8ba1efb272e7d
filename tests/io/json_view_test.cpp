#include <hydralora/io/json_view.hpp>

#include <doctest/doctest.h>

#include "scratch.hpp"

namespace io_json_view_test {

using namespace hydralora::io;
using test::error_of;

TEST_CASE("errors name file, key, what was expected and what was found") {
    const Json document = Json::object({{"heads", "x"},
                                        {"rope", Json::object({{"theta", 1e4}, {"factors", Json::array({1, "two"})}})},
                                        {"large", UINT64_MAX},
                                        {"none", nullptr},
                                        {"half", 0.5},
                                        {"names", Json::array({"a", "b"})},
                                        {"mixed", Json::array({"a", 1})}});
    const JsonView config(document, "config.json");
    const auto message = [](auto&& get) { return error_of([&] { static_cast<void>(get()); }); };
    CHECK(message([&] { return config["heads"].integer(1, 1024); }) ==
          "config.json: \"heads\": expected an integer in [1, 1024], found \"x\"");
    CHECK(message([&] { return config["rope"]["theta"].integer(1, 9); }) ==
          "config.json: \"rope.theta\": expected an integer in [1, 9], found 10000.0");
    CHECK(message([&] { return config["rope"]["factors"].element(1).number(0, 1); }) ==
          "config.json: \"rope.factors[1]\": expected a number in [0, 1], found \"two\"");
    CHECK(message([&] { return config["rope"]["factors"].element(2).boolean(); }) ==
          "config.json: \"rope.factors\": expected at least 3 elements, found 2");
    CHECK(message([&] { return config["rank"].integer(1, 8); }) ==
          "config.json: \"rank\": expected an integer in [1, 8], found nothing: the key is missing");
    CHECK(message([&] { return config["a"]["b"].string(); }) ==
          "config.json: \"a.b\": expected a string, found nothing: the key is missing");
    CHECK(message([&] { return config["heads"]["b"].string(); }) ==
          "config.json: \"heads\": expected an object, found \"x\"");
    CHECK(message([&] { return config["large"].integer(0, INT64_MAX); }) ==
          "config.json: \"large\": expected an integer in [0, 9223372036854775807], found 18446744073709551615");
    CHECK(message([&] { return config["rope"].boolean(); }) ==
          "config.json: \"rope\": expected true or false, found an object of 2 members");
    CHECK(message([&] {
              return config["heads"].one_of({"8", "16"});
          }) == "config.json: \"heads\": expected one of \"8\", \"16\", found \"x\"");
    CHECK(message([&] { return config["none"].string(); }) == "config.json: \"none\": expected a string, found null");
    CHECK(message([&] { return config["mixed"].strings(); }) ==
          "config.json: \"mixed[1]\": expected a string, found 1");
    CHECK(message([&] { return config.integer(0, 1); }) ==
          "config.json: expected an integer in [0, 1], found an object of 7 members");
    CHECK(message([&] { return config["half"].unsigned_integer(); }) ==
          "config.json: \"half\": expected an integer that is not negative, found 0.5");
    CHECK(message([&] { return config["half"].integer(0, 1); }) ==
          "config.json: \"half\": expected an integer in [0, 1], found 0.5");

    CHECK(config["rope"]["theta"].number(0, 1e9) == 1e4);
    CHECK(config["rope"]["theta"].integer(0, 10000) == 10000);
    CHECK(config["rope"]["theta"].unsigned_integer() == 10000);
    CHECK(config["rope"]["factors"].element(0).integer(1, 1) == 1);
    CHECK(config["rope"]["factors"].element(0).number(0, 2) == 1);
    CHECK(config["large"].unsigned_integer() == UINT64_MAX);
    CHECK(config["heads"].one_of({"w", "x"}) == "x");
    CHECK(config["names"].strings() == std::vector<std::string>{"a", "b"});
    CHECK(!config["none"].exists());
    CHECK(!config["rank"].exists());
    CHECK(config["heads"].exists());
    CHECK(config["names"].size() == 2);
}

}  // namespace io_json_view_test
