// One decoder block: x += o(attention(rope(q), rope(k), v)), x += down(act(gate) * up), each behind an RMSNorm and, where
// norms stand around, ahead of another; every linear a frozen weight with an optional adapter. Where the two are joined (model/joined.hpp), the matrices that such a linear
// reads have room behind their rows; else none has any.
//
//   T tokens = sequences * length, d width, D head_dim, h = heads * D, k = kv_heads * D, f feed_forward
#pragma once

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "../adapter/hydra_linear.hpp"
#include "../adapter/joined_linear.hpp"
#include "../backend/compose/add.hpp"
#include "../nn/attention.hpp"
#include "../nn/geglu.hpp"
#include "../nn/rms_norm.hpp"
#include "../nn/rope.hpp"
#include "../nn/swiglu.hpp"
#include "joined.hpp"
#include "params.hpp"

namespace hydralora {

/// Tokens of one pass, as the blocks see them.
template <Backend B>
struct SequenceShape {
    Index sequences = 1, length = 0;            ///< T = sequences * length
    Index past = 0;                             ///< tokens before these, in the key-value memory (sequences = 1)
    ViewOf<B, const std::int32_t> starts = {};  ///< (1, T) of packed documents, or empty: see TokenBatch
};

/// Gradients that a backward pass is asked for: views of the adapters', of the weights', or neither (null).
template <Backend B>
struct BlockGradients {
    const BlockAdapters<ParamView<B>>* adapters = nullptr;
    const BlockWeights<ParamView<B>>* weights = nullptr;
};

/// The vector of a norm or bias, which is of the parameters' type whatever the matrices are stored in.
template <Backend B>
[[nodiscard]] ConstParamView<B> vector_of(const StoredView<B>& stored) {
    return stored.visit([](auto view) -> ConstParamView<B> {
        if constexpr (std::is_same_v<decltype(view), ConstParamView<B>>)
            return view;
        else
            fail(
                "LlamaBlock: a norm or bias is stored in 16 bits or blocks, expected the parameters' type: convert it "
                "first");
    });
}

template <Backend B>
class LlamaBlock {
public:
    using Adapter = HydraAdapter<B>;

    /// What forward leaves for backward: what products made. What the projections but o read follows from it without a
    /// product, and backward makes it again.
    struct Cache {
        ActivationBuffer<B> x, middle;                        // (T, d)
        ActivationBuffer<B> q, k, v;                          // (T, h), (T, k), (T, k), turned
        ActivationBuffer<B> raw_q, raw_k;                     // (T, h), (T, k) before their norms, if any
        ActivationBuffer<B> attended;                         // (T, h) and room
        ActivationBuffer<B> gate, up;                         // (T, f)
        ActivationBuffer<B> raw_attention, raw_feed_forward;  // (T, d) before the norms behind o and down, if any
        typename RmsNorm<B>::Cache attention_norm, q_norm, k_norm, post_attention_norm, feed_forward_norm,
            post_feed_forward_norm;
        typename Attention<B>::Cache attention;
    };
    /// The same of the block's adapters, by target. Small: (r + N) numbers a token.
    using AdapterCaches = std::array<typename Adapter::Cache, target_count>;

    /// Takes views of the weights and, for each adapted target, of its parameters. A projection that `joined` has (null:
    /// none) is read there.
    LlamaBlock(B& be, const LlamaConfig& config, const BlockWeights<StoredView<B>>& weights,
               const LlamaAdapterConfig* adapter_config, const BlockAdapters<ConstParamView<B>>* adapters, Index layer,
               BlockJoined<B>* joined = nullptr)
        : config_(config),
          weights_(weights),
          attention_norm_({config.width, config.norm_eps}, vector_of<B>(weights.attention_norm)),
          feed_forward_norm_({config.width, config.norm_eps}, vector_of<B>(weights.feed_forward_norm)),
          attention_({config.heads, config.kv_heads, config.head_dim,
                      config.is_local(layer) ? config.sliding_window : 0, config.attention_scale}),
          layer_(layer) {
        const RmsNormConfig of_rows{config.width, config.norm_eps};
        if (config.block_norms == BlockNorms::around) {
            post_attention_norm_.emplace(of_rows, vector_of<B>(weights.post_attention_norm));
            post_feed_forward_norm_.emplace(of_rows, vector_of<B>(weights.post_feed_forward_norm));
        }
        if (config.head_norm == HeadNorm::rms) {
            q_norm_.emplace(RmsNormConfig{config.head_dim, config.norm_eps}, vector_of<B>(weights.q_norm));
            k_norm_.emplace(RmsNormConfig{config.head_dim, config.norm_eps}, vector_of<B>(weights.k_norm));
        }
        if (adapter_config == nullptr) return;
        for (const Target t : adapter_config->targets) {
            const std::size_t i = index_of(t);
            const Adapter adapter(be, adapter_config->at(config, t), (*adapters)[i]);
            if (joined != nullptr && (*joined)[i])
                joined_[i].emplace(be, *(*joined)[i], adapter, vector_of<B>(weights_.biases[i]));
            else
                adapters_[i].emplace(adapter);
        }
    }

