// Writing safetensors files, byte for byte as the reference implementation does: by element type, then by name; the
// header padded with spaces to a multiple of 8 bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "checked.hpp"
#include "dtype.hpp"
#include "json_write.hpp"
#include "quote.hpp"
#include "tensor_entry.hpp"
#include "write_file.hpp"

namespace hydralora::io {

/// A tensor to write: a name, and rows of bytes in the caller's memory.
struct NamedTensor {
    std::string name;
    Dtype dtype = Dtype::f32;
    TensorShape shape;
    const std::byte* data = nullptr;
    Index rows = 0, row_bytes = 0, stride_bytes = 0;
};

/// A host matrix as a tensor [rows, cols].
template <class T>
[[nodiscard]] NamedTensor named_tensor(std::string name, MatrixView<T> matrix) {
    constexpr Index size = sizeof(T);
    return {std::move(name),
            dtype_of<T>(),
            TensorShape(matrix.shape()),
            reinterpret_cast<const std::byte*>(matrix.data),
            matrix.rows,
            matrix.cols * size,
            matrix.ld * size};
}
/// A vector as a tensor [n].
template <class T, std::size_t extent>
[[nodiscard]] NamedTensor named_tensor(std::string name, std::span<T, extent> values) {
    const auto count = static_cast<Index>(values.size());
    const auto bytes = static_cast<Index>(values.size_bytes());
    return {std::move(name), dtype_of<T>(), TensorShape{count}, reinterpret_cast<const std::byte*>(values.data()), 1,
            bytes,           bytes};
}
/// Contiguous bytes as a tensor of any type and shape.
[[nodiscard]] inline NamedTensor named_tensor(std::string name, Dtype dtype, const TensorShape& shape,
                                              std::span<const std::byte> bytes) {
    const auto count = static_cast<Index>(bytes.size());
    return {std::move(name), dtype, shape, bytes.data(), 1, count, count};
}
/// The same tensor under another shape of as many elements.
[[nodiscard]] inline NamedTensor reshaped(NamedTensor tensor, const TensorShape& shape) {
    tensor.shape = shape;
    return tensor;
}

namespace safetensors_detail {

/// By element type, then by name; throws unless sizes fit shapes and names are fit to be written.
[[nodiscard]] inline std::vector<const NamedTensor*> file_order(std::span<const NamedTensor> tensors) {
    std::vector<const NamedTensor*> order;
    for (const NamedTensor& tensor : tensors) {
        const auto bytes = checked_tensor_bytes(tensor.shape.dims(), dtype_bytes(tensor.dtype));
        check(bytes && *bytes == static_cast<std::uint64_t>(tensor.rows * tensor.row_bytes),
              "write_safetensors: tensor ", in_quotes(tensor.name), ": shape ", tensor.shape.text(), " of ",
              dtype_name(tensor.dtype), " does not take ", tensor.rows * tensor.row_bytes, " bytes");
        check(tensor.name != "__metadata__", "write_safetensors: no tensor can have the name \"__metadata__\"");
        order.push_back(&tensor);
    }
    std::sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
        return std::tie(b->dtype, a->name) < std::tie(a->dtype, b->name);
    });
    std::vector<std::string_view> names;
    for (const NamedTensor* tensor : order) names.push_back(tensor->name);
    std::sort(names.begin(), names.end());
    for (std::size_t i = 1; i < names.size(); ++i)
        check(names[i - 1] != names[i], "write_safetensors: two tensors have the name ", in_quotes(names[i]));
    return order;
}

[[nodiscard]] inline std::string header_text(std::span<const NamedTensor* const> order, Metadata metadata) {
    std::sort(metadata.begin(), metadata.end());
    for (std::size_t i = 1; i < metadata.size(); ++i)
        check(metadata[i - 1].first != metadata[i].first, "write_safetensors: metadata has the key ",
              in_quotes(metadata[i].first), " twice");

    std::string header = "{";
    if (!metadata.empty()) {
        header += "\"__metadata__\":{";
        for (const auto& [key, value] : metadata) {
            if (header.back() != '{') header += ',';
            append_json_string(header, key);
            header += ':';
            append_json_string(header, value);
        }
        header += '}';
    }
    std::uint64_t offset = 0;
    for (const NamedTensor* tensor : order) {
        if (header.back() != '{') header += ',';
        append_json_string(header, tensor->name);
        header += concat(":{\"dtype\":\"", dtype_name(tensor->dtype), "\",\"shape\":[");
        for (const Index dim : tensor->shape.dims()) header += (header.back() == '[' ? "" : ",") + std::to_string(dim);
        const std::uint64_t end = offset + static_cast<std::uint64_t>(tensor->rows * tensor->row_bytes);
        header += concat("],\"data_offsets\":[", offset, ',', end, "]}");
        offset = end;
    }
    header += '}';
    header.append((8 - header.size() % 8) % 8, ' ');
    check(header.size() <= SafetensorsLimits::header_bytes && order.size() <= SafetensorsLimits::tensors,
          "write_safetensors: the header of ", header.size(), " bytes and ", order.size(),
          " tensors is larger than readers accept");
    return header;
}

}  // namespace safetensors_detail

/// Writes what stands before the tensors, for a caller who makes their bytes as he writes them, in the order of the file;
/// `data` of the tensors is of no interest.
template <class Sink>
void write_safetensors_header(Sink&& sink, std::span<const NamedTensor> tensors, Metadata metadata = {}) {
    const auto order = safetensors_detail::file_order(tensors);
    const std::string header = safetensors_detail::header_text(order, std::move(metadata));
    const auto length = static_cast<std::uint64_t>(header.size());
    sink(std::as_bytes(std::span(&length, 1)));
    sink(as_byte_span(header));
}

/// Writes a safetensors file through `sink(std::span<const std::byte>)`. The same tensors give the same bytes, in
/// whatever order they come. Values are written as they are, NaN too.
template <class Sink>
void write_safetensors(Sink&& sink, std::span<const NamedTensor> tensors, Metadata metadata = {}) {
    write_safetensors_header(sink, tensors, std::move(metadata));
    for (const NamedTensor* tensor : safetensors_detail::file_order(tensors))
        for (Index i = 0; i < tensor->rows && tensor->row_bytes > 0; ++i)
            sink(std::span(tensor->data + i * tensor->stride_bytes, static_cast<std::size_t>(tensor->row_bytes)));
}

/// Makes or replaces a safetensors file in one step; after an error it is as it was.
inline FileSum save_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                                const Metadata& metadata = {}, const FileCalls& calls = {}) {
    return replace_file_with(
        path,
        [&](FileWriter& writer) {
            write_safetensors([&](std::span<const std::byte> bytes) { writer.write(bytes); }, tensors, metadata);
        },
        calls);
}

}  // namespace hydralora::io
