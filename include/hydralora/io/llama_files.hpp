// A Hugging Face model directory as the weights of a decoder, used where they lie in the mapped files. What else holds such
// weights: gguf_llama.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "../backend/stored_view.hpp"
#include "../model/params.hpp"
#include "../quant/decode.hpp"
#include "gguf_parts.hpp"
#include "llama_config.hpp"
#include "model_files.hpp"
#include "tensor_names.hpp"

namespace hydralora::io {

/// The weights of a model in mapped files. `views` lead into them, and into `converted` for what cannot be used as it lies
/// there: norms and biases, elements of another type than float, bfloat16 and float16, and tensors at odd addresses.
template <Backend B>
struct LlamaFiles {
    LlamaConfig config;
    std::variant<ModelFiles, GgufParts> files;
    LlamaWeights<ParamBuffer<B>> converted;
    LlamaWeights<StoredView<B>> views;
    std::vector<std::string> notes{};  ///< what was read otherwise than the settings say, for the user

    [[nodiscard]] bool is_gguf() const { return std::holds_alternative<GgufParts>(files); }
    /// Throw where the files are of the other kind.
    [[nodiscard]] const ModelFiles& directory() const { return std::get<ModelFiles>(files); }
    [[nodiscard]] const GgufParts& gguf() const { return std::get<GgufParts>(files); }

    /// Of all bytes of all files: what tells one base from another.
    [[nodiscard]] std::string checksum() const {
        return std::visit([](const auto& all) { return all.checksum(); }, files);
    }
    /// Bytes of all files.
    [[nodiscard]] std::size_t bytes() const {
        return std::visit([](const auto& all) { return all.bytes(); }, files);
    }
};

namespace llama_files_detail {

/// The shape in the file: norms and biases are vectors there.
[[nodiscard]] inline TensorShape file_shape(const ParamPath& path, Shape shape) {
    const bool vector = path.role == Role::norm || path.role == Role::bias;
    return vector ? TensorShape{shape.cols} : TensorShape(shape);
}

/// What is added to a norm of a file to have the factor that it is: Gemma's files hold norms less 1.
[[nodiscard]] inline double norm_offset(const LlamaConfig& config) {
    return config.architecture == Architecture::gemma3 ? 1 : 0;
}

/// What old checkpoints carry besides the weights: a table that anyone can compute, and a second copy of a tied head, which
/// is_tied has looked at.
[[nodiscard]] inline bool is_superfluous(std::string_view name, const LlamaConfig& config) {
    return is_rope_table(name) || (config.lm_head == LmHead::tied && name == head_name);
}

/// The tensor of a weight: of a tied embedding whichever of its two names is there.
[[nodiscard]] inline ModelFiles::Tensor find_weight(const ModelFiles& files, std::string_view name,
                                                    const LlamaConfig& config) {
    const auto tensor = files.find(name);
    const bool alias = tensor.entry == nullptr && config.lm_head == LmHead::tied && name == embedding_name;
    return alias ? files.find(head_name) : tensor;
}

/// Whether a head that config.json says is the embedding is: not where the files have another one, which counts then, as for
/// transformers.
[[nodiscard]] inline bool is_tied(const ModelFiles& files, const LlamaConfig& config) {
    if (config.lm_head != LmHead::tied) return false;
    const auto head = files.find(head_name), embedding = files.find(embedding_name);
    if (head.entry == nullptr || embedding.entry == nullptr) return true;
    return head.entry->dtype == embedding.entry->dtype && head.entry->shape == embedding.entry->shape &&
           std::ranges::equal(head.file->bytes(*head.entry), embedding.file->bytes(*embedding.entry));
}

template <class T>
[[nodiscard]] bool all_finite(const T* data, Index count) {
    if constexpr (sizeof(T) == 2) {
        constexpr std::uint16_t exponent = std::is_same_v<T, bfloat16> ? 0x7f80 : 0x7c00;
        bool bad = false;
        for (Index i = 0; i < count; ++i) bad |= (data[i].bits & exponent) == exponent;
        return !bad;
    } else {
        T sum{};
        for (Index i = 0; i < count; ++i) sum += data[i] - data[i];  // 0, or NaN for what is not finite
        return sum == T{};
    }
}

template <class T>
[[nodiscard]] bool lies_as(const ModelFiles::Tensor& tensor) {
    const auto data = reinterpret_cast<std::uintptr_t>(tensor.file->bytes(*tensor.entry).data());
    return tensor.entry->dtype == dtype_of<T>() && data % alignof(T) == 0;
}

template <Backend B, class T>
[[nodiscard]] StoredView<B> in_place(const ModelFiles::Tensor& tensor, Shape shape) {
    const ViewOf<B, const T> view{reinterpret_cast<const T*>(tensor.file->bytes(*tensor.entry).data()), shape.rows,
                                  shape.cols};
    check(all_finite(view.data, view.size()), tensor.where(),
          ": expected finite numbers, found others; the file is damaged or the model diverged");
    return view;
}

}  // namespace llama_files_detail

/// Throws unless the files hold exactly the tensors that the configuration asks for, with their shapes, in a type of
/// element that is read.
inline void check_llama_tensors(const ModelFiles& files, const LlamaConfig& config) {
    using namespace llama_files_detail;
    std::unordered_set<std::string_view> names;
    visit(
        [&](const ParamPath& path, const Shape& shape) {
            const std::string name = path.name();
            const auto tensor = find_weight(files, name, config);
            check(tensor.entry != nullptr, files.files().front().name(), ": expected a tensor ", in_quotes(name),
                  " by config.json, found none of that name among ", files.size(), " of the model", files.beside(),
                  name != head_name ? ""
                                    : "; if the head shares the embedding, set \"tie_word_embeddings\": true in "
                                      "config.json, else fetch the files that have it");
            const TensorShape wanted = file_shape(path, shape);
            check(tensor.entry->shape == wanted, tensor.where(), ": expected shape ", wanted.text(),
                  " by config.json, found ", tensor.entry->shape.text());
            check(readable_as<float>(tensor.entry->dtype), tensor.where(),
                  ": expected elements F32, BF16, F16 or F64, found ", dtype_name(tensor.entry->dtype),
                  "; quantised models are not read");
            names.insert(tensor.entry->name);
        },
        weight_shapes(config));
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto tensor = files.tensor(i);
        check(names.contains(tensor.entry->name) || is_superfluous(tensor.entry->name, config), tensor.where(),
              ": not a tensor of a ", architecture_names[static_cast<std::size_t>(config.architecture)], " model of ",
              config.layers, " layers with the settings of config.json");
    }
}