    /// The leading dimension that backward's dx needs at least: it is also the gradient of what two projections gave.
    [[nodiscard]] Index dx_ld() const { return dy_ld({Target::o_proj, Target::down_proj}); }

    /// x (T, in) = what a projection read in the pass that left this cache.
    void input(B& be, const Cache& c, Target t, View<B> x) const {
        switch (t) {
            case Target::o_proj:
                return be.copy(attended_of(c), x);
            case Target::down_proj:
                return activate(be, c, x);
            case Target::gate_proj:
            case Target::up_proj:
                return feed_forward_norm_.again(be, c.middle.view(), c.feed_forward_norm, x);
            default:
                return attention_norm_.again(be, c.x.view(), c.attention_norm, x);
        }
    }

    /// x (T, d) in place. keys and values (past + T, k) hold the past and receive the new rows; null: the cache's own.
    void forward(B& be, View<B> x, const SequenceShape<B>& shape, const Rope<B>& rope, Cache& c, AdapterCaches& a,
                 const Pass<B>& pass, View<B>* keys = nullptr, View<B>* values = nullptr) const {
        const Index T = x.rows;
        c.x.resize(be, T, config_.width);
        c.middle.resize(be, T, config_.width);
        c.q.resize(be, T, config_.q_width());
        c.attended.resize(be, T, x_ld({Target::o_proj}));
        for (auto* b : {&c.gate, &c.up}) b->resize(be, T, config_.feed_forward);
        if (keys == nullptr)
            for (auto* b : {&c.k, &c.v}) b->resize(be, T, config_.kv_width());
        const auto all_k = keys != nullptr ? keys->row_slice(0, shape.past + T) : c.k.view();
        const auto all_v = values != nullptr ? values->row_slice(0, shape.past + T) : c.v.view();
        const auto k = all_k.row_slice(shape.past, T), v = all_v.row_slice(shape.past, T);
        const auto attended = attended_of(c);

        be.copy(ConstView<B>(x), c.x.view());
        {
            Scratch<B> scratch(be);
            const auto normed = input_rows(scratch, T, {Target::q_proj, Target::k_proj, Target::v_proj});  // (T, d)
            attention_norm_.forward(be, c.x.view(), normed, c.attention_norm);
            project_heads(be, Target::q_proj, q_norm_, normed, c.raw_q, c.q.view(), c.q_norm, a, pass);  // (T, h)
            project_heads(be, Target::k_proj, k_norm_, normed, c.raw_k, k, c.k_norm, a, pass);           // (T, k)
            project(be, Target::v_proj, normed, v, a, pass);                                             // (T, k)
        }
        rope.rotate(be, c.q.view(), shape.length, shape.past, shape.starts);
        rope.rotate(be, k, shape.length, shape.past, shape.starts);
        attention_.forward(be, shape.sequences, c.q.view(), all_k, all_v, attended, c.attention, 0,
                           shape.starts);  // (T, h)
        project_row(be, Target::o_proj, post_attention_norm_, attended, c.raw_attention, x, c.post_attention_norm, a,
                    pass);  // (T, d)
        ops::add(be, ConstView<B>(c.x.view()), x);

        be.copy(ConstView<B>(x), c.middle.view());
        {
            Scratch<B> scratch(be);
            const auto normed = input_rows(scratch, T, {Target::gate_proj, Target::up_proj});  // (T, d)
            feed_forward_norm_.forward(be, c.middle.view(), normed, c.feed_forward_norm);
            project(be, Target::gate_proj, normed, c.gate.view(), a, pass);  // (T, f)
            project(be, Target::up_proj, normed, c.up.view(), a, pass);      // (T, f)
        }
        Scratch<B> scratch(be);
        const auto activated = input_rows(scratch, T, {Target::down_proj});  // (T, f)
        activate(be, c, activated);
        project_row(be, Target::down_proj, post_feed_forward_norm_, activated, c.raw_feed_forward, x,
                    c.post_feed_forward_norm, a, pass);  // (T, d)
        ops::add(be, ConstView<B>(c.middle.view()), x);
    }

