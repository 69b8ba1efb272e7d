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

#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>

#include "../core/check.hpp"
#include "../core/params.hpp"
#include "../core/view.hpp"
#include "adapter_config.hpp"
#include "adapter_directory.hpp"
#include "quote.hpp"
#include "safetensors.hpp"

namespace hydralora::io {

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

}  // namespace adapter_files_detail

/// Writes an adapter directory in one step: it appears complete or, after an error, not at all (a replaced one stays).
template <class P>
void save_adapter(const std::filesystem::path& directory, const AdapterFileConfig& config, const P& set,
                  Existing existing = Existing::refuse, const FileCalls& calls = {}) {
    using namespace adapter_files_detail;
    const auto for_each = [&](auto&& f) { for_each_tensor(config, set, f); };
    write_adapter_directory(directory, to_json(config), tensors_of("save_adapter", for_each), existing, calls);
}

/// What is known of the base that an adapter is loaded for, as in AdapterFileConfig; empty: unknown.
struct BaseIdentity {
    std::string_view checksum{}, norms{};
};

/// Fills a set of parameters from an adapter directory, or throws and leaves it as it is: every tensor must be there
/// with its shape, none besides, all values finite; and if both know it, the base must be the one it was trained on, or
/// another file or quantisation of it, which has the same norms.
template <class P>
AdapterFileConfig load_adapter(const std::filesystem::path& directory, P&& set, BaseIdentity base = {}) {
    using namespace adapter_files_detail;
    const AdapterFileConfig config = read_adapter_config(directory);
    const bool same = config.base_checksum.empty() || base.checksum.empty() || config.base_checksum == base.checksum;
    check(same || (!base.norms.empty() && config.base_norms == base.norms), directory.string(),
          ": was trained on another base: ", in_quotes(config.base_model_name_or_path), " with checksum ",
          in_quotes(config.base_checksum), ", this base has ", in_quotes(base.checksum),
          "; load the base that it was trained on");
    const auto file = SafetensorsFile::open(directory / adapter_tensors_name);

    read_adapter_tensors(file, concat("rank ", config.rank, ", ", config.heads, " heads"),
                         [&](auto&& f) { for_each_tensor(config, set, f); });
    return config;
}

}  // namespace hydralora::io
