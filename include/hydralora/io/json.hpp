// Reading JSON from outside, with our own checks on depth, size, duplicate keys, integers and bytes. No recursion: depth costs no
// stack. The parser is in json_definitions.hpp: in every unit, or in the target hydralora::compiled alone (compiled.hpp).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../core/check.hpp"
#include "file.hpp"
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

/// What the parser tells its events to.
class Receiver {
public:
    virtual void null() = 0;
    virtual void boolean(bool value) = 0;
    virtual void integer(std::int64_t value) = 0;
    virtual void unsigned_integer(std::uint64_t value) = 0;
    virtual void real(double value, const std::string& token) = 0;
    virtual void string(std::string&& value) = 0;
    virtual void key(std::string&& value) = 0;
    virtual void begin_object() = 0;
    virtual void end_object() = 0;
    virtual void begin_array() = 0;
    virtual void end_array() = 0;

protected:
    ~Receiver() = default;
};

/// Passes them on.
template <class Events>
class Receives final : public Receiver {
public:
    explicit Receives(Events& events) : events_(events) {}

    void null() override { events_.null(); }
    void boolean(bool value) override { events_.boolean(value); }
    void integer(std::int64_t value) override { events_.integer(value); }
    void unsigned_integer(std::uint64_t value) override { events_.unsigned_integer(value); }
    void real(double value, const std::string& token) override { events_.real(value, token); }
    void string(std::string&& value) override { events_.string(std::move(value)); }
    void key(std::string&& value) override { events_.key(std::move(value)); }
    void begin_object() override { events_.begin_object(); }
    void end_object() override { events_.end_object(); }
    void begin_array() override { events_.begin_array(); }
    void end_array() override { events_.end_array(); }

private:
    Events& events_;
};

void parse(JsonPlace& place, const JsonLimits& limits, Receiver& receiver);

}  // namespace json_detail

/// Reads one JSON document and calls, in order, `events.null() .boolean(b) .integer(i) .unsigned_integer(u) .real(d,
/// token) .string(s) .key(s) .begin_object() .end_object() .begin_array() .end_array()`. Negative integers (and -0)
/// come as `integer`, those beyond 64 bits as `real`. The events may throw, best through `place.fail`; duplicate keys are theirs to refuse.
template <class Events>
void parse_json_events(JsonPlace& place, const JsonLimits& limits, Events& events) {
    json_detail::Receives<Events> receiver(events);
    json_detail::parse(place, limits, receiver);
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

#if !defined(HYDRALORA_COMPILED_JSON)
#include "json_definitions.hpp"
#endif