    /// dx (T, d): the gradient of the block's output on entry, of its input on return. Its leading dimension is dx_ld() at
    /// least; what stands between its rows is scratch of the call.
    void backward(B& be, View<B> dx, const SequenceShape<B>& shape, const Rope<B>& rope, const Cache& c,
                  const AdapterCaches& a, const BlockGradients<B>& grads) const {
        using Weights = BlockWeights<ParamView<B>>;
        const Index T = dx.rows;
        const auto attended = attended_of(c);
        Scratch<B> scratch(be);
        const auto dnormed = scratch.template matrix<Scalar<B>>(T, config_.width);  // (T, d)
        {
            Scratch<B> inner(be);
            const auto dactivated = inner.template matrix<Scalar<B>>(T, config_.feed_forward);  // (T, f)
            {
                Scratch<B> innermost(be);
                const auto activated = input_again(be, innermost, c, {Target::down_proj}, grads);  // (T, f)
                unproject_row(be, Target::down_proj, post_feed_forward_norm_, activated, c.raw_feed_forward, dx,
                              c.post_feed_forward_norm, a, dactivated, grads, &Weights::post_feed_forward_norm);
            }
            const auto dgate = gradient(inner, T, Target::gate_proj);  // (T, f)
            const auto dup = gradient(inner, T, Target::up_proj);      // (T, f)
            if (config_.gate_activation == GateActivation::silu)
                ops::swiglu_backward(be, c.gate.view(), c.up.view(), dactivated, dgate, dup);
            else
                ops::geglu_backward(be, c.gate.view(), c.up.view(), dactivated, dgate, dup);
            const auto normed = input_again(be, inner, c, {Target::gate_proj, Target::up_proj}, grads);  // (T, d)
            unproject(be, Target::gate_proj, normed, dgate, a, dnormed, grads);
            unproject(be, Target::up_proj, normed, dup, a, dnormed, grads, Grad::accumulate);
        }
        feed_forward_norm_.backward(be, c.middle.view(), dnormed, c.feed_forward_norm, dx,
                                    norm_gradient(grads, &Weights::feed_forward_norm),
                                    Grad::accumulate);  // (T, d): gradient of `middle`
        {
            Scratch<B> inner(be);
            const auto dattended = inner.template matrix<Scalar<B>>(T, config_.q_width());  // (T, h)
            const auto dq = gradient(inner, T, Target::q_proj);                             // (T, h)
            const auto dk = gradient(inner, T, Target::k_proj);                             // (T, k)
            const auto dv = gradient(inner, T, Target::v_proj);                             // (T, k)
            unproject_row(be, Target::o_proj, post_attention_norm_, attended, c.raw_attention, dx,
                          c.post_attention_norm, a, dattended, grads, &Weights::post_attention_norm);
            attention_.backward(be, shape.sequences, c.q.view(), c.k.view(), c.v.view(), attended, dattended,
                                c.attention, dq, dk, dv, shape.starts);
            rope.rotate_back(be, dq, shape.length, 0, shape.starts);
            rope.rotate_back(be, dk, shape.length, 0, shape.starts);
            if (q_norm_) {
                unnorm_heads(be, *q_norm_, c.raw_q.view(), c.q_norm, dq, norm_gradient(grads, &Weights::q_norm));
                unnorm_heads(be, *k_norm_, c.raw_k.view(), c.k_norm, dk, norm_gradient(grads, &Weights::k_norm));
            }
            const auto normed =
                input_again(be, inner, c, {Target::q_proj, Target::k_proj, Target::v_proj}, grads);  // (T, d)
            unproject(be, Target::q_proj, normed, dq, a, dnormed, grads);
            unproject(be, Target::k_proj, normed, dk, a, dnormed, grads, Grad::accumulate);
            unproject(be, Target::v_proj, normed, dv, a, dnormed, grads, Grad::accumulate);
        }
        attention_norm_.backward(be, c.x.view(), dnormed, c.attention_norm, dx,
                                 norm_gradient(grads, &Weights::attention_norm), Grad::accumulate);
    }

private:
    [[nodiscard]] DenseWeight<B> dense(Target t) const {
        return {weights_.projections[index_of(t)], vector_of<B>(weights_.biases[index_of(t)])};
    }

