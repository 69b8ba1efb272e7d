// LoRAs as llama.cpp reads them: a GGUF file of type "adapter" with, for layer L's gate_proj,
//
//     set, as visited                              file
//     layers.L.mlp.gate_proj.A            (r, in)    blk.L.ffn_gate.weight.lora_a     [r, in]
//     layers.L.mlp.gate_proj.B            (out, r)   blk.L.ffn_gate.weight.lora_b     [out, r]
//
// Files of the architecture "llama" (Llama and Mistral) keep the two halves of a head's rotated dimensions interleaved, so
// the rows of q_proj's and k_proj's B go where those of the weight went (RowOrder). Qwen's and Gemma's keep the order.
// Source: ggml-org/llama.cpp, convert_lora_to_gguf.py and convert_hf_to_gguf.py (LlamaModel.permute).
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/params.hpp"
#include "../core/view.hpp"
#include "adapter_config.hpp"
#include "adapter_directory.hpp"
#include "adapter_files.hpp"
#include "foreign_lora.hpp"
#include "gguf.hpp"
#include "gguf_llama.hpp"
#include "gguf_settings.hpp"
#include "gguf_writer.hpp"
#include "lora_modules.hpp"
#include "quote.hpp"

namespace hydralora::io {

/// What a GGUF file must know of the base: its architecture (Mistral's is Llama's) and the dimensions of a head.
struct GgufBase {
    Architecture architecture = Architecture::llama;
    Index head_dim = 0;
};

/// Of a model in whichever file.
[[nodiscard]] inline GgufBase gguf_base(const LlamaConfig& model) { return {model.architecture, model.head_dim}; }

namespace gguf_adapter_detail {

inline void check_base(const GgufBase& base) {
    check(base.head_dim >= 2 && base.head_dim % 2 == 0, "GgufBase: head_dim ", base.head_dim,
          ", expected the dimensions of a head, an even number");
}

/// How the rows of a module's B lie in the file. `where`: for messages.
[[nodiscard]] inline RowOrder order_of_b(const GgufBase& base, const LoraModule& module, Index rows,
                                         std::string_view where) {
    const RowOrder order = gguf_detail::row_order(base.architecture, base.head_dim, concat('.', module.name));
    check(order.head_dim == 0 || rows % order.head_dim == 0, where, ": expected a multiple of ", base.head_dim,
          " rows, the dimensions of a head, found ", rows);
    return order;
}

}  // namespace gguf_adapter_detail

/// Makes or replaces a GGUF adapter file, in one step, from a set of parameters of one head without a gate, with elements of
/// `type`; llama.cpp scales by alpha / r.
template <class P>
void save_gguf_adapter(const std::filesystem::path& path, const AdapterFileConfig& config, const GgufBase& base, P& set,
                       const FileCalls& calls = {}, Dtype type = Dtype::f32) {
    check(config.heads == 1 && config.sharing == "shared_a" && (config.gate == "none" || config.gate == "uniform"),
          "save_gguf_adapter: expected one head without a gate, found ", config.heads, " heads, gate ", config.gate,
          "; export each head, or collapse them");
    gguf_adapter_detail::check_base(base);
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
            static_assert(std::is_floating_point_v<std::remove_const_t<T>>);
            const std::string where = concat("save_gguf_adapter: ", name);
            const RowOrder order = is_a ? RowOrder{} : gguf_adapter_detail::order_of_b(base, names, view.rows, where);
            auto& values = memory.emplace_back(static_cast<std::size_t>(view.size()));
            for (Index i = 0; i < view.rows; ++i) {
                float* const to = values.data() + order.place_of(i) * view.cols;
                for (Index j = 0; j < view.cols; ++j) to[j] = static_cast<float>(view(i, j));
                adapter_directory_detail::check_finite(to, i, view.cols, where, "; nothing was written");
            }
            tensors.push_back(named_tensor(name, host_view(std::as_const(values).data(), view.rows, view.cols)));
        },
        set);
    check(!tensors.empty(), "save_gguf_adapter: the set has no parameters");
    const GgufFields fields{{"general.architecture", GgufScalar(std::string(gguf_name(base.architecture)))},
                            {"general.type", GgufScalar(std::string("adapter"))},
                            {"adapter.type", GgufScalar(std::string("lora"))},
                            {"adapter.lora.alpha", GgufScalar(static_cast<float>(config.alpha))}};
    std::deque<std::vector<std::byte>> rounded;
    save_gguf(path, fields, in_type(type, std::move(tensors), rounded), calls);
}

