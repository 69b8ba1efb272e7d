// The decoder: embedding, blocks, final norm, output head and loss, with adapters on any of the blocks' linear layers.
//
// Weights and adapters stay in the caller's memory; the model holds views, is const in both passes, and asks for the
// gradients of the adapters or of the weights by the type of the set it is given.
#pragma once

#include <vector>

#include "../backend/compose/add.hpp"
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

    [[nodiscard]] Index tokens() const { return ids.cols; }
    [[nodiscard]] Index length() const { return ids.cols / sequences; }
};

/// Keys and values of the tokens so far, for generation: room for `capacity` tokens of one sequence.
template <Backend B>
struct KeyValueMemory {
    std::vector<ActivationBuffer<B>> keys, values;  // a layer: (capacity, kv_heads * head_dim)
    Index used = 0;

    KeyValueMemory(B& be, const LlamaConfig& c, Index capacity) {
        for (Index l = 0; l < c.layers; ++l) {
            keys.emplace_back(be, capacity, c.kv_width());
            values.emplace_back(be, capacity, c.kv_width());
        }
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
    be.rows(to.rows, functor::AddRow<ParamScalar<B>>{from.data, to.data, to.cols, from.ld, to.ld});
    be.fill(from, ParamScalar<B>{0});
}

template <Backend B>
class Llama {
public:
    using Weights = LlamaWeights<ConstParamView<B>>;
    using Adapters = LlamaAdapters<ConstParamView<B>>;
    using WeightGrads = LlamaWeights<ParamView<B>>;
    using AdapterGrads = LlamaAdapters<ParamView<B>>;

    struct Cache {
        std::vector<typename LlamaBlock<B>::Cache> blocks;
        ActivationBuffer<B> x, hidden;  // (T, d): residual stream after the last block, and normed
        typename RmsNorm<B>::Cache norm;
    };

    /// The base alone. Throws if a weight's shape differs from the configuration's.
    Llama(B& be, const LlamaConfig& config, const Weights& weights) : Llama(be, config, weights, nullptr, nullptr) {}

    /// The base with adapters.
    Llama(B& be, const LlamaConfig& config, const Weights& weights, const LlamaAdapterConfig& adapter_config,
          const Adapters& adapters)
        : Llama(be, config, weights, &adapter_config, &adapters) {}

    [[nodiscard]] const LlamaConfig& config() const { return config_; }

    /// Fills the cache; its `hidden` (T, d) is what the output head reads.
    void forward(B& be, const TokenBatch<B>& batch, Cache& c, const Pass<B>& pass = {}) const {
        check(batch.sequences >= 1 && batch.ids.cols >= 1 && batch.ids.cols % batch.sequences == 0,
              "Llama: ", batch.ids.cols, " tokens do not make ", batch.sequences, " sequences of equal length");
        check(batch.length() <= config_.max_positions, "Llama: sequences of ", batch.length(),
              " tokens, the model has max_positions = ", config_.max_positions);
        run(be, batch.ids, {batch.sequences, batch.length(), 0}, c, pass, nullptr);
    }

    /// loss_sum (1, 1) += sum over the labelled tokens of -log p(label), after forward.
    void loss(B& be, const TokenBatch<B>& batch, const Cache& c, ViewOf<B, double> loss_sum) const {
        head().loss(be, c.hidden.view(), batch.labels, loss_sum);
    }

    /// per_token (1, T) = -log p(label), 0 where ignored, after forward.
    void token_losses(B& be, const TokenBatch<B>& batch, const Cache& c, AccumView<B> per_token) const {
        head().token_losses(be, c.hidden.view(), batch.labels, per_token);
    }

    /// Loss as above, and gradients += those of scale * loss_sum. `scale` is 1 / labelled tokens of the accumulated batch.
    /// Where the head is tied and the set has an lm_head all the same, the head's part of the embedding's gradient is
    /// summed there: see fold_tied_head.
    void backward(B& be, const TokenBatch<B>& batch, double scale, const Cache& c, ViewOf<B, double> loss_sum,
                  const AdapterGrads& grads) const {
        check(adapted_, "Llama: gradients of adapters asked of a model without any");
        backward(be, batch, scale, c, loss_sum, &grads, nullptr);
    }
    void backward(B& be, const TokenBatch<B>& batch, double scale, const Cache& c, ViewOf<B, double> loss_sum,
                  const WeightGrads& grads) const {
        check(!adapted_,
              "Llama: gradients of the weights asked of a model with adapters; make one from the weights alone");
        backward(be, batch, scale, c, loss_sum, nullptr, &grads);
    }

    /// One sequence continued: ids (1, n) behind what memory holds. logits (1, V) of the last token.
    void decode(B& be, ViewOf<B, const std::int32_t> ids, KeyValueMemory<B>& memory, Cache& c, View<B> logits,
                const Pass<B>& pass) const {
        check(ids.cols >= 1, "Llama: no tokens to decode");
        check(memory.used + ids.cols <= memory.capacity(), "Llama: ", memory.used, " + ", ids.cols,
              " tokens exceed the key-value memory of ", memory.capacity());
        run(be, ids, {1, ids.cols, memory.used}, c, pass, &memory);
        memory.used += ids.cols;
        be.gemm(Op::none, Op::transpose, 1, c.hidden.view().row_slice(ids.cols - 1, 1), head_weight(), 0,
                logits);  // (1, V)
    }

