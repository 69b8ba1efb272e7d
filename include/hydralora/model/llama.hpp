// The decoder: embedding, blocks, final norm, output head and loss, with adapters on any of the blocks' linear layers.
//
// Weights and adapters stay in the caller's memory; the model holds views, is const in both passes, and asks for the
// gradients of the adapters or of the weights by the type of the set it is given.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "../backend/compose/add.hpp"
#include "../backend/compose/scale.hpp"
#include "../nn/cross_entropy.hpp"
#include "../nn/embedding.hpp"
#include "block.hpp"

namespace hydralora {

/// Tokens of one pass: `sequences` rows of equal length, one behind the other.
template <Backend B>
struct TokenBatch {
    ViewOf<B, const std::int32_t> ids;     ///< (1, T), each in [0, vocabulary)
    ViewOf<B, const std::int32_t> labels;  ///< (1, T) the token to predict at each position, or ignored_label
    Index sequences = 1;
    /// Where sequences hold several documents (packing): (1, T), for each token the index in its sequence of the first
    /// token of its document. Attention then stays within documents and positions count from 0 in each. Empty: a
    /// sequence is one document.
    ViewOf<B, const std::int32_t> starts{};

    [[nodiscard]] Index tokens() const { return ids.cols; }
    [[nodiscard]] Index length() const { return ids.cols / sequences; }
};

/// Throws unless starts are what TokenBatch says. Layers trust them, which may be on a device: check where they come in.
inline void check_starts(MatrixView<const std::int32_t> starts, Index sequences) {
    for (Index t = 0; t < starts.cols; ++t) {
        const Index length = starts.cols / sequences, place = t % length, start = starts(0, t);
        const bool own = start == place, before = place > 0 && start == starts(0, t - 1);
        check(own || before, "Llama: starts(0, ", t, ") = ", start, ", expected ", place, ", where it stands",
              place > 0 ? ", or that of the token before it" : "");
    }
}

/// What forward keeps of the blocks: all that products made, for backward; the input of each alone, from which backward computes the
/// block again (Chen et al., "Training deep nets with sublinear memory cost", arXiv 1604.06174), with the same bits; or
/// nothing, where no backward follows.
enum class Keep { all, inputs, nothing };
inline constexpr std::array<std::string_view, 3> keep_names{"all", "inputs", "nothing"};

/// Keys and values of the tokens so far, for generation: room for `capacity` tokens of one sequence.
template <Backend B>
struct KeyValueMemory {
    std::vector<ActivationBuffer<B>> keys, values;  // a layer: (capacity, kv_heads * head_dim)
    std::vector<AccumBuffer<B>> router_sums;        // an adapter: (1, N) for routers with a context, else empty
    Index used = 0;

    KeyValueMemory(B& be, const LlamaConfig& c, Index capacity) {
        for (Index l = 0; l < c.layers; ++l) {
            keys.emplace_back(be, capacity, c.kv_width());
            values.emplace_back(be, capacity, c.kv_width());
        }
        router_sums.resize(keys.size() * target_count);
    }
    [[nodiscard]] Index capacity() const { return keys.front().rows(); }
};

/// The gradient of a tied embedding has two parts, the head's and the lookup's. Summed in one place, micro-batch after
/// micro-batch, they alternate, and another cut of the batch rounds otherwise. To give every cut the same bits, hand
/// backward a set whose `lm_head` is a zero (V, d) matrix, and call this once after the last micro-batch: it adds that
/// matrix to the embedding's gradient and makes it zero for the next step. The optimiser sees the set without it.
template <Backend B>
void fold_tied_head(B& be, const LlamaWeights<ParamView<B>>& grads) {
    const ParamView<B> from = grads.lm_head, to = grads.embedding;
    check(from.shape() == to.shape(), "fold_tied_head: lm_head is (", from.rows, ", ", from.cols,
          "), expected that of the embedding, (", to.rows, ", ", to.cols, ")");
    be.rows(to.rows, functor::AddRow<ParamScalar<B>, AccumScalar<B>>{from.data, to.data, to.cols, from.ld, to.ld});
    be.fill(from, ParamScalar<B>{0});
}

template <Backend B>
class Llama {
public:
    using Weights = LlamaWeights<StoredView<B>>;
    using Adapters = LlamaAdapters<ConstParamView<B>>;
    using WeightGrads = LlamaWeights<ParamView<B>>;
    using AdapterGrads = LlamaAdapters<ParamView<B>>;

