// The header of a GGUF file: what it describes, and every check before any of it is believed.
//
//     bytes 0..4    "GGUF"
//     4..8          u32 version: 3, or 2 (the same layout)
//     8..16, 16..24 u64 number of tensors, u64 number of fields
//     fields        key string, u32 type, value; a string is a u64 length and its bytes; an array a u32 type of element,
//                   a u64 number and the elements
//     tensors       name string, u32 number of dimensions, u64 dimensions (fastest first), u32 type, u64 offset
//     padding to the alignment ("general.alignment", else 32), then the data; offsets count from there
//
// Little endian. Source: ggml-org/ggml, docs/gguf.md.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "../core/check.hpp"
#include "checked.hpp"
#include "dtype.hpp"
#include "file.hpp"
#include "gguf_types.hpp"
#include "quote.hpp"
#include "tensor_entry.hpp"

namespace hydralora::io {

namespace gguf_detail {

/// Reads values one after another; each is inside the file or an error says what was expected there.
class Reader {
public:
    Reader(std::span<const std::byte> bytes, std::string_view file) : bytes_(bytes), file_(file) {}

    template <class T>
    [[nodiscard]] T number(std::string_view what) {
        T value;
        std::memcpy(&value, bytes_.data() + skip(sizeof(T), what), sizeof(T));
        return value;
    }
    [[nodiscard]] std::string_view string(std::string_view what, std::uint64_t most) {
        const std::uint64_t begin = at_;
        const auto length = number<std::uint64_t>(what);
        if (length > most)
            fail(file_, ": byte ", begin, ": ", what, ": expected at most ", most, " bytes, found a length of ",
                 length);
        return as_text(bytes_.subspan(static_cast<std::size_t>(skip(length, what)), static_cast<std::size_t>(length)));
    }
    /// Moves on by `count` bytes, which must be there; returns where they begin.
    std::uint64_t skip(std::uint64_t count, std::string_view what) {
        if (count > left())
            fail(file_, ": byte ", at_, ": ", what, ": expected ", count, " bytes, found ", left(),
                 " to the end of the file; the file is cut short or damaged");
        const std::uint64_t begin = at_;
        at_ += count;
        return begin;
    }
    [[nodiscard]] std::uint64_t at() const { return at_; }
    [[nodiscard]] std::uint64_t left() const { return bytes_.size() - at_; }
    [[nodiscard]] std::string_view file() const { return file_; }

