// LoRAs as llama.cpp reads them: a GGUF file of type "adapter" with, for layer L's gate_proj,
//
//     set, as visited                              file
//     layers.L.mlp.gate_proj.A            (r, in)    blk.L.ffn_gate.weight.lora_a     [r, in]
//     layers.L.mlp.gate_proj.B            (out, r)   blk.L.ffn_gate.weight.lora_b     [out, r]
//
// Files of the architecture "llama" (Llama and Mistral) keep the two halves of a head's rotated dimensions interleaved, so
// the rows of q_proj's and k_proj's B go where those of the weight went:
// B.reshape(heads, 2, out / heads / 2, r).swapaxes(1, 2).reshape(out, r). Qwen's and Gemma's architectures keep the order.
// Source: ggml-org/llama.cpp, convert_lora_to_gguf.py and convert_hf_to_gguf.py (LlamaModel.permute).
#pragma once

#include <cstddef>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "../core/check.hpp"
#include "../core/params.hpp"
#include "../core/view.hpp"
#include "adapter_config.hpp"
#include "adapter_directory.hpp"
#include "adapter_files.hpp"
#include "gguf_writer.hpp"
#include "lora_modules.hpp"
#include "quote.hpp"

namespace hydralora::io {

/// What a GGUF file must know of the base.
struct GgufBase {
    std::string architecture = "llama";  ///< "llama" (Mistral too), "qwen2", "qwen3" or "gemma3"
    Index heads = 0, kv_heads = 0;       ///< query heads; key and value heads
};

/// `to` row j = `from` row of dimension j in llama's order: of each head's rows, i and i + half become neighbours.
template <class T>
void interleave_halves(MatrixView<const T> from, Index heads, MatrixView<T> to) {
    check(heads >= 1 && from.rows % (2 * heads) == 0 && from.shape() == to.shape(), "interleave_halves: ", from.rows,
          " rows, expected an even number for each of ", heads, " heads");
    const Index dim = from.rows / heads, half = dim / 2;
    for (Index h = 0; h < heads; ++h)
        for (Index i = 0; i < half; ++i)
            for (Index part = 0; part < 2; ++part)
                for (Index j = 0; j < from.cols; ++j)
                    to(h * dim + 2 * i + part, j) = from(h * dim + part * half + i, j);
}

/// Makes or replaces a GGUF adapter file, in one step, from a set of parameters of one head without a gate. Values are
/// written as float; llama.cpp scales by alpha / r.
template <class P>
void save_gguf_adapter(const std::filesystem::path& path, const AdapterFileConfig& config, const GgufBase& base, P& set,
                       const FileCalls& calls = {}) {
    check(config.heads == 1 && config.sharing == "shared_a" && (config.gate == "none" || config.gate == "uniform"),
          "save_gguf_adapter: expected one head without a gate, found ", config.heads, " heads, gate ", config.gate,
          "; export each head, or collapse them");
    const bool rotated = base.architecture == "llama";
    check(rotated || base.architecture == "qwen2" || base.architecture == "qwen3" || base.architecture == "gemma3",
          "save_gguf_adapter: architecture ", in_quotes(base.architecture), ": expected llama, qwen2, qwen3 or gemma3");

    std::deque<std::vector<float>> memory;  // values as float, in the order of the file; stays where it is
    std::vector<NamedTensor> tensors;
    visit(
        [&](const ParamPath& parameter, auto& element) {
            const auto view = adapter_files_detail::host_memory(element);
            using T = typename decltype(view)::value_type;
            const std::string module = parameter.parent == nullptr ? std::string() : parameter.parent->name();
            const auto place = lora_place(module);
            const bool is_a = parameter.part == "A";
            check(place && (is_a || parameter.part == "B"), "save_gguf_adapter: parameter ", parameter.name(),
                  ": expected A or B of a linear layer of a Llama-family block");
            const LoraModule& names = lora_modules[place->module];
            const std::string name = concat("blk.", place->layer, '.', names.gguf, ".weight.lora_", is_a ? 'a' : 'b');
            check(is_a ? view.rows == config.rank : view.cols == config.rank, "save_gguf_adapter: parameter ",
                  parameter.name(), " is (", view.rows, ", ", view.cols, "), expected rank ", config.rank);
            std::vector<float> plain;
            for (Index i = 0; i < view.rows; ++i) {
                for (Index j = 0; j < view.cols; ++j) plain.push_back(static_cast<float>(view(i, j)));
                adapter_directory_detail::check_finite(plain.data() + i * view.cols, i, view.cols,
                                                       concat("save_gguf_adapter: ", name), "; nothing was written");
            }
            static_assert(std::is_floating_point_v<std::remove_const_t<T>>);
            auto& values = memory.emplace_back(plain);
            const bool query = names.name == "q_proj";
            if (rotated && !is_a && (query || names.name == "k_proj"))
                interleave_halves(host_view(std::as_const(plain).data(), view.rows, view.cols),
                                  query ? base.heads : base.kv_heads, host_view(values.data(), view.rows, view.cols));
            tensors.push_back(named_tensor(name, host_view(std::as_const(values).data(), view.rows, view.cols)));
        },
        set);
    check(!tensors.empty(), "save_gguf_adapter: the set has no parameters");
    const GgufFields fields{{"general.architecture", GgufScalar(base.architecture)},
                            {"general.type", GgufScalar(std::string("adapter"))},
                            {"adapter.type", GgufScalar(std::string("lora"))},
                            {"adapter.lora.alpha", GgufScalar(static_cast<float>(config.alpha))}};
    save_gguf(path, fields, tensors, calls);
}

}  // namespace hydralora::io
