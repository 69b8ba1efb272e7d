// Reading GGUF files: mapped into memory, checked once when opened, read in place or converted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "dtype.hpp"
#include "file.hpp"
#include "gguf_header.hpp"
#include "quote.hpp"

namespace hydralora::io {

/// A GGUF file. Views into it live as long as it does (moving it is allowed).
class GgufFile {
public:
    [[nodiscard]] static GgufFile open(const std::filesystem::path& path) { return GgufFile(MappedFile::open(path)); }

    /// A file that is mapped already.
    explicit GgufFile(MappedFile mapped)
        : mapped_(std::move(mapped)),
          name_(mapped_.path()),
          bytes_(mapped_.bytes()),
          header_(parse_gguf(bytes_, name_)) {}
    /// A file in the caller's memory, which must outlive this; `name` is for messages.
    GgufFile(std::span<const std::byte> bytes, std::string_view name)
        : name_(name), bytes_(bytes), header_(parse_gguf(bytes_, name_)) {}

    /// Fields and tensors in the order of the file.
    [[nodiscard]] std::span<const GgufField> fields() const { return header_.fields; }
    [[nodiscard]] std::span<const GgufEntry> entries() const { return header_.entries; }
    [[nodiscard]] std::uint32_t version() const { return header_.version; }
    /// All bytes of the file.
    [[nodiscard]] std::span<const std::byte> file_bytes() const { return bytes_; }
    [[nodiscard]] std::uint64_t alignment() const { return header_.alignment; }
    [[nodiscard]] const std::string& name() const { return name_; }

    /// The field of that key, nullptr if there is none; and one that must be there.
    [[nodiscard]] const GgufField* find_field(std::string_view key) const {
        return lookup(header_.fields_by_key, header_.fields, key,
                      [](const GgufField& f) -> const std::string& { return f.key; });
    }
    [[nodiscard]] const GgufField& field(std::string_view key) const {
        const GgufField* found = find_field(key);
        check(found != nullptr, name_, ": expected a field ", in_quotes(key), ", found none of that key among ",
              header_.fields.size());
        return *found;
    }

    /// A value of exactly that type: bool, std::string_view or the number type of the file.
    template <class T>
    [[nodiscard]] T value(std::string_view key) const {
        const GgufField& f = field(key);
        check(f.type == type_of<T>(), where(f), ": expected ", gguf_name(type_of<T>()), ", found ", gguf_name(f.type));
        std::uint64_t at = f.begin;
        return element<T>(f, at);
    }
    /// The elements of an array of exactly that type.
    template <class T>
    [[nodiscard]] std::vector<T> values(std::string_view key) const {
        const GgufField& f = field(key);
        check(f.type == GgufType::array && f.element == type_of<T>(), where(f), ": expected an array of ",
              gguf_name(type_of<T>()), ", found ", f.type == GgufType::array ? "an array of " : "",
              gguf_name(f.element));
        std::vector<T> result;
        result.reserve(static_cast<std::size_t>(f.count));
        std::uint64_t at = f.begin;
        for (std::uint64_t i = 0; i < f.count; ++i) result.push_back(element<T>(f, at));
        return result;
    }

    /// The tensor of that name, nullptr if there is none; and one that must be there.
    [[nodiscard]] const GgufEntry* find(std::string_view name) const {
        return lookup(header_.by_name, header_.entries, name,
                      [](const GgufEntry& e) -> const std::string& { return e.name; });
    }
    [[nodiscard]] const GgufEntry& at(std::string_view name) const {
        const GgufEntry* entry = find(name);
        check(entry != nullptr, name_, ": expected a tensor ", in_quotes(name), ", found none of that name among ",
              header_.entries.size());
        return *entry;
    }
    [[nodiscard]] std::span<const std::byte> bytes(const GgufEntry& entry) const {
        return bytes_.subspan(static_cast<std::size_t>(entry.begin), static_cast<std::size_t>(entry.end - entry.begin));
    }