    struct Cache {
        Keep keep = Keep::all;  ///< the caller's choice, before forward

        std::vector<typename LlamaBlock<B>::AdapterCaches> adapters;  // of each block, whatever is kept else
        std::vector<typename LlamaBlock<B>::Cache> blocks;            // of each block, or of the one at hand
        std::vector<ActivationBuffer<B>> inputs;                      // (T, d) of each block, with Keep::inputs
        Pass<B> pass;
        bool spent = false;             // backward has worked in it: forward comes first
        ActivationBuffer<B> x, hidden;  // (T, d): residual stream after the last block, and normed
        typename RmsNorm<B>::Cache norm;
    };

    /// The base alone: views of its weights, of the parameters' type or as they are stored (norms and biases always of the
    /// parameters' type). Throws if a weight's shape differs from the configuration's.
    template <class M>
    Llama(B& be, const LlamaConfig& config, const LlamaWeights<M>& weights)
        : Llama(be, config, stored(weights), nullptr, nullptr, nullptr) {}

    /// The base with adapters.
    template <class M>
    Llama(B& be, const LlamaConfig& config, const LlamaWeights<M>& weights, const LlamaAdapterConfig& adapter_config,
          const Adapters& adapters)
        : Llama(be, config, stored(weights), &adapter_config, &adapters, nullptr) {}

    /// The base with adapters that ride inside its frozen products (JoinedLinear): the same function and gradients, made
    /// with fewer passes over memory. W0 of an adapted projection is read in `joined`; in `weights` it may be empty, so
    /// that it exists once. The adapters' parameters are copied into `joined` here: after each step, call its refresh.
    template <class M>
    Llama(B& be, const LlamaConfig& config, const LlamaWeights<M>& weights, const LlamaAdapterConfig& adapter_config,
          const Adapters& adapters, JoinedProjections<B>& joined)
        : Llama(be, config, stored(weights), &adapter_config, &adapters, &joined) {}

    [[nodiscard]] const LlamaConfig& config() const { return config_; }

    /// Fills the cache; its `hidden` (T, d) is what the output head reads.
    void forward(B& be, const TokenBatch<B>& batch, Cache& c, const Pass<B>& pass = {}) const;

    /// x (T, in) = what a projection of a block read in a forward pass with Keep::all: for example to fit its router to.
    void projection_input(B& be, const Cache& c, Index layer, Target t, View<B> x) const {
        check(layer >= 0 && layer < config_.layers, "Llama: layer ", layer, ", expected 0 to ", config_.layers - 1);
        check(c.keep == Keep::all && std::ssize(c.blocks) == config_.layers,
              "Llama: the inputs of projections are asked of a cache that has them not: run forward with Keep::all");
        const Shape expected{c.x.rows(), target_shape(config_, t).cols};
        check(x.shape() == expected, "Llama: what ", target_names[index_of(t)], " read goes to (", x.rows, ", ", x.cols,
              "), expected (", expected.rows, ", ", expected.cols, ")");
        blocks_[static_cast<std::size_t>(layer)].input(be, c.blocks[static_cast<std::size_t>(layer)], t, x);
    }

    /// loss_sum (1, 1) += sum over the labelled tokens of -log p(label), after forward.
    void loss(B& be, const TokenBatch<B>& batch, const Cache& c, ViewOf<B, double> loss_sum) const;

    /// per_token (1, T) = -log p(label), 0 where ignored, after forward.
    void token_losses(B& be, const TokenBatch<B>& batch, const Cache& c, AccumView<B> per_token) const;

