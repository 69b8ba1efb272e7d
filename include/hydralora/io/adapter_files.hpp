// The native adapter directory: adapter_config.json, and adapter_model.safetensors with the key names of the released
// HydraLoRA code (github.com/Clin0212/HydraLoRA). For the parameters of layer L's gate_proj, with N heads of rank r:
//
//     set, as visited                              file, after "base_model.model.model."
//     layers.L.mlp.gate_proj.A            (r, in)    layers.L.mlp.gate_proj.lora_A.weight      [r, in]
//       one A a head                    (N*r, in)    layers.L.mlp.gate_proj.lora_A{i}.weight   [r, in]
//     layers.L.mlp.gate_proj.B         (out, N*r)    layers.L.mlp.gate_proj.lora_B{i}.weight   [out, r]
//     layers.L.mlp.gate_proj.router       (N, in)    layers.L.mlp.gate_proj.lora_route.weight  [N, in]
//     layers.L.mlp.gate_proj.router_bias   (1, N)    layers.L.mlp.gate_proj.lora_route.bias    [N]
#pragma once

#include <cmath>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "../core/check.hpp"
#include "../core/params.hpp"
#include "../core/view.hpp"
#include "adapter_config.hpp"
#include "quote.hpp"
#include "safetensors.hpp"
#include "safetensors_writer.hpp"
#include "staged_directory.hpp"

namespace hydralora::io {

/// What to do about a directory that exists.
enum class Existing { refuse, replace };

namespace adapter_files_detail {

inline constexpr std::string_view key_prefix = "base_model.model.model.";

/// The host memory of an element of a set: a view, or anything with view().
template <class M>
[[nodiscard]] auto host_memory(M&& element) {
    if constexpr (requires { element.view(); }) {
        static_assert(std::is_same_v<typename decltype(element.view())::space, host>,
                      "copy the parameters to the host first");
        return element.view();
    } else {
        static_assert(std::is_same_v<typename std::remove_cvref_t<M>::space, host>,
                      "copy the parameters to the host first");
        return element;
    }
}

/// Calls f(key, view, shape) for each tensor of the file that makes up one parameter; the view is a part of `matrix`.
template <class T, class F>
void for_each_part(const AdapterFileConfig& config, const ParamPath& path, MatrixView<T> matrix, F&& f) {
    const std::string module = path.parent == nullptr ? std::string() : path.parent->name();
    const std::string stem = concat(key_prefix, module, module.empty() ? "" : ".");
    const Index r = config.rank, heads = config.heads;
    const auto expect = [&](Index found, Index expected, std::string_view what) {
        check(found == expected, "adapter: parameter ", path.name(), " of shape (", matrix.rows, ", ", matrix.cols,
              "): expected ", expected, ' ', what, " for rank ", r, " and ", heads, " heads, found ", found);
    };
    const auto whole = [&](std::string_view suffix) { f(concat(stem, suffix), matrix, TensorShape(matrix.shape())); };
    const auto head = [&](std::string_view letter, Index i, MatrixView<T> part) {
        f(concat(stem, "lora_", letter, i, ".weight"), part, TensorShape(part.shape()));
    };
    if (path.part == "A" && config.sharing == "own_a") {
        expect(matrix.rows, heads * r, "rows");
        for (Index i = 0; i < heads; ++i) head("A", i, matrix.row_slice(i * r, r));
    } else if (path.part == "A") {
        expect(matrix.rows, r, "rows");
        whole("lora_A.weight");
    } else if (path.part == "B") {
        expect(matrix.cols, heads * r, "columns");
        for (Index i = 0; i < heads; ++i) head("B", i, matrix.col_slice(i * r, r));
    } else if (path.part == "router") {
        expect(matrix.rows, heads, "rows");
        whole("lora_route.weight");
    } else if (path.part == "router_bias") {
        expect(matrix.rows, 1, "row");
        expect(matrix.cols, heads, "columns");
        f(concat(stem, "lora_route.bias"), matrix, TensorShape{matrix.cols});
    } else {
        fail("adapter: parameter ", path.name(), ": expected the name A, B, router or router_bias, found ",
             in_quotes(path.part));
    }
}

/// Calls f(key, view, shape) for each tensor of the file of a whole set.
template <class P, class F>
void for_each_tensor(const AdapterFileConfig& config, P& set, F&& f) {
    visit([&](const ParamPath& path, auto& element) { for_each_part(config, path, host_memory(element), f); }, set);
}

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

}  // namespace adapter_files_detail

/// Writes an adapter directory in one step: it appears complete or, after an error, not at all (a replaced one stays).
template <class P>
void save_adapter(const std::filesystem::path& directory, const AdapterFileConfig& config, const P& set,
                  Existing existing = Existing::refuse, const FileCalls& calls = {}) {
    using namespace adapter_files_detail;
    // "adapters/mine/" and "adapters/mine" are one name.
    const auto target = directory.has_filename() ? directory : directory.parent_path();
    if (path_exists(target)) check_replaceable(target, existing);
    std::vector<NamedTensor> tensors;
    for_each_tensor(config, set, [&](const std::string& key, auto view, const TensorShape& shape) {
        const std::string where = concat("save_adapter: ", key);
        for (Index i = 0; i < view.rows; ++i) check_finite(view.row(i), i, view.cols, where, "; nothing was written");
        tensors.push_back(reshaped(named_tensor(key, view), shape));
    });
    check(!tensors.empty(), "save_adapter: the set has no parameters");

    bool visible = false;
    try {
        StagedDirectory staged(directory_of(target), "." + target.filename().string() + ".tmp-", calls);
        try {
            FileWriter writer(staged.path() / adapter_tensors_name, calls);
            const auto sink = [&](std::span<const std::byte> bytes) { writer.write(bytes); };
            write_safetensors(sink, tensors, {{"format", "pt"}});
            writer.finish();
            write_file(staged.path() / adapter_config_name, to_text(to_json(config), 2) + '\n', calls);
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

/// Fills a set of parameters from an adapter directory, or throws and leaves it as it is: every tensor must be there
/// with its shape, none besides, all values finite; and if both know it, the base must be the one it was trained on.
template <class P>
AdapterFileConfig load_adapter(const std::filesystem::path& directory, P&& set, std::string_view base_checksum = {}) {
    using namespace adapter_files_detail;
    const AdapterFileConfig config = read_adapter_config(directory);
    check(config.base_checksum.empty() || base_checksum.empty() || config.base_checksum == base_checksum,
          directory.string(), ": was trained on another base: ", in_quotes(config.base_model_name_or_path),
          " with checksum ", in_quotes(config.base_checksum), ", this base has ", in_quotes(base_checksum),
          "; load the base that it was trained on");
    const auto file = SafetensorsFile::open(directory / adapter_tensors_name);

    std::unordered_set<std::string> expected;
    for_each_tensor(config, set, [&](const std::string& key, auto view, const TensorShape& shape) {
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
            check_finite(row.data(), i, view.cols, where, "; the adapter is damaged or its training diverged");
        }
        expected.insert(key);
    });
    for (const TensorEntry& entry : file.entries())
        check(expected.contains(entry.name), file.where(entry), ": not expected by a model of ", expected.size(),
              " adapter tensors (rank ", config.rank, ", ", config.heads,
              " heads); does the adapter belong to another model or configuration?");

    for_each_tensor(config, set,
                    [&](const std::string& key, auto view, const TensorShape&) { file.read_as(key, view); });
    return config;
}

}  // namespace hydralora::io
