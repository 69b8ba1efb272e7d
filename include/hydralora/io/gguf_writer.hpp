// Writing GGUF version 3 files: fields and tensors in the caller's order, the data aligned to 32 bytes.
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
using GgufValue = std::variant<GgufScalar, GgufArray>;
using GgufFields = std::vector<std::pair<std::string, GgufValue>>;

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
void write_gguf(Sink&& sink, const GgufFields& fields, std::span<const NamedTensor> tensors) {
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
    for (const NamedTensor& tensor : tensors) {
        const GgmlType& type = ggml_type_of(tensor);
        const auto dims = tensor.shape.dims();
        const auto bytes = checked_tensor_bytes(dims, type.bytes);
        check(!dims.empty() && dims.size() <= GgufLimits::dimensions && bytes && *bytes > 0 &&
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
    for (const NamedTensor& tensor : tensors) {
        for (Index i = 0; i < tensor.rows; ++i)
            sink(std::span(tensor.data + i * tensor.stride_bytes, static_cast<std::size_t>(tensor.row_bytes)));
        const auto bytes = static_cast<std::uint64_t>(tensor.rows * tensor.row_bytes);
        sink(as_byte_span(std::string_view(zeros).substr(0, static_cast<std::size_t>(padding(bytes)))));
    }
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