    /// Elements from row to row of a matrix that these projections read, or whose gradient they are given: its own columns,
    /// and the room that joined ones want behind them.
    [[nodiscard]] Index x_ld(std::initializer_list<Target> targets) const {
        Index ld = 0;
        for (const Target t : targets)
            ld = std::max(ld, joined_[index_of(t)] ? joined_[index_of(t)]->x_ld() : target_shape(config_, t).cols);
        return ld;
    }
    [[nodiscard]] Index dy_ld(std::initializer_list<Target> targets) const {
        Index ld = 0;
        for (const Target t : targets)
            ld = std::max(ld, joined_[index_of(t)] ? joined_[index_of(t)]->dy_ld() : target_shape(config_, t).rows);
        return ld;
    }
    /// What o reads (T, h), without the room: a view of a cache, mutable if it is.
    template <class AnyCache>
    [[nodiscard]] auto attended_of(AnyCache& c) const {
        return c.attended.view().col_slice(0, config_.q_width());
    }
    /// Scratch for what these projections read (T, in), with the room that they want.
    [[nodiscard]] View<B> input_rows(Scratch<B>& scratch, Index T, std::initializer_list<Target> targets) const {
        return scratch.template matrix<Scalar<B>>(T, x_ld(targets))
            .col_slice(0, target_shape(config_, *targets.begin()).cols);
    }
    /// What these projections read, once more, if the gradients of one ask for it; else memory without a meaning.
    [[nodiscard]] View<B> input_again(B& be, Scratch<B>& scratch, const Cache& c, std::initializer_list<Target> targets,
                                      const BlockGradients<B>& grads) const {
        const View<B> x = input_rows(scratch, c.x.rows(), targets);
        const bool read = grads.weights != nullptr || std::any_of(targets.begin(), targets.end(), [&](Target t) {
                              return adapters_[index_of(t)] || joined_[index_of(t)];
                          });
        if (read) input(be, c, *targets.begin(), x);
        return x;
    }
    /// y (T, f) = act(gate) * up
    void activate(B& be, const Cache& c, View<B> y) const {
        if (config_.gate_activation == GateActivation::silu)
            ops::swiglu(be, c.gate.view(), c.up.view(), y);
        else
            ops::geglu(be, c.gate.view(), c.up.view(), y);
    }
    /// Scratch for the gradient (T, out) of what a projection gave.
    [[nodiscard]] View<B> gradient(Scratch<B>& scratch, Index T, Target t) const {
        return scratch.template matrix<Scalar<B>>(T, dy_ld({t})).col_slice(0, target_shape(config_, t).rows);
    }

    /// (T, heads * D) without room as (T * heads, D)
    template <class V>
    [[nodiscard]] V heads_of(V x) const {
        return {x.data, x.rows * (x.cols / config_.head_dim), config_.head_dim};
    }

    /// y = projection of x, through the norm of its heads where there is one; raw keeps what the norm took.
    void project_heads(B& be, Target t, const std::optional<RmsNorm<B>>& norm, View<B> x, ActivationBuffer<B>& raw,
                       View<B> y, typename RmsNorm<B>::Cache& norm_cache, AdapterCaches& a, const Pass<B>& pass) const {
        if (!norm) return project(be, t, x, y, a, pass);
        raw.resize(be, y.rows, y.cols);
        project(be, t, x, raw.view(), a, pass);
        norm->forward(be, heads_of(raw.view()), heads_of(y), norm_cache);
    }

    /// d, the gradient of heads behind their norm, becomes that of `raw` before it.
    void unnorm_heads(B& be, const RmsNorm<B>& norm, ConstView<B> raw, const typename RmsNorm<B>::Cache& cache,
                      View<B> d, ParamView<B> dweight) const {
        if (d.contiguous()) return norm.backward(be, heads_of(raw), heads_of(d), cache, heads_of(d), dweight);
        Scratch<B> scratch(be);
        const auto close = scratch.template matrix<Scalar<B>>(d.rows, d.cols);  // (T, heads * D)
        be.copy(ConstView<B>(d), close);
        norm.backward(be, heads_of(raw), heads_of(close), cache, heads_of(close), dweight);
        be.copy(ConstView<B>(close), d);
    }