/// Opens a directory: config.json says what is expected, everything is checked before it is believed. The first read of
/// every weight (all must be finite) brings the files into memory.
template <Backend B>
[[nodiscard]] LlamaFiles<B> open_llama(B& be, const std::filesystem::path& directory) {
    static_assert(std::is_same_v<typename B::space, host>, "weights in files are in host memory");
    using namespace llama_files_detail;
    const auto config_path = directory / "config.json";
    const std::string config_name = config_path.string();
    check(path_exists(config_path), directory.string(), ": is not a model directory: it has no config.json");
    const Json document = read_json(config_path, {.bytes = std::size_t{16} << 20});
    LlamaFiles<B> model;
    model.config = llama_config_from_json(JsonView(document, config_name));
    ModelFiles files = ModelFiles::open(directory);
    files.compare_with_index(directory);
    if (model.config.lm_head == LmHead::tied && !is_tied(files, model.config)) {
        model.config.lm_head = LmHead::own;
        model.notes.push_back(
            concat(config_name,
                   ": \"tie_word_embeddings\" is true, but the files have an lm_head.weight other than "
                   "the embedding, which is used, as transformers does"));
    }
    check_llama_tensors(files, model.config);
    const auto shapes = weight_shapes(model.config);
    model.converted = shapes.template like<ParamBuffer<B>>();
    model.views = shapes.template like<StoredView<B>>();
    using P = ParamScalar<B>;
    visit(
        [&](const ParamPath& path, const Shape& shape, ParamBuffer<B>& buffer, StoredView<B>& view) {
            const auto tensor = find_weight(files, path.name(), model.config);
            const bool matrix = path.role == Role::weight;
            const P offset = static_cast<P>(path.role == Role::norm ? norm_offset(model.config) : 0);
            if (offset == 0 && lies_as<P>(tensor)) {
                view = in_place<B, P>(tensor, shape);
            } else if (matrix && lies_as<bfloat16>(tensor)) {
                view = in_place<B, bfloat16>(tensor, shape);
            } else if (matrix && lies_as<float16>(tensor)) {
                view = in_place<B, float16>(tensor, shape);
            } else {
                buffer = ParamBuffer<B>(be, shape);
                convert_elements(tensor.entry->dtype, tensor.file->bytes(*tensor.entry).data(), buffer.view().data,
                                 shape.size());
                check(all_finite(buffer.view().data, shape.size()), tensor.where(),
                      ": expected finite numbers, found others; the file is damaged or the model diverged");
                for (Index i = 0; offset != 0 && i < shape.size(); ++i) buffer.view().data[i] += offset;
                view = ConstParamView<B>(buffer.view());
            }
        },
        shapes, model.converted, model.views);
    model.files = std::move(files);
    return model;
}