    /// A count of things that take `least` bytes or more each: believed only if they can be there.
    [[nodiscard]] std::uint64_t count(std::string_view what, std::uint64_t least, std::uint64_t most) {
        const std::uint64_t begin = at_;
        const auto value = number<std::uint64_t>(what);
        if (value > most) fail(file_, ": byte ", begin, ": expected at most ", most, ' ', what, ", found ", value);
        if (value > left() / least)
            fail(file_, ": byte ", begin, ": ", value, ' ', what, " do not fit the file's remaining ", left(),
                 " bytes; the file is cut short or damaged");
        return value;
    }

private:
    std::span<const std::byte> bytes_;
    std::string_view file_;
    std::uint64_t at_ = 0;
};

[[nodiscard]] inline GgufType read_type(Reader& in, const std::string& where) {
    const auto type = in.number<std::uint32_t>(where);
    check(type < gguf_type_names.size(), in.file(), ": ", where, ": expected a type of value from 0 to 12, found ",
          type);
    return static_cast<GgufType>(type);
}

inline void read_value(Reader& in, GgufField& field, const std::string& where) {
    field.element = field.type = read_type(in, where);
    if (field.type == GgufType::array) {
        field.element = read_type(in, where);
        check(field.element != GgufType::array, in.file(), ": ", where, ": expected no array of arrays, found one");
        const auto least = field.element == GgufType::string ? std::uint64_t{8}
                                                             : gguf_type_bytes[static_cast<std::size_t>(field.element)];
        field.count = in.count(where, least, std::numeric_limits<std::uint64_t>::max());
    }
    field.begin = in.at();
    if (field.element == GgufType::string) {
        for (std::uint64_t i = 0; i < field.count; ++i) static_cast<void>(in.string(where, in.left()));
    } else {  // the product fits: `count` looked at the bytes that are left
        const std::uint64_t bytes = gguf_type_bytes[static_cast<std::size_t>(field.element)] * field.count;
        in.skip(bytes, where);
    }
    field.end = in.at();
}

[[nodiscard]] inline GgufEntry read_entry(Reader& in, std::uint64_t number) {
    GgufEntry entry;
    const std::string_view name = in.string(concat("name of tensor ", number), GgufLimits::name_bytes);
    check(!name.empty() && is_utf8(name), in.file(), ": name of tensor ", number, ": expected text, found ",
          in_quotes(name));
    entry.name = name;
    const std::string where = concat("tensor ", in_quotes(name));
    const auto dimensions = in.number<std::uint32_t>(where);
    check(dimensions >= 1 && dimensions <= GgufLimits::dimensions, in.file(), ": ", where,
          ": expected 1 to 4 dimensions, found ", dimensions);
    std::array<Index, GgufLimits::dimensions> dims{};
    for (std::uint32_t i = 0; i < dimensions; ++i) {
        const auto dim = in.number<std::uint64_t>(where);
        check(dim >= 1 && dim <= static_cast<std::uint64_t>(std::numeric_limits<Index>::max()), in.file(), ": ", where,
              ": expected dimensions from 1 to 2^63 - 1, found ", dim);
        dims[i] = static_cast<Index>(dim);
    }
    for (std::uint32_t i = dimensions; i-- > 0;) entry.shape.push(dims[i]);
    const auto type = in.number<std::uint32_t>(where);
    const auto of_number = [&](const auto& t) { return t.number == type; };
    const auto* known = std::find_if(ggml_types.begin(), ggml_types.end(), of_number);
    const auto* removed = std::find_if(removed_ggml_types.begin(), removed_ggml_types.end(), of_number);
    if (removed != removed_ggml_types.end())
        fail(in.file(), ": ", where, ": is stored as ", removed->name, " (number ", type,
             "), a type that was removed from the format; take the model in another quantisation");
    check(known != ggml_types.end(), in.file(), ": ", where, ": expected a type of element that we know, found number ",
          type, "; is the file from a later format?");
    entry.type = *known;
    entry.begin = in.number<std::uint64_t>(where);  // relative as yet
    return entry;
}

template <class T, class Name>
[[nodiscard]] std::vector<std::uint32_t> unique_order(const std::vector<T>& things, Name&& name, std::string_view file,
                                                      std::string_view what) {
    std::vector<std::uint32_t> order(things.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(), [&](auto a, auto b) { return name(things[a]) < name(things[b]); });
    for (std::size_t i = 1; i < order.size(); ++i)
        check(name(things[order[i - 1]]) != name(things[order[i]]), file, ": expected each ", what, " once, found ",
              in_quotes(name(things[order[i]])), " twice");
    return order;
}

/// Places each tensor in the file: aligned, of the size of its shape, inside, and none on another.
inline void place_entries(GgufHeader& header, std::uint64_t header_end, std::uint64_t file_size,
                          std::string_view file) {
    const std::uint64_t mask = header.alignment - 1;
    const std::uint64_t data_begin = (header_end + mask) & ~mask;  // cannot wrap: a file's size is below 2^63
    check(header.entries.empty() || data_begin <= file_size, file, ": expected the data of ", header.entries.size(),
          " tensors at byte ", data_begin, ", found the end of the file; the file is cut short");
    for (GgufEntry& entry : header.entries) {
        const std::string where = concat(file, ": tensor ", in_quotes(entry.name));
        const auto across = static_cast<std::uint64_t>(entry.shape.dims().back());
        check(across % entry.type.block == 0, where, ": expected rows of a multiple of ", entry.type.block,
              " elements for ", entry.type.name, ", found ", across);
        std::array<Index, GgufLimits::dimensions> dims{};  // in blocks
        const auto shape = entry.shape.dims();
        std::copy(shape.begin(), shape.end(), dims.begin());
        dims[shape.size() - 1] = static_cast<Index>(across / entry.type.block);
        const auto bytes = checked_tensor_bytes(std::span<const Index>(dims.data(), shape.size()), entry.type.bytes);
        const auto elements = checked_tensor_bytes(shape, 1);
        check(bytes && elements, where, ": shape ", entry.shape.text(), " has more elements than 63 bits count");
        check((entry.begin & mask) == 0, where, ": expected an offset that is a multiple of the alignment ",
              header.alignment, ", found ", entry.begin);
        const std::uint64_t have = file_size - data_begin;
        check(entry.begin <= have && *bytes <= have - entry.begin, where, ": expected ", *bytes, " bytes of ",
              entry.type.name, " at offset ", entry.begin, " of the data, found ", have,
              " bytes of data; the file is cut short or damaged");
        entry.begin += data_begin;
        entry.end = entry.begin + *bytes;
    }
    std::vector<std::uint32_t> order(header.entries.size());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [&](auto a, auto b) { return header.entries[a].begin < header.entries[b].begin; });
    for (std::size_t i = 1; i < order.size(); ++i) {
        const GgufEntry &before = header.entries[order[i - 1]], &after = header.entries[order[i]];
        check(before.end <= after.begin, file, ": tensors ", in_quotes(before.name), " in ", before.type.name, " and ",
              in_quotes(after.name), " in ", after.type.name, " overlap: the one ends at byte ", before.end,
              ", the other begins at ", after.begin, "; the file is damaged, or its ", before.type.name,
              " is not that of llama.cpp today");
    }
}

}  // namespace gguf_detail