    /// The same for rows (T, d) that go to the residual stream.
    void project_row(B& be, Target t, const std::optional<RmsNorm<B>>& norm, View<B> x, ActivationBuffer<B>& raw,
                     View<B> y, typename RmsNorm<B>::Cache& norm_cache, AdapterCaches& a, const Pass<B>& pass) const {
        if (!norm) return project(be, t, x, y, a, pass);
        raw.resize(be, y.rows, y.cols);
        project(be, t, x, raw.view(), a, pass);
        norm->forward(be, raw.view(), y, norm_cache);
    }

    /// dx = the gradient of what such a projection took, from dy behind its norm; dy stays, but for its room.
    void unproject_row(B& be, Target t, const std::optional<RmsNorm<B>>& norm, ConstView<B> x,
                       const ActivationBuffer<B>& raw, View<B> dy, const typename RmsNorm<B>::Cache& norm_cache,
                       const AdapterCaches& a, View<B> dx, const BlockGradients<B>& grads,
                       ParamView<B> BlockWeights<ParamView<B>>::*norm_weight) const {
        if (!norm) return unproject(be, t, x, dy, a, dx, grads);
        Scratch<B> scratch(be);
        const auto draw = gradient(scratch, dy.rows, t);  // (T, d)
        norm->backward(be, raw.view(), dy, norm_cache, draw, norm_gradient(grads, norm_weight));
        unproject(be, t, x, draw, a, dx, grads);
    }

    /// What stands behind x's rows is scratch of the call, and so in unproject behind dy's.
    void project(B& be, Target t, View<B> x, View<B> y, AdapterCaches& a, Pass<B> pass) const {
        const std::size_t i = index_of(t);
        pass.random.stream += dropout_stream(layer_, i);
        if (pass.routing != nullptr) pass.routing += adapter_stream(layer_, i);
        if (pass.sequences.sums != nullptr) pass.sequences.sums += adapter_stream(layer_, i);
        if (joined_[i]) return joined_[i]->forward(be, x, y, a[i], pass);
        dense(t).apply(be, x, y);
        if (adapters_[i]) adapters_[i]->forward(be, x, y, a[i], pass);
    }

    void unproject(B& be, Target t, ConstView<B> x, View<B> dy, const AdapterCaches& a, View<B> dx,
                   const BlockGradients<B>& grads, Grad mode = Grad::overwrite) const {
        const std::size_t i = index_of(t);
        if (joined_[i]) return joined_[i]->backward(be, x, dy, a[i], dx, (*grads.adapters)[i], mode);
        dense(t).apply_transposed(be, dy, dx, mode);
        if (adapters_[i]) adapters_[i]->backward(be, x, dy, a[i], dx, (*grads.adapters)[i]);
        if (grads.weights == nullptr) return;
        be.gemm(Op::transpose, Op::none, 1, dy, x, 1, grads.weights->projections[i]);
        if (grads.weights->biases[i].empty()) return;
        Scratch<B> scratch(be);  // column sums of dy, slab by slab
        const auto ones = scratch.template matrix<Scalar<B>>(dy.rows, 1);
        be.fill(ones, Scalar<B>{1});
        be.gemm(Op::transpose, Op::none, 1, ones, dy, 1, grads.weights->biases[i]);
    }

    [[nodiscard]] static ParamView<B> norm_gradient(const BlockGradients<B>& grads,
                                                    ParamView<B> BlockWeights<ParamView<B>>::*member) {
        return grads.weights != nullptr ? grads.weights->*member : ParamView<B>{};
    }

    LlamaConfig config_;
    BlockWeights<StoredView<B>> weights_;
    RmsNorm<B> attention_norm_, feed_forward_norm_;
    std::optional<RmsNorm<B>> q_norm_, k_norm_, post_attention_norm_, post_feed_forward_norm_;
    Attention<B> attention_;
    std::array<std::optional<Adapter>, target_count> adapters_;  // of targets that are not joined
    std::array<std::optional<JoinedLinear<B, AdapterConfig, ProjectionWeight<B>>>, target_count> joined_;
    Index layer_;
};

}  // namespace hydralora
