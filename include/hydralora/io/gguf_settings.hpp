// Settings of a model in the metadata of a GGUF file, whatever type of number a converter wrote them in.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "gguf.hpp"
#include "quote.hpp"

namespace hydralora::io {

namespace gguf_detail {

/// f(values of the type in the file): of an array all, else the one.
template <class F>
decltype(auto) with_numbers(const GgufFile& file, const GgufField& field, F&& f) {
    const auto read = [&]<class T>(T) {
        return f(field.type == GgufType::array ? file.values<T>(field.key) : std::vector<T>{file.value<T>(field.key)});
    };
    switch (field.element) {
        case GgufType::u8:
            return read(std::uint8_t{});
        case GgufType::i8:
            return read(std::int8_t{});
        case GgufType::u16:
            return read(std::uint16_t{});
        case GgufType::i16:
            return read(std::int16_t{});
        case GgufType::u32:
            return read(std::uint32_t{});
        case GgufType::i32:
            return read(std::int32_t{});
        case GgufType::u64:
            return read(std::uint64_t{});
        case GgufType::i64:
            return read(std::int64_t{});
        case GgufType::f32:
            return read(float{});
        default:
            break;
    }
    return read(double{});
}

[[nodiscard]] inline bool is_integer(GgufType type) {
    return type <= GgufType::i32 || type == GgufType::u64 || type == GgufType::i64;
}
[[nodiscard]] inline bool is_number(GgufType type) {
    return is_integer(type) || type == GgufType::f32 || type == GgufType::f64;
}

/// The whole number that a value is, 2 of 2.0 too; none for others and for those that do not fit.
template <class T>
[[nodiscard]] std::optional<Index> whole_number(T value) {
    if constexpr (std::is_floating_point_v<T>) {
        constexpr T most = T(std::uint64_t{1} << std::numeric_limits<T>::digits);  // further on it has lost digits
        if (!(std::abs(value) <= most) || value != std::trunc(value)) return std::nullopt;
    } else if (!std::in_range<Index>(value)) {
        return std::nullopt;
    }
    return static_cast<Index>(value);
}

/// For messages: what a field holds.
[[nodiscard]] inline std::string value_text(const GgufFile& file, const GgufField& field) {
    if (field.type == GgufType::array)
        return concat("an array of ", field.count, " values of type ", gguf_name(field.element));
    if (field.type == GgufType::string) return in_quotes(file.value<std::string_view>(field.key));
    if (field.type == GgufType::boolean) return file.value<bool>(field.key) ? "true" : "false";
    return with_numbers(file, field, [&](const auto& values) { return concat(+values.front()); });
}

}  // namespace gguf_detail

/// The fields below a prefix: with "llama.", `block_count` is the field "llama.block_count".
class GgufSettings {
public:
    GgufSettings(const GgufFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

    [[nodiscard]] const GgufField* find(std::string_view name) const { return file_.find_field(concat(prefix_, name)); }

    /// Throws: expected what is said, found what is there.
    [[noreturn]] void refuse(std::string_view name, std::string_view expected) const {
        const GgufField& f = field(name);
        fail(file_.where(f), ": expected ", expected, ", found ", gguf_detail::value_text(file_, f));
    }

    /// A whole number of any type of number.
    [[nodiscard]] Index integer(std::string_view name, Index least, Index most) const {
        const GgufField& f = field(name);
        if (f.type == GgufType::array || !gguf_detail::is_number(f.type)) refuse(name, range(least, most));
        return integers(f, least, most);
    }
    [[nodiscard]] Index integer(std::string_view name, Index least, Index most, Index otherwise) const {
        return find(name) != nullptr ? integer(name, least, most) : otherwise;
    }
    /// The same, or an array with one for each of `count` layers, which must be equal.
    [[nodiscard]] Index integer_of_layers(std::string_view name, Index count, Index least, Index most) const {
        const GgufField& f = field(name);
        if (f.type != GgufType::array) return integer(name, least, most);
        if (!gguf_detail::is_number(f.element) || f.count != static_cast<std::uint64_t>(count))
            refuse(name, concat("a whole number, or one for each of ", count, " layers"));
        return integers(f, least, most);
    }
    [[nodiscard]] double number(std::string_view name, double least, double most) const {
        const GgufField& f = field(name);
        const std::string expected = concat("a number from ", least, " to ", most);
        if (f.type == GgufType::array || !gguf_detail::is_number(f.type)) refuse(name, expected);
        const double value =
            gguf_detail::with_numbers(file_, f, [](const auto& values) { return static_cast<double>(values.front()); });
        if (!(value >= least && value <= most)) refuse(name, expected);
        return value;
    }
    [[nodiscard]] double number(std::string_view name, double least, double most, double otherwise) const {
        return find(name) != nullptr ? number(name, least, most) : otherwise;
    }
    [[nodiscard]] bool flag(std::string_view name, bool otherwise) const {
        if (find(name) == nullptr) return otherwise;
        if (field(name).type != GgufType::boolean) refuse(name, "true or false");
        return file_.value<bool>(concat(prefix_, name));
    }
    /// An array with one for each of `count` layers.
    [[nodiscard]] std::vector<bool> flags_of_layers(std::string_view name, Index count) const {
        const GgufField& f = field(name);
        if (f.type != GgufType::array || f.element != GgufType::boolean || f.count != static_cast<std::uint64_t>(count))
            refuse(name, concat("a flag for each of ", count, " layers"));
        return file_.values<bool>(f.key);
    }
    [[nodiscard]] std::string_view text(std::string_view name) const {
        if (field(name).type != GgufType::string) refuse(name, "a string");
        return file_.value<std::string_view>(concat(prefix_, name));
    }

private:
    [[nodiscard]] const GgufField& field(std::string_view name) const { return file_.field(concat(prefix_, name)); }
    [[nodiscard]] static std::string range(Index least, Index most) {
        return concat("a whole number from ", least, " to ", most);
    }
    /// All values of the field, which are one.
    [[nodiscard]] Index integers(const GgufField& f, Index least, Index most) const {
        return gguf_detail::with_numbers(file_, f, [&](const auto& values) -> Index {
            for (std::size_t i = 1; i < values.size(); ++i)
                check(values[i] == values[0], file_.where(f), ": expected the same number for every layer, found ",
                      +values[0], " for layer 0 and ", +values[i], " for layer ", i,
                      "; layers of different shapes are not computed");
            const auto value = gguf_detail::whole_number(values.front());
            if (!value || *value < least || *value > most)
                fail(file_.where(f), ": expected ", range(least, most), ", found ", +values.front());
            return *value;
        });
    }

    const GgufFile& file_;
    std::string prefix_;
};

}  // namespace hydralora::io