    /// The tensor in place. Its elements must be T; the last dimension goes across, all others down.
    template <class T>
    [[nodiscard]] MatrixView<const T> view(std::string_view name) const {
        const GgufEntry& entry = at(name);
        check(entry.type.plain && entry.type.dtype == dtype_of<T>(), where(entry), ": expected elements ",
              dtype_name(dtype_of<T>()), ", found ", entry.type.name, "; read_as converts");
        const auto data = bytes(entry);
        check(reinterpret_cast<std::uintptr_t>(data.data()) % alignof(T) == 0, where(entry), ": begins at byte ",
              entry.begin, ", which is not aligned for ", entry.type.name, "; read_as copies");
        const Shape shape = entry.shape.matrix();
        return {reinterpret_cast<const T*>(data.data()), shape.rows, shape.cols};
    }

    /// Copies the tensor into `out` of the same shape, converting between floating-point types.
    template <class T>
    void read_as(std::string_view name, MatrixView<T> out) const {
        const GgufEntry& entry = at(name);
        check(entry.shape.matrix() == out.shape(), where(entry), ": expected shape (", out.rows, ", ", out.cols,
              "), found ", entry.shape.text());
        check(entry.type.plain && readable_as<T>(entry.type.dtype), where(entry),
              ": expected elements that can be read as ", dtype_name(dtype_of<T>()), ", found ", entry.type.name);
        const std::byte* from = bytes(entry).data();
        const std::uint64_t row = entry.type.bytes * static_cast<std::uint64_t>(out.cols);
        for (Index i = 0; i < out.rows; ++i, from += row)
            convert_elements(entry.type.dtype, from, out.row(i), out.cols);
    }

    /// For messages: the file and the place.
    [[nodiscard]] std::string where(const GgufEntry& entry) const {
        return concat(name_, ": tensor ", in_quotes(entry.name, 200));
    }
    [[nodiscard]] std::string where(const GgufField& field) const {
        return concat(name_, ": field ", in_quotes(field.key, 200));
    }

    /// The type of a value that is a T in memory.
    template <class T>
    [[nodiscard]] static constexpr GgufType type_of() {
        if constexpr (std::is_same_v<T, bool>)
            return GgufType::boolean;
        else if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, std::string>)
            return GgufType::string;
        else if constexpr (std::is_same_v<T, float>)
            return GgufType::f32;
        else if constexpr (std::is_same_v<T, double>)
            return GgufType::f64;
        else {
            static_assert(std::is_integral_v<T>, "no field of a GGUF file has values of this type");
            constexpr bool is_signed = std::is_signed_v<T>;
            if constexpr (sizeof(T) == 1) return is_signed ? GgufType::i8 : GgufType::u8;
            if constexpr (sizeof(T) == 2) return is_signed ? GgufType::i16 : GgufType::u16;
            if constexpr (sizeof(T) == 4) return is_signed ? GgufType::i32 : GgufType::u32;
            return is_signed ? GgufType::i64 : GgufType::u64;
        }
    }

private:
    template <class T, class Name>
    [[nodiscard]] static const T* lookup(const std::vector<std::uint32_t>& order, const std::vector<T>& things,
                                         std::string_view name, Name&& name_of) {
        const auto at = std::lower_bound(order.begin(), order.end(), name,
                                         [&](std::uint32_t i, std::string_view n) { return name_of(things[i]) < n; });
        return at != order.end() && name_of(things[*at]) == name ? &things[*at] : nullptr;
    }

    /// The value at `at`, which moves behind it. The header's checks hold: it is inside the file.
    template <class T>
    [[nodiscard]] T element(const GgufField& f, std::uint64_t& at) const {
        const auto raw = [&](auto& to) {
            std::memcpy(&to, bytes_.data() + at, sizeof to);
            at += sizeof to;
        };
        if constexpr (std::is_same_v<T, std::string_view> || std::is_same_v<T, std::string>) {
            std::uint64_t length = 0;
            raw(length);
            const auto text = as_text(bytes_.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(length)));
            at += length;
            check(is_utf8(text), where(f), ": expected UTF-8, found ", in_quotes(text));
            return T(text);
        } else if constexpr (std::is_same_v<T, bool>) {
            std::uint8_t truth = 0;
            raw(truth);
            check(truth <= 1, where(f), ": expected a bool of 0 or 1, found ", int{truth});
            return truth == 1;
        } else {
            T value;
            raw(value);
            return value;
        }
    }

    MappedFile mapped_;
    std::string name_;
    std::span<const std::byte> bytes_;
    GgufHeader header_;
};

}  // namespace hydralora::io