namespace gguf_adapter_detail {

/// The place and the letter of "blk.3.ffn_up.weight.lora_a".
struct TensorPlace {
    LoraPlace place;
    char letter = 'a';
};
[[nodiscard]] inline std::optional<TensorPlace> tensor_place(std::string_view name) {
    constexpr std::string_view list = "blk.", a = ".weight.lora_a", b = ".weight.lora_b";
    if (!name.starts_with(list) || (!name.ends_with(a) && !name.ends_with(b))) return std::nullopt;
    const char letter = name.back();
    name = name.substr(list.size(), name.size() - list.size() - a.size());
    const std::size_t dot = name.find('.');
    if (dot == name.npos) return std::nullopt;
    for (const LoraModule& module : lora_modules)
        if (name.substr(dot + 1) == module.gguf)
            if (const auto place = lora_place(concat("layers.", name.substr(0, dot), '.', module.path)))
                return TensorPlace{*place, letter};
    return std::nullopt;
}

[[nodiscard]] inline ForeignFactor read_factor(const GgufFile& file, const GgufEntry& entry) {
    const std::string where = file.where(entry);
    check(entry.shape.dims().size() <= 2 && entry.shape.matrix().size() > 0, where, ": expected a matrix, found shape ",
          entry.shape.text());
    const Shape shape = entry.shape.matrix();
    const auto format = gguf_detail::quant_format(entry.type);
    check(format.has_value() || (entry.type.plain && readable_as<float>(entry.type.dtype)), where, ": is stored as ",
          entry.type.name, ", expected one of F64, ", gguf_detail::format_list());
    std::vector<float> values(static_cast<std::size_t>(shape.size()));
    if (entry.type.plain) {
        file.read_as(entry.name, host_view(values.data(), shape.rows, shape.cols));
    } else {
        const QuantView<host> view(reinterpret_cast<const std::uint8_t*>(file.bytes(entry).data()), *format, shape.rows,
                                   shape.cols);
        quant::decode(view, 0, shape.rows, 0, shape.cols, values.data(), shape.cols);
    }
    ForeignFactor factor{where, shape.rows, shape.cols, std::move(values)};
    foreign_lora_detail::check_finite(factor);
    return factor;
}

}  // namespace gguf_adapter_detail

/// Reads a LoRA of llama.cpp for a base. llama.cpp scales by alpha / rank of each module, by 1 where alpha is 0
/// or not there, and passes over what is not a pair of lora_a and lora_b; that is refused here.
[[nodiscard]] inline ForeignLora read_gguf_adapter(const GgufFile& file, const GgufBase& base) {
    using namespace gguf_adapter_detail;
    check_base(base);
    const GgufSettings general(file, "general."), adapter(file, "adapter.");
    if (general.find("type") == nullptr || general.text("type") != "adapter")
        fail(file.name(), ": expected a GGUF file with general.type \"adapter\", found ",
             general.find("type") == nullptr ? std::string("none") : concat(in_quotes(general.text("type"))),
             "; a whole model is a base, not an adapter");
    if (adapter.text("type") != "lora") adapter.refuse("type", "\"lora\"");
    if (general.text("architecture") != gguf_name(base.architecture))
        general.refuse("architecture", concat(in_quotes(gguf_name(base.architecture)), ", the base's"));
    if (adapter.find("alora.invocation_tokens") != nullptr)
        fail(file.where(file.field("adapter.alora.invocation_tokens")),
             ": expected no such field, for an adapter that acts after certain tokens only is not computed");
    const double alpha = adapter.number("lora.alpha", -1e9, 1e9, 0);
    ForeignLora lora;
    lora.file = file.name();
    for (const GgufEntry& entry : file.entries()) {
        const auto at = tensor_place(entry.name);
        check(at.has_value(), file.where(entry),
              ": expected blk.<n>.<module>.weight.lora_a or lora_b of the linear layers of a Llama-family block, all "
              "that an adapter here is on");
        lora.put(at->place, at->letter, read_factor(file, entry));
    }
    const double rank_of_file = lora.modules.empty() ? 0 : static_cast<double>(lora.modules.begin()->second.a.rows);
    for (auto& [place, module] : lora.modules) {
        module.scale = alpha == 0 || module.b.cols == 0 ? 1 : alpha / static_cast<double>(module.b.cols);
        ForeignFactor& b = module.b;
        const RowOrder order = order_of_b(base, lora_modules[place.second], b.rows, b.where);
        if (order.head_dim == 0) continue;
        const std::vector<float> lying = b.values;
        for (Index i = 0; i < b.rows; ++i)
            std::copy_n(lying.data() + order.place_of(i) * b.cols, b.cols, b.values.data() + i * b.cols);
    }
    if (alpha == 0)
        lora.notes.emplace_back("adapter.lora.alpha is 0 or missing, which llama.cpp takes for a scale of 1");
    lora.close(static_cast<Index>(rank_of_file), alpha);
    return lora;
}

}  // namespace hydralora::io
