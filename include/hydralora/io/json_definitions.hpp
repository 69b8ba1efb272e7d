// The parser behind json.hpp: nlohmann's, run as a source of events. The one place that includes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "../core/config.hpp"
#include "file_kind.hpp"
#include "json.hpp"
#include "quote.hpp"

namespace hydralora::io {

namespace json_detail {

/// Steps over the text and tells the place how far it came.
class Reader {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    Reader(const char* at, JsonPlace* place) : at_(at), place_(place) {}
    const char& operator*() const { return *at_; }
    Reader& operator++() {
        place_->move_to(++at_);
        return *this;
    }
    Reader operator++(int) {
        Reader before = *this;
        ++*this;
        return before;
    }
    friend bool operator==(const Reader& a, const Reader& b) { return a.at_ == b.at_; }
    friend bool operator!=(const Reader& a, const Reader& b) { return a.at_ != b.at_; }

private:
    const char* at_;
    JsonPlace* place_;
};

/// What the parser would take or would pay too much for: a byte order mark and NUL (it stops there and calls it the
/// end), long strings and numbers (it keeps two copies).
HYDRALORA_INLINE void check_tokens(JsonPlace& place, const JsonLimits& limits) {
    const std::string_view text = place.text();
    if (text.size() > limits.bytes)
        place.fail("expected at most ", limits.bytes, " bytes of JSON, found ", text.size());
    if (const std::string_view kind = foreign_kind(text); !kind.empty()) place.fail("expected JSON, found ", kind);
    if (text.substr(0, 3) == byte_order_mark)
        place.fail("expected JSON, found a byte order mark; remove the first three bytes");
    constexpr std::size_t longest_number = 1000;
    bool in_string = false;
    std::size_t length = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\0') {
            place.move_to(text.data() + i + 1);
            place.fail("expected JSON, found a NUL byte");
        }
        ++length;
        if (in_string) {
            if (c == '\\') {
                if (i + 1 < text.size() && text[i + 1] != '\0') ++i;
            } else if (c == '"') {
                in_string = false;
                length = 0;
            }
        } else if (c == '"') {
            in_string = true;
            length = 0;
        } else if (std::strchr("{}[]:, \t\r\n", c) != nullptr) {
            length = 0;
        }
        if (length > (in_string ? limits.string_bytes : longest_number)) {
            place.move_to(text.data() + i + 1);
            place.fail(in_string ? "the string" : "the word or number", " that ends here is longer than ",
                       in_string ? limits.string_bytes : longest_number, " bytes");
        }
    }
}

/// NaN, Infinity or -Infinity, which Python's json writes, where the parser has stopped behind the first letter; "" else.
[[nodiscard]] HYDRALORA_INLINE std::string_view no_number(const JsonPlace& place) {
    const std::string_view text = place.text();
    const auto read = static_cast<std::size_t>(place.at() - text.data());
    if (read == 0) return {};
    const bool negative = read > 1 && text[read - 2] == '-';
    const std::size_t first = read - (negative ? 2 : 1), before = text.substr(0, first).find_last_not_of(" \t\r\n");
    if (before != std::string_view::npos && std::strchr("[:,", text[before]) == nullptr) return {};  // within a word
    for (const std::string_view word : {"NaN", "Infinity", "-Infinity"})
        if (text.substr(first, word.size()) == word) return word;
    return {};
}

/// Translates the parser's events (its names are fixed) to ours, and holds depth and number of values.
class Sax {
public:
    Sax(Receiver& events, JsonPlace& place, const JsonLimits& limits)
        : events_(events), place_(place), limits_(limits) {}

    bool null() { return count(), events_.null(), true; }
    bool boolean(bool value) { return count(), events_.boolean(value), true; }
    bool number_integer(std::int64_t value) { return count(), events_.integer(value), true; }
    bool number_unsigned(std::uint64_t value) { return count(), events_.unsigned_integer(value), true; }
    bool number_float(double value, const std::string& token) { return count(), events_.real(value, token), true; }
    bool string(std::string& value) { return count(), events_.string(std::move(value)), true; }
    bool binary(nlohmann::json::binary_t&) { return false; }
    bool key(std::string& value) { return events_.key(std::move(value)), true; }
    bool start_object(std::size_t) { return descend(), events_.begin_object(), true; }
    bool start_array(std::size_t) { return descend(), events_.begin_array(), true; }
    bool end_object() { return --depth_, events_.end_object(), true; }
    bool end_array() { return --depth_, events_.end_array(), true; }

    template <class Exception>
    bool parse_error(std::size_t, const std::string&, const Exception& error) {
        if (const std::string_view word = no_number(place_); !word.empty())
            place_.fail("not JSON: found ", word, ", and JSON has no NaN or Infinity; write null or a number");
        // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while parsing value - what we
        // want"
        std::string_view text = error.what();
        if (const auto end = text.find("] "); end != std::string_view::npos) text.remove_prefix(end + 2);
        if (const auto colon = text.find(": "); text.substr(0, 11) == "parse error" && colon != std::string_view::npos)
            text.remove_prefix(colon + 2);
        const std::string words = in_quotes(text, 200);
        place_.fail("not JSON: ", std::string_view(words).substr(1, words.size() - 2));
    }

private:
    void count() {
        if (++values_ > limits_.values) place_.fail("expected at most ", limits_.values, " values, found more");
    }
    void descend() {
        count();
        if (++depth_ > limits_.depth) place_.fail("expected at most ", limits_.depth, " levels of nesting, found more");
    }

    Receiver& events_;
    JsonPlace& place_;
    const JsonLimits& limits_;
    std::size_t depth_ = 0, values_ = 0;
};

HYDRALORA_INLINE void parse(JsonPlace& place, const JsonLimits& limits, Receiver& receiver) {
    check_tokens(place, limits);
    const std::string_view text = place.text();
    place.move_to(text.data());
    Sax sax(receiver, place, limits);
    // What json::sax_parse does for JSON. That function brings the readers of five binary formats besides: 90 KiB of code
    // and a second and a half of compile time in each unit.
    auto input =
        nlohmann::detail::input_adapter(Reader(text.data(), &place), Reader(text.data() + text.size(), &place));
    const bool complete = nlohmann::detail::parser<nlohmann::json, decltype(input)>(std::move(input)).sax_parse(&sax);
    if (!complete) place.fail("not JSON");
}

}  // namespace json_detail

}  // namespace hydralora::io
