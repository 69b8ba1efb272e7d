// Reading safetensors files: mapped into memory, checked once when opened, read in place or converted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "dtype.hpp"
#include "file.hpp"
#include "quote.hpp"
#include "safetensors_header.hpp"

namespace hydralora::io {

/// A safetensors file. Views into it live as long as it does (moving it is allowed).
class SafetensorsFile {
public:
    [[nodiscard]] static SafetensorsFile open(const std::filesystem::path& path) {
        return SafetensorsFile(MappedFile::open(path));
    }

    /// A file that is mapped already.
    explicit SafetensorsFile(MappedFile mapped)
        : mapped_(std::move(mapped)), name_(mapped_.path()), bytes_(mapped_.bytes()) {
        header_ = parse_safetensors(bytes_, name_);
    }
    /// A file in the caller's memory, which must outlive this; `name` is for messages.
    SafetensorsFile(std::span<const std::byte> bytes, std::string_view name) : name_(name), bytes_(bytes) {
        header_ = parse_safetensors(bytes_, name_);
    }

    /// The tensors, in the order of their bytes.
    [[nodiscard]] std::span<const TensorEntry> entries() const { return header_.entries; }
    [[nodiscard]] const Metadata& metadata() const { return header_.metadata; }
    /// A metadata value, nullptr if there is none of that key.
    [[nodiscard]] const std::string* metadata(std::string_view key) const {
        for (const auto& [name, value] : header_.metadata)
            if (name == key) return &value;
        return nullptr;
    }
    [[nodiscard]] const std::string& name() const { return name_; }

    /// The tensor of that name, nullptr if there is none.
    [[nodiscard]] const TensorEntry* find(std::string_view name) const {
        const auto& order = header_.by_name;
        const auto at = std::lower_bound(order.begin(), order.end(), name, [&](std::uint32_t i, std::string_view n) {
            return header_.entries[i].name < n;
        });
        return at != order.end() && header_.entries[*at].name == name ? &header_.entries[*at] : nullptr;
    }
    /// The tensor of that name, which must be there.
    [[nodiscard]] const TensorEntry& at(std::string_view name) const {
        const TensorEntry* entry = find(name);
        check(entry != nullptr, name_, ": expected a tensor ", in_quotes(name), ", found none of that name among ",
              header_.entries.size());
        return *entry;
    }

    /// The whole file.
    [[nodiscard]] std::span<const std::byte> file_bytes() const { return bytes_; }
    [[nodiscard]] std::span<const std::byte> bytes(const TensorEntry& entry) const {
        return bytes_.subspan(static_cast<std::size_t>(entry.begin), static_cast<std::size_t>(entry.end - entry.begin));
    }

    /// The tensor in place. Its elements must be T; the last dimension goes across, all others down.
    template <class T>
    [[nodiscard]] MatrixView<const T> view(std::string_view name) const {
        const TensorEntry& entry = at(name);
        check(entry.dtype == dtype_of<T>(), where(entry), ": expected elements ", dtype_name(dtype_of<T>()), ", found ",
              dtype_name(entry.dtype), "; read_as converts");
        const auto data = bytes(entry);
        check(reinterpret_cast<std::uintptr_t>(data.data()) % alignof(T) == 0, where(entry), ": begins at byte ",
              entry.begin, ", which is not aligned for ", dtype_name(entry.dtype), "; read_as copies");
        const Shape shape = entry.shape.matrix();
        return {reinterpret_cast<const T*>(data.data()), shape.rows, shape.cols};
    }

    /// Copies the tensor into `out` of the same shape, converting between floating-point types.
    template <class T>
    void read_as(std::string_view name, MatrixView<T> out) const {
        const TensorEntry& entry = at(name);
        check_readable<T>(entry, out.shape());
        const std::byte* from = bytes(entry).data();
        if (out.empty()) return;
        if (out.contiguous()) return convert_elements(entry.dtype, from, out.data, out.size());
        const std::uint64_t row = dtype_bytes(entry.dtype) * static_cast<std::uint64_t>(out.cols);
        for (Index i = 0; i < out.rows; ++i, from += row) convert_elements(entry.dtype, from, out.row(i), out.cols);
    }

    /// Throws unless read_as<T> into a matrix of that shape will do.
    template <class T>
    void check_readable(const TensorEntry& entry, Shape shape) const {
        const Shape found = entry.shape.matrix();
        check(found == shape, where(entry), ": expected shape (", shape.rows, ", ", shape.cols, "), found ",
              entry.shape.text());
        check(readable_as<T>(entry.dtype), where(entry), ": expected elements that can be read as ",
              dtype_name(dtype_of<T>()), ", found ", dtype_name(entry.dtype));
    }

    /// For messages: the file and the tensor.
    [[nodiscard]] std::string where(const TensorEntry& entry) const {
        return concat(name_, ": tensor ", in_quotes(entry.name, 200));
    }

private:
    MappedFile mapped_;
    std::string name_;
    std::span<const std::byte> bytes_;
    SafetensorsHeader header_;
};

}  // namespace hydralora::io