    /// logits (T, V) after forward.
    void logits(B& be, const Cache& c, View<B> logits) const {
        be.gemm(Op::none, Op::transpose, 1, c.hidden.view(), head_weight(), 0, logits);
    }

private:
    Llama(B& be, const LlamaConfig& config, const Weights& weights, const LlamaAdapterConfig* adapter_config,
          const Adapters* adapters)
        : config_((validate(config), config)),
          weights_(weights),
          rope_(be, {config.head_dim, config.rope_theta, config.rope_scaling, config.max_positions}),
          norm_({config.width, config.norm_eps}, weights.norm),
          adapted_(adapter_config != nullptr) {
        check(weights.layers.size() == static_cast<std::size_t>(config.layers), "Llama: weights of ",
              weights.layers.size(), " layers, expected ", config.layers);
        check(adapters == nullptr || adapters->layers.size() == weights.layers.size(), "Llama: adapters of ",
              adapters == nullptr ? 0 : adapters->layers.size(), " layers, expected ", config.layers);
        visit(
            [](const ParamPath& path, const ConstParamView<B>& m, const Shape& expected) {
                check(m.shape() == expected, "Llama: ", path.name(), " is (", m.rows, ", ", m.cols, "), expected (",
                      expected.rows, ", ", expected.cols, ")");
            },
            weights_, weight_shapes(config));
        blocks_.reserve(weights.layers.size());
        for (std::size_t l = 0; l < weights.layers.size(); ++l)
            blocks_.emplace_back(be, config, weights.layers[l], adapter_config,
                                 adapters == nullptr ? nullptr : &adapters->layers[l], static_cast<Index>(l));
    }

    [[nodiscard]] ConstParamView<B> head_weight() const {
        return config_.lm_head == LmHead::tied ? weights_.embedding : weights_.lm_head;
    }
    [[nodiscard]] LmHeadCrossEntropy<B> head() const { return LmHeadCrossEntropy<B>(head_weight()); }

    void run(B& be, ViewOf<B, const std::int32_t> ids, SequenceShape shape, Cache& c, const Pass<B>& pass,
             KeyValueMemory<B>* memory) const {
        c.blocks.resize(blocks_.size());
        c.x.resize(be, ids.cols, config_.width);
        c.hidden.resize(be, ids.cols, config_.width);
        Embedding<B>{weights_.embedding}.forward(be, ids, c.x.view());  // (T, d)
        for (std::size_t l = 0; l < blocks_.size(); ++l) {
            if (memory == nullptr) {
                blocks_[l].forward(be, c.x.view(), shape, rope_, c.blocks[l], pass);
            } else {
                View<B> keys = memory->keys[l].view(), values = memory->values[l].view();
                blocks_[l].forward(be, c.x.view(), shape, rope_, c.blocks[l], pass, &keys, &values);
            }
        }
        norm_.forward(be, c.x.view(), c.hidden.view(), c.norm);  // (T, d)
    }

    void backward(B& be, const TokenBatch<B>& batch, double scale, const Cache& c, ViewOf<B, double> loss_sum,
                  const AdapterGrads* adapters, const WeightGrads* weights) const {
        check(c.hidden.rows() == batch.tokens() && c.blocks.size() == blocks_.size(), "Llama: the cache is of ",
              c.hidden.rows(), " tokens, the batch has ", batch.tokens(), ": pass the cache that forward filled");
        const std::size_t layers = adapters != nullptr ? adapters->layers.size() : weights->layers.size();
        check(layers == blocks_.size(), "Llama: gradients of ", layers, " layers, expected ", blocks_.size());
        Scratch<B> scratch(be);
        const auto dx = scratch.template matrix<Scalar<B>>(batch.ids.cols, config_.width);       // (T, d)
        const auto dhidden = scratch.template matrix<Scalar<B>>(batch.ids.cols, config_.width);  // (T, d)
        ParamView<B> dhead{}, dnorm{};
        if (weights != nullptr) {
            const bool into_embedding = config_.lm_head == LmHead::tied && weights->lm_head.empty();
            dhead = into_embedding ? weights->embedding : weights->lm_head;
            dnorm = weights->norm;
        }
        head().loss_and_gradient(be, c.hidden.view(), batch.labels, scale, loss_sum, dhidden, dhead);
        norm_.backward(be, c.x.view(), dhidden, c.norm, dx, dnorm);
        for (std::size_t l = blocks_.size(); l-- > 0;)
            blocks_[l].backward(be, dx, {batch.sequences, batch.length(), 0}, rope_, c.blocks[l],
                                {adapters == nullptr ? nullptr : &adapters->layers[l],
                                 weights == nullptr ? nullptr : &weights->layers[l]});
        if (weights != nullptr) Embedding<B>{weights_.embedding}.backward(be, batch.ids, dx, weights->embedding);
    }

    LlamaConfig config_;
    Weights weights_;
    Rope<B> rope_;
    RmsNorm<B> norm_;
    std::vector<LlamaBlock<B>> blocks_;
    bool adapted_;
};

}  // namespace hydralora