    /// Loss as above, and gradients += those of scale * loss_sum. `scale` is 1 / labelled tokens of the accumulated batch.
    /// The cache is what forward left; with Keep::inputs it is worked in. Where the head is tied and the set has an
    /// lm_head all the same, the head's part of the embedding's gradient is
    /// summed there: see fold_tied_head.
    void backward(B& be, const TokenBatch<B>& batch, double scale, Cache& c, ViewOf<B, double> loss_sum,
                  const AdapterGrads& grads) const {
        check(adapted_, "Llama: gradients of adapters asked of a model without any");
        backward(be, batch, scale, c, loss_sum, &grads, nullptr);
    }
    void backward(B& be, const TokenBatch<B>& batch, double scale, Cache& c, ViewOf<B, double> loss_sum,
                  const WeightGrads& grads) const {
        check(!adapted_,
              "Llama: gradients of the weights asked of a model with adapters; make one from the weights alone");
        backward(be, batch, scale, c, loss_sum, nullptr, &grads);
    }

    /// One sequence continued: ids (1, n) behind what memory holds. logits (1, V) of the last token.
    void decode(B& be, ViewOf<B, const std::int32_t> ids, KeyValueMemory<B>& memory, Cache& c, View<B> logits,
                const Pass<B>& pass) const;

    /// logits (T, V) after forward.
    void logits(B& be, const Cache& c, View<B> logits) const;

private:
    Llama(B& be, const LlamaConfig& config, const Weights& weights, const LlamaAdapterConfig* adapter_config,
          const Adapters* adapters, JoinedProjections<B>* joined);

    template <class M>
    [[nodiscard]] static Weights stored(const LlamaWeights<M>& weights) {
        if constexpr (std::is_same_v<M, StoredView<B>>)
            return weights;
        else
            return map_params<StoredView<B>>(weights, [](const ParamPath&, const M& m) { return StoredView<B>(m); });
    }

    /// The positions of a layer.
    [[nodiscard]] const Rope<B>& rope(std::size_t layer) const {
        return local_rope_ && config_.is_local(static_cast<Index>(layer)) ? *local_rope_ : rope_;
    }

    [[nodiscard]] StoredView<B> head_weight() const {
        return config_.lm_head == LmHead::tied ? weights_.embedding : weights_.lm_head;
    }
    [[nodiscard]] LmHeadCrossEntropy<B> head() const { return LmHeadCrossEntropy<B>(head_weight()); }

    void run(B& be, ViewOf<B, const std::int32_t> ids, const SequenceShape<B>& shape, Cache& c, const Pass<B>& pass,
             KeyValueMemory<B>* memory) const;

    void backward(B& be, const TokenBatch<B>& batch, double scale, Cache& c, ViewOf<B, double> loss_sum,
                  const AdapterGrads* adapters, const WeightGrads* weights) const;

