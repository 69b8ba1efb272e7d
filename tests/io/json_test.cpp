#include <hydralora/io/json.hpp>
#include <hydralora/io/json_write.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>

#include "scratch.hpp"

namespace io_json_test {

using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {
std::string refusal(std::string_view text, const JsonLimits& limits = {}) {
    return error_of([&] { static_cast<void>(parse_json(text, "f.json", limits)); });
}
Json parsed(std::string_view text) { return parse_json(text, "f.json"); }
}  // namespace

TEST_CASE("each kind of value is read exactly") {
    CHECK(parsed(" null\r\n\t").is_null());
    CHECK(*parsed("true").get_if<bool>());
    CHECK(*parsed("9223372036854775807").get_if<std::int64_t>() == INT64_MAX);
    CHECK(*parsed("-9223372036854775808").get_if<std::int64_t>() == INT64_MIN);
    CHECK(*parsed("9223372036854775808").get_if<std::uint64_t>() == std::uint64_t{1} << 63);
    CHECK(*parsed("18446744073709551615").get_if<std::uint64_t>() == UINT64_MAX);
    CHECK(*parsed("0.1").get_if<double>() == 0.1);
    CHECK(*parsed("1e2").get_if<double>() == 100);
    CHECK(*parsed("\"a\\u00e9\\ud83d\\ude00\\n\\/\"").get_if<std::string>() == "a\xc3\xa9\xf0\x9f\x98\x80\n/");
    const Json document = parsed(R"({"z": [1, {"y": []}, {}], "a": "b", "": 0})");
    const auto& members = *document.get_if<Json::Object>();
    REQUIRE(members.size() == 3);
    CHECK(members[0].first == "z");
    CHECK(members[1].first == "a");
    CHECK(members[2].first == "");
    CHECK(document.find("z")->size() == 3);
    CHECK(document.find("x") == nullptr);
    CHECK(document ==
          Json::object(
              {{"z", Json::array({1, Json::object({{"y", Json::array()}}), Json::object()})}, {"a", "b"}, {"", 0}}));
}

TEST_CASE("what is no JSON is refused with line and column") {
    CHECK(has(refusal(""), "f.json: line 1, column 1: not JSON"));
    CHECK(has(refusal("{\n  \"a\": tru}"), "f.json: line 2, column 11: not JSON"));
    for (const char* text :
         {"[1,]",      "{\"a\":}", "{a:1}",       "[1",          "{\"a\":1", "01",       "+1",
          ".5",        "1.",       "0x1",         "NaN",         "Infinity", "'a'",      "[1] 2",
          "\"a",       "\"\\x\"",  "\"\\ud800\"", "\"\\udc00\"", "\"\x01\"", "\"\xff\"", "\"\xc0\x80\"",
          "{\"a\" 1}", "// c\n1",  "[1 2]",       "\xff",        "1e400"})
        CHECK_MESSAGE(has(refusal(text), "not JSON"), text);
    // What Python's json.dumps writes of float("nan") and float("inf").
    const auto no_number = [](const char* word) {
        return std::string("not JSON: found ") + word + ", and JSON has no NaN or Infinity; write null or a number";
    };
    CHECK(refusal("{\"a\": NaN}") == "f.json: line 1, column 7: " + no_number("NaN"));
    CHECK(refusal("[1,\n Infinity]") == "f.json: line 2, column 2: " + no_number("Infinity"));
    CHECK(refusal("{\"a\": -Infinity}") == "f.json: line 1, column 8: " + no_number("-Infinity"));
    CHECK(has(refusal("NaN"), no_number("NaN")));
    for (const char* text : {"\"\\NaN\"", "[1NaN]", "[-NaN]", "[trNaN]", "[N]", "[Infinit", "[-", "-", "[\"a\" NaN]"})
        CHECK_MESSAGE((has(refusal(text), "not JSON: ") && !has(refusal(text), "no NaN")), text);
    // The parser behind would take these two.
    CHECK(has(refusal(std::string_view("{}\0{}", 5)), "f.json: line 1, column 3: expected JSON, found a NUL byte"));
    CHECK(has(refusal("\xef\xbb\xbf{}"), "byte order mark"));
    // Other files under the name of JSON.
    CHECK(has(refusal("\x1f\x8b\x08"), "expected JSON, found gzip data; unpack it with gunzip"));
    CHECK(has(refusal(std::string_view("\xff\xfe{\0}\0", 6)), "expected JSON, found text in UTF-16"));
    CHECK(has(refusal(std::string_view("{\0}\0", 4)), "expected JSON, found text in UTF-16"));
}

TEST_CASE("integers beyond 64 bits are numbers, which nobody has to read as integers") {
    // Written where no length is set: int(1e30).
    const Json config = parsed(R"({"model_max_length": 1000000000000000019884624838656, "a": -9223372036854775809})");
    CHECK(*config.find("model_max_length")->get_if<double>() == 1e30);
    CHECK(*config.find("a")->get_if<double>() == -9223372036854775808.0);
    CHECK(!config.find("a")->whole());
    CHECK(!parsed("[18446744073709551616]").is_null());
}

TEST_CASE("numbers compare as numbers, and a whole one is whole however it is spelt") {
    for (const char* text : {"2", "2.0", "2e0", "20e-1"}) {
        CHECK(parsed(text).whole() == 2);
        CHECK(parsed(text) == parsed("2"));
        CHECK(Json::array({parsed(text)}) == Json::array({2.0}));
    }
    CHECK(parsed("-0.0").whole() == 0);
    CHECK(parsed("9007199254740992.0").whole() == std::int64_t{1} << 53);
    for (const char* text : {"2.5", "1e300", "-1e19", "true", "\"2\"", "null", "[2]"}) {
        CHECK(!parsed(text).whole());
        CHECK(!(parsed(text) == parsed("2")));
    }
    CHECK(!(parsed("true") == parsed("1")));
}

TEST_CASE("duplicate keys are refused at every level, in small and in large objects") {
    CHECK(has(refusal("{\"a\":1,\n\"a\":2}"), "f.json: line 2, column 3: expected each key once, found \"a\" twice"));
    CHECK(has(refusal(R"([{"b":{"c":[{"d":1,"e":2,"d":3}]}}])"), "found \"d\" twice"));
    CHECK(has(refusal(R"({"a":1,"\u0061":2})"), "found \"a\" twice"));
    for (const int count : {30, 33, 34, 1000}) {
        std::string text = "{";
        for (int i = 0; i < count; ++i) text += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
        CHECK(refusal(text + "\"k\":0}") == "");
        CHECK(has(refusal(text + "\"k7\":0}"), "found \"k7\" twice"));
    }
    CHECK(refusal(R"({"a":{"a":{"a":1}}})") == "");
}

TEST_CASE("limits: depth, size, values, lengths") {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    CHECK(refusal(nested(64)) == "");
    CHECK(has(refusal(nested(65)), "column 65: expected at most 64 levels of nesting"));
    CHECK(has(refusal(nested(1'000'000)), "expected at most 64 levels"));
    CHECK(has(refusal(std::string(1'000'000, '[')), "expected at most 64 levels"));
    std::string objects;
    for (int i = 0; i < 1'000'000; ++i) objects += "{\"\":";
    CHECK(has(refusal(objects), "expected at most 64 levels"));
    CHECK(has(refusal("[1,2,3]", {.values = 3}), "expected at most 3 values, found more"));
    CHECK(refusal("[1,2,3]", {.values = 4}) == "");
    CHECK(has(refusal("[1,2,3]", {.bytes = 6}), "expected at most 6 bytes of JSON, found 7"));
    CHECK(has(refusal("[\"12345\"]", {.string_bytes = 4}), "the string that ends here is longer than 4 bytes"));
    CHECK(
        has(refusal("[\"1\\\\\\\"\\\"45\"]", {.string_bytes = 4}), "the string that ends here is longer than 4 bytes"));
    CHECK(refusal("[\"1234\", \"1234\"]", {.string_bytes = 4}) == "");
    CHECK(has(refusal(std::string(1001, '1')), "the word or number that ends here is longer than 1000 bytes"));
}

TEST_CASE("a document cut anywhere is refused, one with a byte changed is refused or read") {
    const std::string text = R"({"a":[1,-2.5e3,"x\u00e9\"",null,true],"b":{"c":{}},"d":18446744073709551615})";
    CHECK(refusal(text) == "");
    for (std::size_t size = 0; size < text.size(); ++size) CHECK(refusal(text.substr(0, size)) != "");
    int readable = 0;
    for (std::size_t i = 0; i < text.size(); ++i)
        for (int byte = 0; byte < 256; ++byte) {
            std::string changed = text;
            changed[i] = static_cast<char>(byte);
            const std::string message = error_of([&] {
                const Json value = parsed(changed);
                if (parsed(to_text(value)) == value)
                    ++readable;
                else
                    FAIL("written and read again it is another value: " << changed);
            });
            if (!message.empty()) CHECK(has(message, "f.json: line "));
        }
    CHECK(readable > 100);
}

