// A model in GGUF as the weights of a decoder, used where they lie in the mapped files. For the parameters of layer L:
//
//     set, as visited                                         file
//     model.embed_tokens.weight                    (V, d)     token_embd.weight           [V, d]
//     model.layers.L.input_layernorm.weight        (1, d)     blk.L.attn_norm.weight      [d]
//     model.layers.L.self_attn.q_proj.weight, .bias           blk.L.attn_q.weight, .bias
//     model.layers.L.mlp.gate_proj.weight                     blk.L.ffn_gate.weight
//     model.norm.weight                            (1, d)     output_norm.weight          [d]
//     lm_head.weight                               (V, d)     output.weight               [V, d], if it is not tied
//
// Files of the architecture "llama" have the rows of q and k in an order of their own (RowOrder), which is undone on the way;
// Qwen's and Gemma's keep ours. Gemma's norms are the factors themselves, unlike in Hugging Face's files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../quant/decode.hpp"
#include "gguf_config.hpp"
#include "llama_files.hpp"
#include "lora_modules.hpp"

namespace hydralora::io {

namespace gguf_detail {

/// Those of quant/ that files have.
inline constexpr std::size_t file_formats = static_cast<std::size_t>(QuantFormat::nf4);

/// The format of quant/ that a type of elements is; nothing for those that are not decoded.
[[nodiscard]] inline std::optional<QuantFormat> quant_format(const GgmlType& type) {
    for (std::size_t i = 0; i < file_formats; ++i)
        if (quant_format_names[i] == type.name) return static_cast<QuantFormat>(i);
    return std::nullopt;
}

[[nodiscard]] inline std::string format_list() {
    std::string list;
    for (std::size_t i = 0; i < file_formats; ++i) list += concat(list.empty() ? "" : ", ", quant_format_names[i]);
    return list;
}

/// The tensor's name in the file. A norm behind attention has the name of Llama's before feed-forward.
[[nodiscard]] inline std::string tensor_name(const std::string& path, const LlamaConfig& config) {
    if (path == "model.embed_tokens.weight") return "token_embd.weight";
    if (path == "model.norm.weight") return "output_norm.weight";
    if (path == "lm_head.weight") return "output.weight";
    const std::string_view list = "model.layers.", all = path;
    const std::size_t dot = all.find('.', list.size());
    const std::string_view layer = all.substr(list.size(), dot - list.size()), inside = all.substr(dot + 1);
    for (const LoraModule& module : lora_modules)
        if (inside.starts_with(module.path))
            return concat("blk.", layer, '.', module.gguf, inside.substr(module.path.size()));
    const bool around = config.block_norms == BlockNorms::around;
    const std::pair<std::string_view, std::string_view> norms[] = {
        {"input_layernorm.weight", "attn_norm.weight"},
        {"self_attn.q_norm.weight", "attn_q_norm.weight"},
        {"self_attn.k_norm.weight", "attn_k_norm.weight"},
        {"post_attention_layernorm.weight", around ? "post_attention_norm.weight" : "ffn_norm.weight"},
        {"pre_feedforward_layernorm.weight", "ffn_norm.weight"},
        {"post_feedforward_layernorm.weight", "post_ffw_norm.weight"}};
    for (const auto& [ours, theirs] : norms)
        if (inside == ours) return concat("blk.", layer, '.', theirs);
    fail("gguf: no name for ", path);
}

/// How the rows of a tensor, or of what is added to it, lie in the file.
[[nodiscard]] inline RowOrder row_order(Architecture architecture, Index head_dim, std::string_view path) {
    const bool permuted = architecture == Architecture::llama || architecture == Architecture::mistral;
    const bool turned = path.find(".q_proj") != path.npos || path.find(".k_proj") != path.npos;
    return {permuted && turned ? head_dim : 0};
}
[[nodiscard]] inline RowOrder row_order(const LlamaConfig& config, std::string_view path) {
    return row_order(config.architecture, config.head_dim, path);
}

template <class T>
[[nodiscard]] bool lies_as(const GgufParts::Tensor& tensor) {
    return tensor.entry->type.plain && tensor.entry->type.dtype == dtype_of<T>() &&
           reinterpret_cast<std::uintptr_t>(tensor.data()) % alignof(T) == 0;
}

inline void check_finite(bool finite, const GgufParts::Tensor& tensor) {
    check(finite, tensor.where(), ": expected finite numbers, found others; the file is damaged or the model diverged");
}

template <Backend B, class T>
[[nodiscard]] StoredView<B> in_place(const GgufParts::Tensor& tensor, Shape shape) {
    const ViewOf<B, const T> view{reinterpret_cast<const T*>(tensor.data()), shape.rows, shape.cols};
    check_finite(llama_files_detail::all_finite(view.data, view.size()), tensor);
    return view;
}

/// A matrix where it lies: plain elements as such where no row is elsewhere, all others as blocks.
template <Backend B>
[[nodiscard]] StoredView<B> matrix_in_place(const GgufParts::Tensor& tensor, Shape shape, RowOrder order) {
    using P = ParamScalar<B>;
    if (order.head_dim == 0) {
        if (lies_as<P>(tensor)) return in_place<B, P>(tensor, shape);
        if (lies_as<bfloat16>(tensor)) return in_place<B, bfloat16>(tensor, shape);
        if (lies_as<float16>(tensor)) return in_place<B, float16>(tensor, shape);
    }
    const QuantView<typename B::space> view(reinterpret_cast<const std::uint8_t*>(tensor.data()),
                                            *quant_format(tensor.entry->type), shape.rows, shape.cols, order);
    check_finite(quant::all_finite(view), tensor);
    return view;
}

/// A norm or bias as the parameters' type.
template <class T>
void read_vector(const GgufParts::Tensor& tensor, RowOrder order, MatrixView<T> to) {
    std::vector<T> values(static_cast<std::size_t>(to.cols));
    convert_elements(tensor.entry->type.dtype, tensor.data(), values.data(), to.cols);
    check_finite(llama_files_detail::all_finite(values.data(), to.cols), tensor);
    for (Index i = 0; i < to.cols; ++i) to(0, i) = values[static_cast<std::size_t>(order.place_of(i))];
}

}  // namespace gguf_detail

/// Throws unless the files hold exactly the tensors that the configuration asks for, with their shapes, in a format that is
/// read.
inline void check_gguf_tensors(const GgufParts& parts, const LlamaConfig& config) {
    using namespace gguf_detail;
    const std::string_view architecture = parts.first().value<std::string_view>("general.architecture");
    std::unordered_set<std::string_view> names;
    if (config.architecture == Architecture::llama) names.insert(rope_factors_name);
    visit(
        [&](const ParamPath& path, const Shape& shape) {
            const std::string name = tensor_name(path.name(), config);
            const auto tensor = parts.find(name);
            check(tensor.entry != nullptr, parts.first().name(), ": expected a tensor ", in_quotes(name),
                  " of a model of architecture ", architecture, " with ", config.layers,
                  " layers, found none of that name among ", parts.size());
            const TensorShape wanted = llama_files_detail::file_shape(path, shape);
            check(tensor.entry->shape == wanted, tensor.where(), ": expected shape ", wanted.text(),
                  " by the metadata, found ", tensor.entry->shape.text());
            const GgmlType& type = tensor.entry->type;
            const auto format = quant_format(type);
            if (path.role == Role::norm || path.role == Role::bias)
                check(format.has_value() && type.plain, tensor.where(), ": expected elements F32, F16 or BF16, found ",
                      type.name);
            else
                check(format.has_value(), tensor.where(), ": is stored as ", type.name, ", expected one of ",
                      format_list(), "; take the model in another quantisation");
            names.insert(tensor.entry->name);
        },
        weight_shapes(config));
    for (std::size_t i = 0; i < parts.size(); ++i)
        check(names.contains(parts.tensor(i).entry->name), parts.tensor(i).where(),
              ": not a tensor that a model of architecture ", architecture, " with ", config.layers,
              " layers is computed with here");
}

/// The weights of a model in GGUF. Everything is checked before it is believed; the first read of every weight (all must be
/// finite) brings the files into memory.
template <Backend B>
[[nodiscard]] LlamaFiles<B> open_llama(B& be, GgufParts parts) {
    static_assert(std::is_same_v<typename B::space, host>, "weights in files are in host memory");
    using namespace gguf_detail;
    LlamaFiles<B> model;
    model.config = llama_config_from_gguf(parts);
    check_gguf_tensors(parts, model.config);
    const auto shapes = weight_shapes(model.config);
    model.converted = shapes.template like<ParamBuffer<B>>();
    model.views = shapes.template like<StoredView<B>>();
    visit(
        [&](const ParamPath& path, const Shape& shape, ParamBuffer<B>& buffer, StoredView<B>& view) {
            const std::string name = path.name();
            const auto tensor = parts.find(tensor_name(name, model.config));
            const RowOrder order = row_order(model.config, name);
            if (path.role == Role::weight) {
                view = matrix_in_place<B>(tensor, shape, order);
            } else {
                buffer = ParamBuffer<B>(be, shape);
                read_vector(tensor, order, buffer.view());
                view = ConstParamView<B>(buffer.view());
            }
        },
        shapes, model.converted, model.views);
    model.files = std::move(parts);
    return model;
}

}  // namespace hydralora::io
