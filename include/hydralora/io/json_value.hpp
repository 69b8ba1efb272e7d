// A JSON value: integers of 64 bits exact, objects in the order of insertion and without duplicate keys.
#pragma once

#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "../core/check.hpp"
#include "quote.hpp"

namespace hydralora::io {

class Json {
public:
    using Array = std::vector<Json>;
    using Member = std::pair<std::string, Json>;
    using Object = std::vector<Member>;

    Json() = default;  // null
    Json(std::nullptr_t) {}
    Json(bool value) : value_(value) {}
    Json(double value) : value_(value) {}
    Json(float value) : value_(static_cast<double>(value)) {}
    template <std::integral Integer>
    requires(!std::same_as<Integer, bool>) Json(Integer value) {
        // One number, one representation: unsigned only above 2^63 - 1.
        if (std::in_range<std::int64_t>(value))
            value_ = static_cast<std::int64_t>(value);
        else
            value_ = static_cast<std::uint64_t>(value);
    }
    Json(std::string value) : value_(std::move(value)) {}
    Json(std::string_view value) : value_(std::string(value)) {}
    Json(const char* value) : value_(std::string(value)) {}
    Json(const std::vector<std::string>& texts) : value_(Array(texts.begin(), texts.end())) {}

    [[nodiscard]] static Json array() { return Json(Array{}); }
    [[nodiscard]] static Json array(std::initializer_list<Json> elements) { return Json(Array(elements)); }
    [[nodiscard]] static Json object() { return Json(Object{}); }
    [[nodiscard]] static Json object(std::initializer_list<Member> members) {
        Json result = object();
        for (const Member& member : members) result.set(member.first, member.second);
        return result;
    }
    /// Takes members as they are: the keys must differ.
    [[nodiscard]] static Json from_members(Object members) { return Json(std::move(members)); }

    [[nodiscard]] bool is_null() const { return is<std::monostate>(); }
    [[nodiscard]] bool is_bool() const { return is<bool>(); }
    [[nodiscard]] bool is_integer() const { return is<std::int64_t>() || is<std::uint64_t>(); }
    [[nodiscard]] bool is_number() const { return is_integer() || is<double>(); }
    [[nodiscard]] bool is_string() const { return is<std::string>(); }
    [[nodiscard]] bool is_array() const { return is<Array>(); }
    [[nodiscard]] bool is_object() const { return is<Object>(); }

    /// The value if it is exactly a T (bool, std::int64_t, std::uint64_t, double, std::string, Array, Object), else
    /// nullptr.
    template <class T>
    [[nodiscard]] const T* get_if() const {
        return std::get_if<T>(&value_);
    }

    /// The whole number that this is, however it is spelt: 2 of 2.0 and 2e0 too. None for others, and for those that do
    /// not fit.
    [[nodiscard]] std::optional<std::int64_t> whole() const {
        if (const auto* integer = get_if<std::int64_t>()) return *integer;
        constexpr double most = 9007199254740992.0;  // 2^53: further on a double has lost digits
        const auto* real = get_if<double>();
        if (real == nullptr || !(std::abs(*real) <= most) || *real != std::trunc(*real)) return std::nullopt;
        return static_cast<std::int64_t>(*real);
    }

    /// Elements of an array or members of an object; 0 for all others.
    [[nodiscard]] std::size_t size() const {
        if (const auto* a = get_if<Array>()) return a->size();
        if (const auto* o = get_if<Object>()) return o->size();
        return 0;
    }

    /// The member of that name, nullptr if there is none or this is no object. Looks at one after another.
    [[nodiscard]] const Json* find(std::string_view key) const {
        if (const auto* members = get_if<Object>())
            for (const Member& member : *members)
                if (member.first == key) return &member.second;
        return nullptr;
    }

    /// Sets a member of an object (null becomes an object); a new key goes to the end. Returns this, to chain.
    Json& set(std::string_view key, Json value) {
        if (is_null()) value_ = Object{};
        auto* members = std::get_if<Object>(&value_);
        check(members != nullptr, "Json::set: ", in_quotes(key), ": this value is not an object");
        for (Member& member : *members)
            if (member.first == key) {
                member.second = std::move(value);
                return *this;
            }
        members->emplace_back(std::string(key), std::move(value));
        return *this;
    }

    /// Adds an element to an array (null becomes an array). Returns this, to chain.
    Json& push(Json value) {
        if (is_null()) value_ = Array{};
        auto* elements = std::get_if<Array>(&value_);
        check(elements != nullptr, "Json::push: this value is not an array");
        elements->push_back(std::move(value));
        return *this;
    }

    /// Numbers compare as numbers: 1 is 1.0.
    friend bool operator==(const Json& a, const Json& b) {
        if (a.value_.index() == b.value_.index()) return a.value_ == b.value_;
        const auto whole = a.is_number() && b.is_number() ? a.whole() : std::nullopt;
        return whole && whole == b.whole();
    }

private:
    explicit Json(Array elements) : value_(std::move(elements)) {}
    explicit Json(Object members) : value_(std::move(members)) {}

    template <class T>
    [[nodiscard]] bool is() const {
        return std::holds_alternative<T>(value_);
    }

    friend class JsonBuilder;
    std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array, Object> value_;
};

}  // namespace hydralora::io
