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

#include <array>
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

/// What a GGUF file must know of the base.
struct GgufBase {
    std::string architecture = "llama";  ///< "llama" (Mistral too), "qwen2", "qwen3" or "gemma3"
    Index heads = 0, kv_heads = 0;       ///< query heads; key and value heads
};

/// Of a model in whichever file.
[[nodiscard]] inline GgufBase gguf_base(const LlamaConfig& model) {
    constexpr std::array<const char*, architecture_names.size()> names{"llama", "llama", "qwen2", "qwen3", "gemma3"};
    return {names[static_cast<std::size_t>(model.architecture)], model.heads, model.kv_heads};
}

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

/// The way back: `to` row of dimension j in the order of halves = `from` row in llama's order.
template <class T>
void part_halves(MatrixView<const T> from, Index heads, MatrixView<T> to) {
    check(heads >= 1 && from.rows % (2 * heads) == 0 && from.shape() == to.shape(), "part_halves: ", from.rows,
          " rows, expected an even number for each of ", heads, " heads");
    const Index dim = from.rows / heads, half = dim / 2;
    for (Index h = 0; h < heads; ++h)
        for (Index i = 0; i < half; ++i)
            for (Index part = 0; part < 2; ++part)
                for (Index j = 0; j < from.cols; ++j)
                    to(h * dim + part * half + i, j) = from(h * dim + 2 * i + part, j);
}

/// Makes or replaces a GGUF adapter file, in one step, from a set of parameters of one head without a gate, with elements of
/// `type`; llama.cpp scales by alpha / r.
template <class P>
void save_gguf_adapter(const std::filesystem::path& path, const AdapterFileConfig& config, const GgufBase& base, P& set,
                       const FileCalls& calls = {}, Dtype type = Dtype::f32) {
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
    for (Index i = 0; i < shape.rows; ++i)
        adapter_directory_detail::check_finite(values.data() + i * shape.cols, i, shape.cols, where,
                                               "; the adapter is damaged or its training diverged");
    return {where, shape.rows, shape.cols, std::move(values)};
}

}  // namespace gguf_adapter_detail

/// Reads a LoRA of llama.cpp for a base of those heads. llama.cpp scales by alpha / rank of each module, by 1 where alpha is 0
/// or not there, and passes over what is not a pair of lora_a and lora_b; that is refused here.
[[nodiscard]] inline ForeignLora read_gguf_adapter(const GgufFile& file, const GgufBase& base) {
    using namespace gguf_adapter_detail;
    const GgufSettings general(file, "general."), adapter(file, "adapter.");
    if (general.find("type") == nullptr || general.text("type") != "adapter")
        fail(file.name(), ": expected a GGUF file with general.type \"adapter\", found ",
             general.find("type") == nullptr ? std::string("none") : concat(in_quotes(general.text("type"))),
             "; a whole model is a base, not an adapter");
    if (adapter.text("type") != "lora") adapter.refuse("type", "\"lora\"");
    check(general.text("architecture") == base.architecture, file.where(file.field("general.architecture")),
          ": expected ", in_quotes(base.architecture), ", the base's, found ", in_quotes(general.text("architecture")));
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
              "that an "
              "adapter here is on");
        lora.put(at->place, at->letter, read_factor(file, entry));
    }
    const double rank_of_file = lora.modules.empty() ? 0 : static_cast<double>(lora.modules.begin()->second.a.rows);
    for (auto& [place, module] : lora.modules) {
        module.scale = alpha == 0 || module.b.cols == 0 ? 1 : alpha / static_cast<double>(module.b.cols);
        const std::string_view name = lora_modules[place.second].name;
        if (base.architecture != "llama" || (name != "q_proj" && name != "k_proj")) continue;
        const Index heads = name == "q_proj" ? base.heads : base.kv_heads;
        ForeignFactor& b = module.b;
        check(heads >= 1 && b.rows % (2 * heads) == 0, b.where, ": expected an even number of rows for each of ", heads,
              " heads, found ", b.rows);
        std::vector<float> parted(b.values.size());
        part_halves(host_view(std::as_const(b.values).data(), b.rows, b.cols), heads,
                    host_view(parted.data(), b.rows, b.cols));
        b.values = std::move(parted);
    }
    if (alpha == 0)
        lora.notes.emplace_back("adapter.lora.alpha is 0 or missing, which llama.cpp takes for a scale of 1");
    lora.close(static_cast<Index>(rank_of_file), alpha);
    return lora;
}

}  // namespace hydralora::io
