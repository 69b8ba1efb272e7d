// Writing GGUF version 3 files: fields and tensors in the caller's order, the data aligned to 32 bytes; or of another file,
// as they are there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "../core/check.hpp"
#include "gguf.hpp"
#include "safetensors_writer.hpp"
#include "write_file.hpp"

namespace hydralora::io {

/// A value of a field; the C++ type decides the type in the file.
using GgufScalar = std::variant<std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t,
                                float, bool, std::string, std::uint64_t, std::int64_t, double>;
using GgufArray = std::variant<std::vector<std::uint8_t>, std::vector<std::int8_t>, std::vector<std::uint16_t>,
                               std::vector<std::int16_t>, std::vector<std::uint32_t>, std::vector<std::int32_t>,
                               std::vector<float>, std::vector<bool>, std::vector<std::string>,
                               std::vector<std::uint64_t>, std::vector<std::int64_t>, std::vector<double>>;
/// A value as the bytes that it has in a file, which must outlive this.
struct GgufRaw {
    GgufType type = GgufType::u8, element = GgufType::u8;
    std::uint64_t count = 1;  // of an array
    std::span<const std::byte> bytes;
};
using GgufValue = std::variant<GgufScalar, GgufArray, GgufRaw>;
using GgufFields = std::vector<std::pair<std::string, GgufValue>>;

/// A tensor of any type of element, whose bytes are in the caller's memory.
struct GgufTensor {
    std::string name;
    GgmlType type;
    TensorShape shape;
    const std::byte* data = nullptr;
    Index rows = 0, row_bytes = 0, stride_bytes = 0;
};

/// A tensor of a file as it is there.
[[nodiscard]] inline GgufTensor gguf_tensor(const GgufFile& file, const GgufEntry& entry) {
    const auto bytes = file.bytes(entry);
    const auto count = static_cast<Index>(bytes.size());
    return {entry.name, entry.type, entry.shape, bytes.data(), 1, count, count};
}
/// The type of that name; there must be one.
[[nodiscard]] inline const GgmlType& ggml_type(std::string_view name) {
    for (const GgmlType& type : ggml_types)
        if (type.name == name) return type;
    fail("GGUF has no elements of type ", in_quotes(name));
}

/// All fields of a file as they are there, but for those about the file itself: its alignment, and its parts.
[[nodiscard]] inline GgufFields gguf_fields(const GgufFile& file) {
    GgufFields fields;
    for (const GgufField& field : file.fields()) {
        if (field.key == "general.alignment" || field.key.starts_with("split.")) continue;
        const auto size = static_cast<std::size_t>(field.end - field.begin);
        fields.emplace_back(field.key, GgufRaw{field.type, field.element, field.count,
                                               file.file_bytes().subspan(static_cast<std::size_t>(field.begin), size)});
    }
    return fields;
}

namespace gguf_detail {

template <class T>
void append(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
inline void append_string(std::string& out, std::string_view text) {
    append(out, static_cast<std::uint64_t>(text.size()));
    out += text;
}
inline void append_type(std::string& out, GgufType type) { append(out, static_cast<std::uint32_t>(type)); }
template <class T>
void append_element(std::string& out, const T& value) {
    if constexpr (std::is_same_v<T, std::string>)
        append_string(out, value);
    else if constexpr (std::is_same_v<T, bool>)
        append(out, static_cast<std::uint8_t>(value));
    else
        append(out, value);
}
inline void append_value(std::string& out, const GgufValue& value) {
    if (const auto* raw = std::get_if<GgufRaw>(&value)) {
        append_type(out, raw->type);
        if (raw->type == GgufType::array) {
            append_type(out, raw->element);
            append(out, raw->count);
        }
        out += as_text(raw->bytes);
        return;
    }
    if (const auto* scalar = std::get_if<GgufScalar>(&value))
        return std::visit(
            [&](const auto& v) {
                append_type(out, GgufFile::type_of<std::remove_cvref_t<decltype(v)>>());
                append_element(out, v);
            },
            *scalar);
    std::visit(
        [&](const auto& elements) {
            using T = typename std::remove_cvref_t<decltype(elements)>::value_type;
            append_type(out, GgufType::array);
            append_type(out, GgufFile::type_of<T>());
            append(out, static_cast<std::uint64_t>(elements.size()));
            for (const auto& element : elements) append_element(out, element);
        },
        std::get<GgufArray>(value));
}

[[nodiscard]] inline const GgmlType& ggml_type_of(const NamedTensor& tensor) {
    for (const GgmlType& type : ggml_types)
        if (type.plain && type.dtype == tensor.dtype) return type;
    fail("write_gguf: tensor ", in_quotes(tensor.name), ": GGUF has no elements of type ", dtype_name(tensor.dtype));
}

template <class Range, class Name>
void check_names(const Range& range, std::string_view what, std::uint64_t most, Name&& name) {
    std::vector<std::string_view> names;
    for (const auto& each : range) {
        const std::string_view text = name(each);
        check(!text.empty() && text.size() <= most && is_utf8(text), "write_gguf: ", what, ' ', in_quotes(text),
              ": expected 1 to ", most, " bytes of UTF-8, found ", text.size());
        names.push_back(text);
    }
    std::sort(names.begin(), names.end());
    for (std::size_t i = 1; i < names.size(); ++i)
        check(names[i - 1] != names[i], "write_gguf: expected each ", what, " once, found ", in_quotes(names[i]),
              " twice");
}

}  // namespace gguf_detail

/// Writes a GGUF file through `sink(std::span<const std::byte>)`.
template <class Sink>
void write_gguf_blocks(Sink&& sink, const GgufFields& fields, std::span<const GgufTensor> tensors) {
    using namespace gguf_detail;
    constexpr std::uint64_t alignment = 32;
    const auto padding = [](std::uint64_t bytes) { return (alignment - bytes % alignment) % alignment; };
    check_names(fields, "field", GgufLimits::key_bytes, [](const auto& f) { return std::string_view(f.first); });
    check_names(tensors, "tensor", GgufLimits::name_bytes, [](const auto& t) { return std::string_view(t.name); });
    check(tensors.size() <= GgufLimits::tensors && fields.size() <= GgufLimits::fields, "write_gguf: ", tensors.size(),
          " tensors and ", fields.size(), " fields are more than readers accept");

    std::string header = "GGUF";
    append(header, std::uint32_t{3});
    append(header, static_cast<std::uint64_t>(tensors.size()));
    append(header, static_cast<std::uint64_t>(fields.size()));
    for (const auto& [key, value] : fields) {
        check(key != "general.alignment", "write_gguf: the alignment is always 32; leave the field out");
        append_string(header, key);
        append_value(header, value);
    }
    std::uint64_t offset = 0;
    for (const GgufTensor& tensor : tensors) {
        const GgmlType& type = tensor.type;
        const auto dims = tensor.shape.dims();
        std::vector<Index> blocks(dims.begin(), dims.end());
        const bool whole = !dims.empty() && dims.back() % static_cast<Index>(type.block) == 0;
        if (whole) blocks.back() /= static_cast<Index>(type.block);
        const auto bytes = checked_tensor_bytes(blocks, type.bytes);
        check(whole && dims.size() <= GgufLimits::dimensions && bytes && *bytes > 0 &&
                  *bytes == static_cast<std::uint64_t>(tensor.rows * tensor.row_bytes),
              "write_gguf: tensor ", in_quotes(tensor.name), ": shape ", tensor.shape.text(), " of ", type.name,
              ": expected 1 to 4 dimensions that take its ", tensor.rows * tensor.row_bytes, " bytes");
        append_string(header, tensor.name);
        append(header, static_cast<std::uint32_t>(dims.size()));
        for (std::size_t i = dims.size(); i-- > 0;) append(header, static_cast<std::uint64_t>(dims[i]));
        append(header, type.number);
        append(header, offset);
        offset += *bytes + padding(*bytes);
    }
    header.append(static_cast<std::size_t>(padding(header.size())), '\0');
    sink(as_byte_span(header));
    const std::string zeros(alignment, '\0');
    for (const GgufTensor& tensor : tensors) {
        for (Index i = 0; i < tensor.rows; ++i)
            sink(std::span(tensor.data + i * tensor.stride_bytes, static_cast<std::size_t>(tensor.row_bytes)));
        const auto bytes = static_cast<std::uint64_t>(tensor.rows * tensor.row_bytes);
        sink(as_byte_span(std::string_view(zeros).substr(0, static_cast<std::size_t>(padding(bytes)))));
    }
}

/// The same of tensors of plain elements.
template <class Sink>
void write_gguf(Sink&& sink, const GgufFields& fields, std::span<const NamedTensor> tensors) {
    std::vector<GgufTensor> blocks;
    for (const NamedTensor& t : tensors)
        blocks.push_back({t.name, gguf_detail::ggml_type_of(t), t.shape, t.data, t.rows, t.row_bytes, t.stride_bytes});
    write_gguf_blocks(sink, fields, blocks);
}

/// Makes or replaces a GGUF file in one step; after an error it is as it was.
inline FileSum save_gguf(const std::filesystem::path& path, const GgufFields& fields,
                         std::span<const NamedTensor> tensors, const FileCalls& calls = {}) {
    return replace_file_with(
        path,
        [&](FileWriter& writer) {
            write_gguf([&](std::span<const std::byte> bytes) { writer.write(bytes); }, fields, tensors);
        },
        calls);
}

}  // namespace hydralora::io
