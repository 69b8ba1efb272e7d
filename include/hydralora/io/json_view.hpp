// Reading a JSON document by keys, with errors that name the file, the key, what was expected and what was found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "json_value.hpp"
#include "json_write.hpp"
#include "quote.hpp"

namespace hydralora::io {

/// A value of a document, or the absence of one, with the way that led to it. Both document and file name must outlive
/// it.
///
///     const JsonView config(document, "config.json");
///     const Index heads = config["num_heads"].integer(1, 1024);
///     // config.json: "num_heads": expected an integer in [1, 1024], found "x"
class JsonView {
public:
    JsonView(const Json& document, std::string_view file) : value_(&document), file_(file) {}
    JsonView(const Json&&, std::string_view) = delete;

    /// A member; absent if there is none of that name.
    [[nodiscard]] JsonView operator[](std::string_view key) const {
        if (value_ != nullptr && !value_->is_object()) refuse("an object");
        return {value_ == nullptr ? nullptr : value_->find(key), file_,
                path_.empty() ? std::string(key) : path_ + '.' + std::string(key)};
    }

    /// An element of an array.
    [[nodiscard]] JsonView element(std::size_t i) const {
        const auto& elements = array();
        check(i < elements.size(), where(), ": expected at least ", i + 1, " elements, found ", elements.size());
        return {&elements[i], file_, path_ + '[' + std::to_string(i) + ']'};
    }

    /// Whether there is a value that is not null.
    [[nodiscard]] bool exists() const { return value_ != nullptr && !value_->is_null(); }

    /// A whole number, as 2 or as 2.0, which writers of float columns make of it.
    [[nodiscard]] Index integer(Index low, Index high) const {
        const auto value = value_ == nullptr ? std::nullopt : value_->whole();
        if (!value || *value < low || *value > high) refuse(concat("an integer in [", low, ", ", high, "]"));
        return *value;
    }
    /// An integer is a number too.
    [[nodiscard]] double number(double low, double high) const {
        if (value_ != nullptr && value_->is_number()) {
            const auto* real = value_->get_if<double>();
            const auto* integer = value_->get_if<std::int64_t>();
            const double value = real != nullptr      ? *real
                                 : integer != nullptr ? static_cast<double>(*integer)
                                                      : static_cast<double>(*value_->get_if<std::uint64_t>());
            if (value >= low && value <= high) return value;
        }
        refuse(concat("a number in [", low, ", ", high, "]"));
    }
    [[nodiscard]] bool boolean() const { return get<bool>("true or false"); }
    [[nodiscard]] const std::string& string() const { return get<std::string>("a string"); }
    [[nodiscard]] const Json::Array& array() const { return get<Json::Array>("an array"); }
    [[nodiscard]] const Json::Object& object() const { return get<Json::Object>("an object"); }
    [[nodiscard]] std::size_t size() const { return value_ == nullptr ? 0 : value_->size(); }

    [[nodiscard]] std::uint64_t unsigned_integer() const {
        if (value_ != nullptr) {
            if (const auto* large = value_->get_if<std::uint64_t>()) return *large;
            if (const auto number = value_->whole(); number && *number >= 0) return static_cast<std::uint64_t>(*number);
        }
        refuse("an integer that is not negative");
    }

    /// A string that must be one of these.
    [[nodiscard]] const std::string& one_of(std::initializer_list<std::string_view> choices) const {
        const auto* text = value_ == nullptr ? nullptr : value_->get_if<std::string>();
        std::string expected = "one of";
        for (const std::string_view choice : choices) {
            if (text != nullptr && *text == choice) return *text;
            expected += (expected.back() == 'f' ? " " : ", ") + in_quotes(choice);
        }
        refuse(expected);
    }
    [[nodiscard]] std::vector<std::string> strings() const {
        std::vector<std::string> result;
        for (std::size_t i = 0; i < array().size(); ++i) result.push_back(element(i).string());
        return result;
    }

    /// The value, which must be there.
    [[nodiscard]] const Json& value() const {
        if (value_ == nullptr) refuse("a value");
        return *value_;
    }
    /// For messages: the file and the path of keys.
    [[nodiscard]] std::string where() const {
        return path_.empty() ? std::string(file_) : concat(file_, ": ", in_quotes(path_, 200));
    }

    [[noreturn]] void refuse(std::string_view expected) const {
        fail(where(), ": expected ", expected, ", found ",
             value_ == nullptr ? "nothing: the key is missing" : described(*value_));
    }

private:
    JsonView(const Json* value, std::string_view file, std::string path)
        : value_(value), file_(file), path_(std::move(path)) {}

    template <class T>
    const T& get(std::string_view expected) const {
        const T* value = value_ == nullptr ? nullptr : value_->get_if<T>();
        if (value == nullptr) refuse(expected);
        return *value;
    }
    static std::string described(const Json& value) {
        if (const auto* text = value.get_if<std::string>()) return in_quotes(*text);
        if (value.is_array()) return concat("an array of ", value.size(), " elements");
        if (value.is_object()) return concat("an object of ", value.size(), " members");
        return to_text(value);
    }

    const Json* value_;
    std::string_view file_;
    std::string path_;
};

}  // namespace hydralora::io
