#include <hydralora/io/json_write.hpp>

#include <doctest/doctest.h>

#include <limits>

#include "scratch.hpp"

namespace io_json_write_test {

using namespace hydralora::io;
using test::error_of;
using test::has;

TEST_CASE("numbers are the shortest that read back") {
    CHECK(to_text(1) == "1");
    CHECK(to_text(1.0) == "1.0");
    CHECK(to_text(0.1) == "0.1");
    CHECK(to_text(-0.0) == "-0.0");
    CHECK(to_text(1e300) == "1e+300");
    CHECK(to_text(std::numeric_limits<double>::denorm_min()) == "5e-324");
    CHECK(to_text(0.05f) == "0.05000000074505806");
    CHECK(to_text(UINT64_MAX) == "18446744073709551615");
    CHECK(to_text(INT64_MIN) == "-9223372036854775808");
    CHECK(has(error_of([] { static_cast<void>(to_text(std::numeric_limits<double>::quiet_NaN())); }),
              "cannot be written"));
    CHECK(has(error_of([] { static_cast<void>(to_text(std::numeric_limits<double>::infinity())); }),
              "cannot be written"));
}

TEST_CASE("strings are escaped where they must be") {
    CHECK(to_text("a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9") == "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\"");
    CHECK(has(error_of([] { static_cast<void>(to_text("\xff")); }), "is not UTF-8"));
}

TEST_CASE("members keep their order, on one line or indented") {
    Json value = Json::object({{"z", 1}, {"a", Json::array({true, nullptr})}});
    value.set("empty", Json::array()).set("z", 2).set("none", Json::object());
    CHECK(to_text(value) == R"({"z":2,"a":[true,null],"empty":[],"none":{}})");
    CHECK(to_text(value, 2) ==
          "{\n  \"z\": 2,\n  \"a\": [\n    true,\n    null\n  ],\n  \"empty\": [],\n  \"none\": {}\n}");
    CHECK(has(error_of([&] { value.push(1); }), "not an array"));
    CHECK(has(error_of([] { Json(1).set("a", 1); }), "\"a\": this value is not an object"));
}

}  // namespace io_json_write_test
