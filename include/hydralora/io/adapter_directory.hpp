// An adapter directory as such, whatever its keys: adapter_config.json and adapter_model.safetensors, written in one step,
// read only as a whole.
//
// `for_each(f)` below stands for a set of parameters: it calls f(key, view, shape) for each tensor of the file.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "../core/check.hpp"
#include "../core/precision.hpp"
#include "../core/view.hpp"
#include "adapter_config.hpp"
#include "json_value.hpp"
#include "json_write.hpp"
#include "quote.hpp"
#include "safetensors.hpp"
#include "safetensors_writer.hpp"
#include "staged_directory.hpp"

namespace hydralora::io {

/// What to do about a directory that exists.
enum class Existing { refuse, replace };

namespace adapter_directory_detail {

template <class T>
void check_finite(const T* row, Index i, Index cols, const std::string& where, std::string_view remedy) {
    using Wide = std::conditional_t<std::is_same_v<T, double>, double, float>;
    for (Index j = 0; j < cols; ++j) {
        const auto value = static_cast<Wide>(row[j]);
        if (!std::isfinite(value))
            fail(where, ": element (", i, ", ", j, "): expected a finite number, found ", value, remedy);
    }
}

/// A directory that is replaced holds the two files of an adapter and nothing that would be lost.
inline void check_replaceable(const std::filesystem::path& directory, Existing existing) {
    check(existing == Existing::replace, directory.string(),
          ": exists already; choose another name, or ask for it to be replaced");
    std::error_code ignored;
    check(std::filesystem::symlink_status(directory, ignored).type() == std::filesystem::file_type::directory,
          directory.string(), ": expected an adapter directory to replace, found something else");
    for (const std::string& name : list_directory(directory))
        check(name == adapter_config_name || name == adapter_tensors_name, directory.string(),
              ": not replaced, for it also holds ", in_quotes(name), "; move that away first");
}

}  // namespace adapter_directory_detail

/// The tensors to write, all values finite. They stay in the caller's memory; `what` is for messages.
template <class ForEach>
[[nodiscard]] std::vector<NamedTensor> tensors_of(std::string_view what, ForEach&& for_each) {
    std::vector<NamedTensor> tensors;
    for_each([&](const std::string& key, auto view, const TensorShape& shape) {
        const std::string where = concat(what, ": ", key);
        for (Index i = 0; i < view.rows; ++i)
            adapter_directory_detail::check_finite(view.row(i), i, view.cols, where, "; nothing was written");
        tensors.push_back(reshaped(named_tensor(key, view), shape));
    });
    check(!tensors.empty(), what, ": the set has no parameters");
    return tensors;
}

/// The tensors with elements of another type, which `memory` keeps; throws where it cannot hold a value.
[[nodiscard]] inline std::vector<NamedTensor> in_type(Dtype type, std::vector<NamedTensor> tensors,
                                                      std::deque<std::vector<std::byte>>& memory) {
    for (NamedTensor& tensor : tensors) {
        if (tensor.dtype == type) continue;
        const Shape shape = tensor.shape.matrix();
        const auto width = static_cast<Index>(dtype_bytes(type));
        auto& bytes = memory.emplace_back(static_cast<std::size_t>(shape.size() * width));
        const Index cols = tensor.row_bytes / static_cast<Index>(dtype_bytes(tensor.dtype));
        std::vector<float> row(static_cast<std::size_t>(cols));
        const auto write_row = [&]<class T>(T, Index i) {
            for (Index j = 0; j < cols; ++j) {
                const float value = row[static_cast<std::size_t>(j)];
                const T rounded(value);
                check(std::isfinite(static_cast<float>(rounded)), tensor.name, ": element (", i, ", ", j, ") is ",
                      value, ", which ", dtype_name(type), " cannot hold; take another type; nothing was written");
                std::memcpy(bytes.data() + static_cast<std::size_t>((i * cols + j) * width), &rounded, sizeof rounded);
            }
        };
        for (Index i = 0; i < tensor.rows; ++i) {
            convert_elements(tensor.dtype, tensor.data + i * tensor.stride_bytes, row.data(), cols);
            if (type == Dtype::f16)
                write_row(float16{}, i);
            else if (type == Dtype::bf16)
                write_row(bfloat16{}, i);
            else if (type == Dtype::f32)
                write_row(float{}, i);
            else
                fail("in_type: ", dtype_name(type), " is not a type that adapters are written in");
        }
        tensor.dtype = type;
        tensor.data = bytes.data();
        tensor.row_bytes = tensor.stride_bytes = cols * width;
    }
    return tensors;
}

/// Writes an adapter directory in one step: it appears complete or, after an error, not at all (a replaced one stays).
inline void write_adapter_directory(const std::filesystem::path& directory, const Json& config,
                                    std::span<const NamedTensor> tensors, Existing existing = Existing::refuse,
                                    const FileCalls& calls = {}) {
    // "adapters/mine/" and "adapters/mine" are one name.
    const auto target = directory.has_filename() ? directory : directory.parent_path();
    if (path_exists(target)) adapter_directory_detail::check_replaceable(target, existing);
    bool visible = false;
    try {
        StagedDirectory staged(directory_of(target), "." + target.filename().string() + ".tmp-", calls);
        try {
            FileWriter writer(staged.path() / adapter_tensors_name, calls);
            const auto sink = [&](std::span<const std::byte> bytes) { writer.write(bytes); };
            write_safetensors(sink, tensors, {{"format", "pt"}});
            writer.finish();
            write_file(staged.path() / adapter_config_name, to_text(config, 2) + '\n', calls);
            staged.commit(target);
        } catch (const Error&) {
            visible = staged.visible();
            throw;
        }
    } catch (const Error& error) {
        fail(error.what(), "; ", target.string(),
             visible               ? " is written, but may be lost in a power loss"
             : path_exists(target) ? " is as it was"
                                   : " was not made");
    }
}

/// Fills the set from a file, or throws and leaves it as it is: every tensor must be there with its shape, none besides,
/// all values finite. `owner` says in messages what the tensors are compared with.
template <class ForEach>
void read_adapter_tensors(const SafetensorsFile& file, std::string_view owner, ForEach&& for_each) {
    std::unordered_set<std::string> expected;
    for_each([&](const std::string& key, auto view, const TensorShape& shape) {
        using T = typename decltype(view)::value_type;
        const TensorEntry& entry = file.at(key);
        check(entry.shape == shape, file.where(entry), ": expected shape ", shape.text(), ", found ",
              entry.shape.text());
        file.check_readable<T>(entry, shape.matrix());
        // As it will be in the set: a double may be too large for a float. Row by row, so that memory stays small.
        std::vector<T> row(static_cast<std::size_t>(view.cols));
        const auto row_bytes = static_cast<std::size_t>(view.cols) * dtype_bytes(entry.dtype);
        const std::string where = file.where(entry);
        for (Index i = 0; i < view.rows; ++i) {
            convert_elements(entry.dtype, file.bytes(entry).data() + static_cast<std::size_t>(i) * row_bytes,
                             row.data(), view.cols);
            adapter_directory_detail::check_finite(row.data(), i, view.cols, where,
                                                   "; the adapter is damaged or its training diverged");
        }
        expected.insert(key);
    });
    for (const TensorEntry& entry : file.entries())
        check(expected.contains(entry.name), file.where(entry), ": not expected by a model of ", expected.size(),
              " adapter tensors (", owner, "); does the adapter belong to another model or configuration?");
    for_each([&](const std::string& key, auto view, const TensorShape&) { file.read_as(key, view); });
}

}  // namespace hydralora::io