    LlamaConfig config_;
    Weights weights_;
    Rope<B> rope_;
    std::optional<Rope<B>> local_rope_;  // of local layers with another base
    RmsNorm<B> norm_;
    std::vector<LlamaBlock<B>> blocks_;
    bool adapted_;
};

template <Backend B>
void Llama<B>::forward(B& be, const TokenBatch<B>& batch, Cache& c, const Pass<B>& pass) const {
    check(batch.sequences >= 1 && batch.ids.cols >= 1 && batch.ids.cols % batch.sequences == 0,
          "Llama: ", batch.ids.cols, " tokens do not make ", batch.sequences, " sequences of equal length");
    check(batch.length() <= config_.max_positions, "Llama: sequences of ", batch.length(),
          " tokens, the model has max_positions = ", config_.max_positions);
    check(batch.starts.empty() || batch.starts.shape() == batch.ids.shape(), "Llama: starts is (", batch.starts.rows,
          ", ", batch.starts.cols, "), expected (1, ", batch.tokens(), ") or empty");
    run(be, batch.ids, {batch.sequences, batch.length(), 0, batch.starts}, c, pass, nullptr);
}

template <Backend B>
void Llama<B>::loss(B& be, const TokenBatch<B>& batch, const Cache& c, ViewOf<B, double> loss_sum) const {
    head().loss(be, c.hidden.view(), batch.labels, loss_sum);
}

template <Backend B>
void Llama<B>::token_losses(B& be, const TokenBatch<B>& batch, const Cache& c, AccumView<B> per_token) const {
    head().token_losses(be, c.hidden.view(), batch.labels, per_token);
}

template <Backend B>
void Llama<B>::decode(B& be, ViewOf<B, const std::int32_t> ids, KeyValueMemory<B>& memory, Cache& c, View<B> logits,
                      const Pass<B>& pass) const {
    check(ids.cols >= 1, "Llama: no tokens to decode");
    check(memory.used + ids.cols <= memory.capacity(), "Llama: ", memory.used, " + ", ids.cols,
          " tokens exceed the key-value memory of ", memory.capacity());
    run(be, ids, {1, ids.cols, memory.used, {}}, c, pass, &memory);
    memory.used += ids.cols;
    const ConstView<B> last = c.hidden.view().row_slice(ids.cols - 1, 1);                    // (1, d)
    ops::stored_product(be, last, Op::transpose, head_weight(), AccumScalar<B>{0}, logits);  // (1, V)
}

template <Backend B>
void Llama<B>::logits(B& be, const Cache& c, View<B> logits) const {
    ops::stored_product(be, ConstView<B>(c.hidden.view()), Op::transpose, head_weight(), AccumScalar<B>{0}, logits);
}

template <Backend B>
Llama<B>::Llama(B& be, const LlamaConfig& config, const Weights& weights, const LlamaAdapterConfig* adapter_config,
                const Adapters* adapters, JoinedProjections<B>* joined)
    : config_((validate(config), config)),
      weights_(weights),
      rope_(be, {config.head_dim, config.rope_theta, config.rope_scaling, config.max_positions}),
      norm_({config.width, config.norm_eps}, vector_of<B>(weights.norm)),
      adapted_(adapter_config != nullptr) {
    if (config.local_rope_theta > 0 && config.sliding_window > 0)
        local_rope_.emplace(be, RopeConfig{config.head_dim, config.local_rope_theta, {}, config.max_positions});
    check(weights.layers.size() == static_cast<std::size_t>(config.layers), "Llama: weights of ", weights.layers.size(),
          " layers, expected ", config.layers);
    check(adapters == nullptr || adapters->layers.size() == weights.layers.size(), "Llama: adapters of ",
          adapters == nullptr ? 0 : adapters->layers.size(), " layers, expected ", config.layers);
    check(joined == nullptr || joined->layers() == config.layers, "Llama: joined projections of ",
          joined == nullptr ? 0 : joined->layers(), " layers, expected ", config.layers);
    auto expected = weight_shapes(config);
    for (std::size_t l = 0; joined != nullptr && l < weights.layers.size(); ++l)
        for (const Target t : adapter_config->targets)
            if (joined->has(static_cast<Index>(l), t) && weights.layers[l].projections[index_of(t)].empty())
                expected.layers[l].projections[index_of(t)] = {};
    visit(
        [](const ParamPath& path, const StoredView<B>& m, const Shape& shape) {
            check(m.shape() == shape, "Llama: ", path.name(), " is (", m.rows, ", ", m.cols, "), expected (",
                  shape.rows, ", ", shape.cols, ")");
        },
        weights_, expected);
    blocks_.reserve(weights.layers.size());
    for (std::size_t l = 0; l < weights.layers.size(); ++l)
        blocks_.emplace_back(be, config, weights.layers[l], adapter_config,
                             adapters == nullptr ? nullptr : &adapters->layers[l], static_cast<Index>(l),
                             joined == nullptr ? nullptr : &joined->layer(static_cast<Index>(l)));
}

template <Backend B>
void Llama<B>::run(B& be, ViewOf<B, const std::int32_t> ids, const SequenceShape<B>& shape, Cache& c,
                   const Pass<B>& pass, KeyValueMemory<B>* memory) const {
    const bool decoding = memory != nullptr;
    c.pass = pass;
    c.pass.sequences = {shape.sequences, shape.starts, shape.past, decoding ? memory->router_sums.data() : nullptr};
    c.spent = false;
    c.adapters.resize(blocks_.size());
    c.blocks.resize(c.keep == Keep::all && !decoding ? blocks_.size() : 1);
    c.inputs.resize(c.keep == Keep::inputs && !decoding ? blocks_.size() : 0);
    c.x.resize(be, ids.cols, config_.width);
    c.hidden.resize(be, ids.cols, config_.width);
    Embedding<B>{weights_.embedding}.forward(be, ids, c.x.view());  // (T, d)
    if (config_.embedding_scale != 1) ops::scale(be, config_.embedding_scale, c.x.view());
    for (std::size_t l = 0; l < blocks_.size(); ++l) {
        auto& block = c.blocks[c.blocks.size() > l ? l : 0];
        if (!c.inputs.empty()) {
            c.inputs[l].resize(be, ids.cols, config_.width);
            be.copy(ConstView<B>(c.x.view()), c.inputs[l].view());
        }
        if (decoding) {
            View<B> keys = memory->keys[l].view(), values = memory->values[l].view();
            blocks_[l].forward(be, c.x.view(), shape, rope(l), block, c.adapters[l], c.pass, &keys, &values);
        } else {
            blocks_[l].forward(be, c.x.view(), shape, rope(l), block, c.adapters[l], c.pass);
        }
    }
    norm_.forward(be, c.x.view(), c.hidden.view(), c.norm);  // (T, d)
}

template <Backend B>
void Llama<B>::backward(B& be, const TokenBatch<B>& batch, double scale, Cache& c, ViewOf<B, double> loss_sum,
                        const AdapterGrads* adapters, const WeightGrads* weights) const {
    const bool recomputed = !c.inputs.empty();
    check(c.keep != Keep::nothing,
          "Llama: backward with a cache that keeps nothing for it; choose Keep::all or inputs");
    check(!c.spent, "Llama: backward a second time with a cache of inputs; call forward again, or choose Keep::all");
    c.spent = recomputed;
    check(c.hidden.rows() == batch.tokens() && (recomputed ? c.inputs.size() : c.blocks.size()) == blocks_.size(),
          "Llama: the cache is of ", c.hidden.rows(), " tokens, the batch has ", batch.tokens(),
          ": pass the cache that forward filled");
    const std::size_t layers = adapters != nullptr ? adapters->layers.size() : weights->layers.size();
    check(layers == blocks_.size(), "Llama: gradients of ", layers, " layers, expected ", blocks_.size());
    Scratch<B> scratch(be);
    const auto dx = scratch.template matrix<Scalar<B>>(batch.ids.cols, blocks_.front().dx_ld())
                        .col_slice(0, config_.width);                                        // (T, d)
    const auto dhidden = scratch.template matrix<Scalar<B>>(batch.ids.cols, config_.width);  // (T, d)
    ParamView<B> dhead{}, dnorm{};
    if (weights != nullptr) {
        const bool into_embedding = config_.lm_head == LmHead::tied && weights->lm_head.empty();
        dhead = into_embedding ? weights->embedding : weights->lm_head;
        dnorm = weights->norm;
    }
    head().loss_and_gradient(be, c.hidden.view(), batch.labels, scale, loss_sum, dhidden, dhead);
    norm_.backward(be, c.x.view(), dhidden, c.norm, dx, dnorm);
    const SequenceShape<B> shape{batch.sequences, batch.length(), 0, batch.starts};
    for (std::size_t l = blocks_.size(); l-- > 0;) {
        if (recomputed && l + 1 < blocks_.size()) {  // the last block's is still there
            be.copy(ConstView<B>(c.inputs[l].view()), c.x.view());
            blocks_[l].forward(be, c.x.view(), shape, rope(l), c.blocks[0], c.adapters[l], c.pass);
        }
        blocks_[l].backward(
            be, dx, shape, rope(l), c.blocks[recomputed ? 0 : l], c.adapters[l],
            {adapters == nullptr ? nullptr : &adapters->layers[l], weights == nullptr ? nullptr : &weights->layers[l]});
    }
    if (weights == nullptr) return;
    if (config_.embedding_scale != 1) ops::scale(be, config_.embedding_scale, dx);
    Embedding<B>{weights_.embedding}.backward(be, batch.ids, dx, weights->embedding);
}

}  // namespace hydralora