/// Reads and checks the header of a whole file in memory; `file` is for messages. Memory stays a small multiple of the
/// header's bytes, whatever they are.
[[nodiscard]] inline GgufHeader parse_gguf(std::span<const std::byte> bytes, std::string_view file) {
    using namespace gguf_detail;
    Reader in(bytes, file);
    check(bytes.size() >= 4 && as_text(bytes.first(4)) == "GGUF", file, ": expected a GGUF file, found ",
          bytes.empty() ? std::string("an empty file")
                        : in_quotes(as_text(bytes.first(std::min<std::size_t>(bytes.size(), 4)))));
    in.skip(4, "magic");
    GgufHeader header;
    header.version = in.number<std::uint32_t>("version");
    check((header.version & 0xffffu) != 0, file, ": expected a little-endian file, found a big-endian one");
    check(header.version == 2 || header.version == 3, file, ": expected GGUF version 2 or 3, found ", header.version);
    const auto tensors = in.count("tensors", 8 + 4 + 8 + 4 + 8, GgufLimits::tensors);
    const auto fields = in.count("fields", 8 + 4 + 1, GgufLimits::fields);
    for (std::uint64_t i = 0; i < fields; ++i) {
        GgufField& field = header.fields.emplace_back();
        const std::string_view key = in.string(concat("key of field ", i), GgufLimits::key_bytes);
        check(!key.empty() && is_utf8(key), file, ": key of field ", i, ": expected text, found ", in_quotes(key));
        field.key = key;
        read_value(in, field, concat("field ", in_quotes(key)));
        if (key == "general.alignment") {
            check(field.type == GgufType::u32, file, ": field \"general.alignment\": expected u32, found ",
                  gguf_name(field.type));
            std::uint32_t value = 0;
            std::memcpy(&value, bytes.data() + field.begin, sizeof value);
            check(value >= 1 && value <= GgufLimits::alignment && (value & (value - 1)) == 0, file,
                  ": field \"general.alignment\": expected a power of two up to ", GgufLimits::alignment, ", found ",
                  value);
            header.alignment = value;
        }
    }
    header.fields_by_key = unique_order(
        header.fields, [](const GgufField& f) -> const std::string& { return f.key; }, file, "field");
    for (std::uint64_t i = 0; i < tensors; ++i) header.entries.push_back(read_entry(in, i));
    header.by_name = unique_order(
        header.entries, [](const GgufEntry& e) -> const std::string& { return e.name; }, file, "tensor");
    place_entries(header, in.at(), bytes.size(), file);
    return header;
}

}  // namespace hydralora::io