namespace llama_files_detail {

/// to = row i of a matrix of elements or of blocks
template <class V, class T>
void widen_row(const V& from, Index i, T* to) {
    if constexpr (is_quant_view<V>) {
        if constexpr (std::is_same_v<T, float>) return quant::decode(from, i, 1, 0, from.cols, to, from.cols);
        std::vector<float> row(static_cast<std::size_t>(from.cols));
        quant::decode(from, i, 1, 0, from.cols, row.data(), from.cols);
        for (Index j = 0; j < from.cols; ++j) to[j] = static_cast<T>(row[static_cast<std::size_t>(j)]);
    } else {
        for (Index j = 0; j < from.cols; ++j) to[j] = widened<T>(from(i, j));
    }
}

}  // namespace llama_files_detail

/// to (rows, cols) in the memory of any backend = a matrix in files of F, in the type of to's elements, some rows at a
/// time.
template <Backend F, Backend B, class T>
void upload_as(B& be, const StoredView<F>& from, MatrixView<T, typename B::space> to) {
    const Index some = std::max(Index{1}, (Index{1} << 22) / std::max(Index{1}, from.cols));
    std::vector<T> rows(static_cast<std::size_t>(std::min(some, from.rows) * from.cols));
    from.visit([&](auto view) {
        for (Index first = 0; first < view.rows; first += some) {
            const Index count = std::min(some, view.rows - first);
            T* next = rows.data();
            for (Index i = first; i < first + count; ++i, next += view.cols)
                llama_files_detail::widen_row(view, i, next);
            be.upload(host_view(std::as_const(rows).data(), count, view.cols), to.row_slice(first, count));
        }
    });
}

/// Of all norms as floats: what the files of one model have in common, whichever way its matrices are stored, for norms are
/// never quantised.
template <Backend B>
[[nodiscard]] std::string norms_checksum(const LlamaWeights<StoredView<B>>& weights) {
    Xxh64 sum;
    visit(
        [&](const ParamPath& path, const StoredView<B>& norm) {
            if (path.role != Role::norm) return;
            std::vector<float> values(static_cast<std::size_t>(norm.cols));
            norm.visit([&](const auto& view) { llama_files_detail::widen_row(view, 0, values.data()); });
            sum.update(std::as_bytes(std::span<const float>(values)));
        },
        weights);
    return checksum_text(sum.digest());
}

/// The weights as buffers of the parameters' type in the memory of any backend, to train them.
template <Backend B, Backend F>
[[nodiscard]] LlamaWeights<ParamBuffer<B>> trainable_weights(B& be, const LlamaFiles<F>& model) {
    auto buffers = make_buffers(be, weight_shapes(model.config));
    visit([&](const ParamPath&, ParamBuffer<B>& to, const StoredView<F>& from) { upload_as<F>(be, from, to.view()); },
          buffers, model.views);
    return buffers;
}

}  // namespace hydralora::io
