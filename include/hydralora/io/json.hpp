// Reading JSON from outside. nlohmann's parser runs as a source of events, with our own checks on depth, size,
// duplicate keys, integers and bytes; it is the one place that includes it. No recursion: depth costs no stack.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "../core/check.hpp"
#include "file.hpp"
#include "file_kind.hpp"
#include "json_value.hpp"
#include "quote.hpp"

namespace hydralora::io {

/// What a document may cost: about 80 bytes of memory a value, and four times the longest string.
struct JsonLimits {
    std::size_t bytes = std::size_t{64} << 20;
    std::size_t depth = 64;
    std::size_t values = std::size_t{1} << 22;
    std::size_t string_bytes = std::size_t{8} << 20;
};

/// A text and how far it has been read: the place in error messages.
class JsonPlace {
public:
    JsonPlace(std::string_view text, std::string_view file) : text_(text), file_(file), at_(text.data()) {}

    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        const std::string_view read = text_.substr(0, static_cast<std::size_t>(at_ - text_.data()));
        const auto line = 1 + std::count(read.begin(), read.end(), '\n');
        const auto begin = read.rfind('\n');
        const std::size_t column = read.size() - (begin == std::string_view::npos ? 0 : begin + 1);
        hydralora::fail(file_, ": line ", line, ", column ", std::max<std::size_t>(column, 1), ": ", parts...);
    }
    void move_to(const char* at) { at_ = at; }
    /// How far the text has been read.
    [[nodiscard]] const char* at() const { return at_; }
    [[nodiscard]] std::string_view text() const { return text_; }

private:
    std::string_view text_, file_;
    const char* at_;
};

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
inline void check_tokens(JsonPlace& place, const JsonLimits& limits) {
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

/// Translates the parser's events (its names are fixed) to ours, and holds depth and number of values.
template <class Events>
class Sax {
public:
    Sax(Events& events, JsonPlace& place, const JsonLimits& limits) : events_(events), place_(place), limits_(limits) {}

    bool null() { return count(), events_.null(), true; }
    bool boolean(bool value) { return count(), events_.boolean(value), true; }
    bool number_integer(std::int64_t value) { return count(), events_.integer(value), true; }
    bool number_unsigned(std::uint64_t value) { return count(), events_.unsigned_integer(value), true; }
    bool number_float(double value, const std::string& token) {
        return count(), events_.real(value, token), true;
    }
    bool string(std::string& value) { return count(), events_.string(std::move(value)), true; }
    bool binary(nlohmann::json::binary_t&) { return false; }
    bool key(std::string& value) { return events_.key(std::move(value)), true; }
    bool start_object(std::size_t) { return descend(), events_.begin_object(), true; }
    bool start_array(std::size_t) { return descend(), events_.begin_array(), true; }
    bool end_object() { return --depth_, events_.end_object(), true; }
    bool end_array() { return --depth_, events_.end_array(), true; }

    template <class Exception>
    bool parse_error(std::size_t, const std::string&, const Exception& error) {
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

    Events& events_;
    JsonPlace& place_;
    const JsonLimits& limits_;
    std::size_t depth_ = 0, values_ = 0;
};

}  // namespace json_detail

/// Reads one JSON document and calls, in order, `events.null() .boolean(b) .integer(i) .unsigned_integer(u) .real(d,
/// token) .string(s) .key(s) .begin_object() .end_object() .begin_array() .end_array()`. Negative integers (and -0)
/// come as `integer`, those beyond 64 bits as `real`. The events may throw, best through `place.fail`; duplicate keys are theirs to refuse.
template <class Events>
void parse_json_events(JsonPlace& place, const JsonLimits& limits, Events& events) {
    json_detail::check_tokens(place, limits);
    const std::string_view text = place.text();
    place.move_to(text.data());
    json_detail::Sax<Events> sax(events, place, limits);
    // What json::sax_parse does for JSON. That function brings the readers of five binary formats besides: 90 KiB of code
    // and a second and a half of compile time in each unit.
    auto input = nlohmann::detail::input_adapter(json_detail::Reader(text.data(), &place),
                                                 json_detail::Reader(text.data() + text.size(), &place));
    const bool complete = nlohmann::detail::parser<nlohmann::json, decltype(input)>(std::move(input)).sax_parse(&sax);
    if (!complete) place.fail("not JSON");
}

/// Builds a value from events.
class JsonBuilder {
public:
    explicit JsonBuilder(const JsonPlace& place) : place_(place) {}

    void null() { add(Json()); }
    void boolean(bool value) { add(Json(value)); }
    void integer(std::int64_t value) { add(Json(value)); }
    void unsigned_integer(std::uint64_t value) { add(Json(value)); }
    void real(double value, const std::string&) { add(Json(value)); }
    void string(std::string value) { add(Json(std::move(value))); }
    void begin_object() { open_.push_back(add(Json::object())); }
    void begin_array() { open_.push_back(add(Json::array())); }
    void end_array() { open_.pop_back(); }
    void key(std::string name) {
        auto& members = std::get<Json::Object>(open_.back()->value_);
        // Small objects at once, for the place; large ones when they end, for the time.
        if (members.size() <= few)
            for (const auto& member : members)
                if (member.first == name) refuse_duplicate(name);
        members.emplace_back(std::move(name), Json());
    }
    void end_object() {
        const auto& members = std::get<Json::Object>(open_.back()->value_);
        if (members.size() > few) {
            std::vector<std::uint32_t> order(members.size());
            std::iota(order.begin(), order.end(), 0u);
            std::sort(order.begin(), order.end(), [&](auto a, auto b) { return members[a].first < members[b].first; });
            for (std::size_t i = 1; i < order.size(); ++i)
                if (members[order[i - 1]].first == members[order[i]].first) refuse_duplicate(members[order[i]].first);
        }
        open_.pop_back();
    }
    [[nodiscard]] Json take() { return std::move(root_); }

private:
    static constexpr std::size_t few = 32;

    [[noreturn]] void refuse_duplicate(const std::string& name) const {
        place_.fail("expected each key once, found ", in_quotes(name), " twice");
    }

    /// Stays where it is while the containers around it are open, for nothing is added to them meanwhile.
    Json* add(Json value) {
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        if (auto* elements = std::get_if<Json::Array>(&open_.back()->value_))
            return &elements->emplace_back(std::move(value));
        Json& last = std::get<Json::Object>(open_.back()->value_).back().second;
        last = std::move(value);
        return &last;
    }

    const JsonPlace& place_;
    Json root_;
    std::vector<Json*> open_;
};

/// The value of a JSON text; `file` is for messages.
[[nodiscard]] inline Json parse_json(std::string_view text, std::string_view file, const JsonLimits& limits = {}) {
    JsonPlace place(text, file);
    JsonBuilder builder(place);
    parse_json_events(place, limits, builder);
    return builder.take();
}

/// The value of a JSON file.
[[nodiscard]] inline Json read_json(const std::filesystem::path& path, const JsonLimits& limits = {}) {
    const MappedFile file = MappedFile::open(path);
    return parse_json(file.text(), file.path(), limits);
}

}  // namespace hydralora::io