TEST_CASE("random values survive writing and reading") {
    std::mt19937_64 random(3);
    const auto make = [&](const auto& self, int depth) -> Json {
        switch (random() % (depth > 4 ? 6 : 8)) {
            case 0:
                return Json();
            case 1:
                return random() % 2 == 0;
            case 2:
                return static_cast<std::int64_t>(random() >> (random() % 64));
            case 3:
                return random();
            case 4: {
                const double value = std::bit_cast<double>(random());
                return std::isfinite(value) ? Json(value) : Json(-0.0);
            }
            case 5: {
                std::string text;
                for (std::size_t n = random() % 8; n > 0; --n) {
                    static constexpr const char* letters[] = {
                        "a", "\"", "\\", "\n", "\x01", "\x7f", "/", "\xc3\xa9", "\xf0\x9f\x98\x80", "\t"};
                    text += letters[random() % 10];
                }
                if (random() % 8 == 0) text += '\0';
                return text;
            }
            case 6: {
                Json result = Json::array();
                for (std::size_t n = random() % 5; n > 0; --n) result.push(self(self, depth + 1));
                return result;
            }
            default: {
                Json result = Json::object();
                for (std::size_t n = random() % 5; n > 0; --n)
                    result.set(std::to_string(random() % 9), self(self, depth + 1));
                return result;
            }
        }
    };
    for (int trial = 0; trial < 2000; ++trial) {
        const Json value = make(make, 0);
        for (const int indent : {0, 2}) {
            const std::string text = to_text(value, indent);
            const Json again = parsed(text);
            CHECK(again == value);
            CHECK(to_text(again, indent) == text);
        }
    }
}

}  // namespace io_json_test
