// HydraLoRA as the delta alone: added to what the caller's own frozen product left in y.
//
//   delta(x) = s * sum_i w_i(x) B_i A x,   w = softmax(W_g x),   s = alpha / r        (arXiv 2404.19245, eq. 3 and 4)
//   T tokens, r rank, N heads, R rows of A (r, or N*r with own_a), G*r columns of u (r, or N*r where heads differ in A x)
//
// Factorised: u = x A^T and the logits come from one product, z[t, i*r + j] = s g[t, i] u[t, j] mixes, y += z B^T; no
// (T, out) tensor a head. Kept for the way back: u and g, (r + N) numbers a token.
#pragma once

#include <algorithm>

#include "../backend/compose/dropout.hpp"
#include "../backend/compose/pool_logits.hpp"
#include "../backend/compose/route.hpp"
#include "narrow_products.hpp"
#include "params.hpp"
#include "routing_loss.hpp"

namespace hydralora {

enum class Mode { train, inference };

/// The sequences that the rows of x are, for a router with a context: T tokens = count * length. A Llama fills this in.
template <Backend B>
struct PassSequences {
    Index count = 1;
    /// (1, T) of packed documents: of each token, the index in its sequence of its document's first; empty: a sequence is one
    ViewOf<B, const std::int32_t> starts{};
    Index past = 0;  ///< tokens that stood before in earlier passes (count = 1)
    /// Keeps what a later pass needs of these tokens: the sums of their logits. For a Llama the first of its adapters'. Null:
    /// there is no later pass.
    AccumBuffer<B>* sums = nullptr;
};

/// What one pass needs besides the input. The random key names this layer (stream) and optimiser step; `rows` numbers x's
/// tokens within the accumulated batch, so that micro-batches draw the masks of the whole.
template <Backend B>
struct Pass {
    Mode mode = Mode::train;
    RandomKey random{};
    RowNumbers rows{};
    ViewOf<B, const std::int32_t> assigned{};  ///< (1, T) head of each token, -1 for none; for Gate::assigned
    PassSequences<B> sequences{};
    bool dense = false;  ///< Gate::top_k computes as Gate::softmax, which warms a router up
    /// Losses of the routing besides the task's: of this adapter, or for a Llama the first of those of RoutingLosses. It
    /// outlives the way back. Null: none.
    const RoutingLoss<B>* routing = nullptr;
};

/// The adapter of one linear layer. Const in both passes; parameters stay in the caller's memory.
template <Backend B, class Config = AdapterConfig>
class HydraAdapter {
public:
    using Params = AdapterParams<ConstParamView<B>>;
    using Grads = AdapterParams<ParamView<B>>;

    /// What forward leaves for backward.
    struct Cache {
        AccumBuffer<B> u;       // (T, G*r)
        AccumBuffer<B> g;       // (T, N) gates
        AccumBuffer<B> logits;  // (T, N) before the router's bias, kept for a z-loss alone
        Pass<B> pass;
    };

    /// Takes views of A (R, in), B (out, N*r), router (N, in) and router_bias (1, N), whichever the configuration has.
    /// Throws if a shape differs from the configuration's.
    template <template <class> class P, class M>
    HydraAdapter(B&, const Config& config, const P<M>& params);

    [[nodiscard]] const Config& config() const { return config_; }
    [[nodiscard]] const Params& params() const { return params_; }

    /// y (T, out) += delta(x), x (T, in). In Mode::inference there is no dropout, and heads with gate 0 are not computed.
    void forward(B& be, ConstView<B> x, View<B> y, Cache& cache, const Pass<B>& pass = {}) const;

    /// From dy (T, out) and the x and cache of forward: dx (T, in) += the delta's part (an empty dx is not wanted), and
    /// gradients of the parameters += theirs.
    void backward(B& be, ConstView<B> x, ConstView<B> dy, const Cache& cache, View<B> dx, const Grads& grads) const;

    /// Throws where forward would, for a layer around the adapter that writes y before.
    void check_forward(ConstView<B> x, ConstView<B> y, const Pass<B>& pass) const {
        check_views("forward", x, y, "y");
        check(config_.gate != Gate::assigned || pass.assigned.cols == x.rows,
              "HydraAdapter: gate assigned needs a head for each of the ", x.rows, " tokens in Pass::assigned, found ",
              pass.assigned.cols);
        if (pools()) check_sequences(pass.sequences, x.rows);
    }

    /// Throws where backward would, for a layer around the adapter that writes dx before.
    void check_backward(ConstView<B> x, ConstView<B> dy, const Cache& cache, ConstView<B> dx,
                        const Grads& grads) const {
        check_views("backward", x, dy, "dy");
        check(dx.empty() || dx.shape() == x.shape(), "HydraAdapter: dx is (", dx.rows, ", ", dx.cols,
              "), expected that of x, (", x.rows, ", ", x.cols, ")");
        check(dx.empty() || dx.ld >= dx.cols, "HydraAdapter: dx has leading dimension ", dx.ld, " below its ", dx.cols,
              " columns");
        check_cache(cache, x.rows);
        check_gradients(grads);
    }

    // --- The stages of both passes, for a layer that has the adapter inside its own product (JoinedLinear). `of` is where
    // A, B and a router that reads x are read: params(), or a copy of them in the compute type; it may bring the products
    // with them (narrow_products.hpp). Nothing is checked here.

    /// z (T, N*r), and 0 in columns behind it, from x; fills the cache.
    template <class Of>
    void mix(B& be, const Of& of, ConstView<B> x, View<B> z, Cache& cache, const Pass<B>& pass) const {
        cache.pass = pass;
        cache.u.resize(be, x.rows, u_cols(pass));
        cache.g.resize(be, x.rows, config_.heads);
        Scratch<B> scratch(be);
        const auto down = scratch.template matrix<AccumScalar<B>>(x.rows, down_cols(pass));  // (T, G*r + N)
        project_down(be, of, x, down, pass);
        if (pools()) pool(be, down.col_slice(u_cols(pass), config_.heads), pass.sequences);
        if (config_.routed() && pass.routing != nullptr && pass.routing->z > 0) {
            cache.logits.resize(be, x.rows, config_.heads);
            be.copy(ConstAccumView<B>(down.col_slice(u_cols(pass), config_.heads)), cache.logits.view());
        }
        be.rows(x.rows,
                functor::GateAndMix<Scalar<B>, AccumScalar<B>, decltype(config_.rank), decltype(config_.heads)>{
                    down.data, cache.u.view().data, cache.g.view().data, z.data, params_.router_bias.data,
                    pass.assigned.data, down.ld, scaling(), constant_gate(), config_.top_k, gate_rule(pass),
                    heads_differ(pass), config_.rank, config_.heads, z.ld, z.cols - config_.heads * config_.rank});
    }

    /// ddown (T, down_cols) = [du | dl] from dy; gradients of B, of the router's bias and of a router that reads A x +=
    /// theirs.
    template <class Of>
    void unmix(B& be, const Of& of, ConstView<B> dy, const Cache& cache, AccumView<B> ddown, const Grads& grads) const {
        Scratch<B> scratch(be);
        const Index heads = config_.heads, width = config_.heads * config_.rank;
        const auto dz = scratch.template matrix<Scalar<B>>(dy.rows, width);  // (T, N*r)
        const auto z = scratch.template matrix<Scalar<B>>(dy.rows, width);   // (T, N*r)
        narrow::up_backward(be, of, dy, dz);
        be.rows(dy.rows,
                functor::UnmixAndGate<Scalar<B>, AccumScalar<B>, decltype(config_.rank), decltype(config_.heads)>{
                    cache.u.view().data, cache.g.view().data, dz.data, z.data, ddown.data, ddown.ld, scaling(),
                    heads_differ(cache.pass), config_.routed(), config_.rank, config_.heads});
        be.gemm(Op::transpose, Op::none, 1, dy, z, 1, grads.B);
        const auto du = ddown.col_slice(0, u_cols(cache.pass)), dl = ddown.col_slice(u_cols(cache.pass), heads);
        if (config_.routed() && cache.pass.routing != nullptr)
            ops::add_routing_loss<B>(be, *cache.pass.routing, cache.g.view(), cache.logits.view(), params_.router_bias,
                                     dl);
        if (config_.router_bias == RouterBias::trained) {  // column sums of dl, slab by slab
            const auto ones = scratch.template matrix<Scalar<B>>(dy.rows, 1);
            be.fill(ones, Scalar<B>{1});
            be.gemm(Op::transpose, Op::none, 1, ones, dl, 1, grads.router_bias);
        }
        if (pools()) ops::unpool_logits<B>(be, dl, cache.pass.sequences.count, cache.pass.sequences.starts);
        if (config_.routed() && !routes_on_x()) {
            be.gemm(Op::transpose, Op::none, 1, dl, cache.u.view(), 1, grads.router);
            be.gemm(Op::none, Op::none, 1, dl, params_.router, 1, du);
        }
    }

    /// Columns of [u | logits]: u has r, or N*r where heads differ in A x.
    [[nodiscard]] Index down_cols(const Pass<B>& pass) const { return u_cols(pass) + config_.heads; }

    /// The columns of ddown that come back to x through the rows of [A; router] alone, with no mask behind them: `count`
    /// columns from `first` on meet the rows from `row` on. All without dropout, with it those of a router that reads x.
    struct UnmaskedPart {
        Index first = 0, row = 0, count = 0;
    };
    [[nodiscard]] UnmaskedPart unmasked(const Pass<B>& pass) const {
        const Index routers = routes_on_x() ? Index{config_.heads} : 0;
        if (!drops(pass)) return {0, 0, config_.a_rows() + routers};
        return {u_cols(pass), config_.a_rows(), routers};
    }

    /// The part of dx that project_down_backward adds: all of it, or what comes back through dropout's masks, the
    /// unmasked part being in a product of the caller's.
    enum class DxPart { all, masked };

    /// Gradients of A and of a router that reads x += theirs, and dx += its part, from ddown.
    template <class Of>
    void project_down_backward(B& be, const Of& of, ConstView<B> x, AccumView<B> ddown, const Cache& cache, View<B> dx,
                               const Grads& grads, DxPart part) const {
        const Pass<B>& pass = cache.pass;
        const auto du = ddown.col_slice(0, u_cols(pass)), dl = ddown.col_slice(u_cols(pass), config_.heads);
        const View<B> plain_dx = part == DxPart::all ? dx : View<B>{};
        if (!drops(pass) && routes_on_x())
            return ops::down_backward(be, x, ddown, of.A, of.router, plain_dx, grads.A, grads.router);
        if (!drops(pass)) return ops::down_backward(be, x, du, of.A, decltype(of.A){}, plain_dx, grads.A, {});
        if (routes_on_x()) {
            be.gemm(Op::transpose, Op::none, 1, dl, x, 1, grads.router);
            if (!plain_dx.empty()) be.gemm(Op::none, Op::none, 1, dl, of.router, 1, plain_dx);
        }
        // Heads with masks of their own add to A's gradient slab by slab, so that micro-batches add up to the same bits.
        const Index most = per_head(pass) ? std::min(be.slab_rows(), x.rows) : x.rows;
        Scratch<B> scratch(be);
        const auto memory =
            scratch.template matrix<Scalar<B>>(most, x.cols);  // (slab, in): x dropped, then its gradient
        for (Index first = 0; first < x.rows; first += most) {
            const Index n = std::min(most, x.rows - first);
            const auto wide = memory.row_slice(0, n);
            for (Index i = 0; i < masks(pass); ++i) {
                const auto back = u_of(du, pass, i).row_slice(first, n);
                ops::dropout(be, x.row_slice(first, n), mask(pass, i, first), wide);
                be.gemm(Op::transpose, Op::none, 1, back, wide, 1, a_of(grads.A, pass, i));
                if (dx.empty()) continue;
                be.gemm(Op::none, Op::none, 1, back, a_of(of.A, pass, i), 0, wide);
                ops::dropout(be, wide, mask(pass, i, first), dx.row_slice(first, n), Grad::accumulate);
            }
        }
    }

private:
    [[nodiscard]] AccumScalar<B> scaling() const { return static_cast<AccumScalar<B>>(config_.scaling()); }
    [[nodiscard]] AccumScalar<B> constant_gate() const {
        return static_cast<AccumScalar<B>>(
            config_.gate == Gate::uniform ? 1.0 / static_cast<double>(Index{config_.heads}) : 1.0);
    }
    [[nodiscard]] GateRule gate_rule(const Pass<B>& pass) const {
        switch (config_.gate) {
            case Gate::softmax:
                return GateRule::softmax;
            case Gate::top_k:
                return pass.dense ? GateRule::softmax : GateRule::top_k;
            case Gate::assigned:
                return GateRule::assigned;
            default:
                return GateRule::constant;
        }
    }
    [[nodiscard]] bool drops(const Pass<B>& pass) const { return pass.mode == Mode::train && config_.dropout > 0; }
    [[nodiscard]] bool per_head(const Pass<B>& pass) const {
        return drops(pass) && config_.dropout_mask == MaskSharing::per_head;
    }
    /// Heads see different A x: each has its own A, or its own mask.
    [[nodiscard]] bool heads_differ(const Pass<B>& pass) const {
        return config_.sharing == Sharing::own_a || per_head(pass);
    }
    [[nodiscard]] Index u_cols(const Pass<B>& pass) const {
        return heads_differ(pass) ? config_.heads * config_.rank : Index{config_.rank};
    }
    [[nodiscard]] bool pools() const { return config_.routed() && config_.router_pooling == RouterPooling::context; }
    void pool(B& be, AccumView<B> logits, const PassSequences<B>& s) const {
        if (s.sums != nullptr) s.sums->resize(be, 1, config_.heads);
        ops::pool_logits<B>(be, logits, s.count, s.starts, s.past, s.sums == nullptr ? AccumView<B>{} : s.sums->view());
    }
    void check_sequences(const PassSequences<B>& s, Index tokens) const {
        check(s.count >= 1 && tokens % s.count == 0, "HydraAdapter: ", tokens, " tokens in Pass::sequences of count ",
              s.count, ", expected a multiple of it");
        check(s.starts.empty() || s.starts.shape() == Shape{1, tokens}, "HydraAdapter: Pass::sequences.starts is (",
              s.starts.rows, ", ", s.starts.cols, "), expected (1, ", tokens, ") or empty");
        check(s.sums == nullptr || s.count == 1, "HydraAdapter: Pass::sequences.sums with count ", s.count,
              ", expected 1: one sequence is continued");
        check(s.sums == nullptr || s.starts.empty(),
              "HydraAdapter: Pass::sequences has both sums and starts, expected one of them: what is continued is one "
              "document");
        if (s.past == 0) return;
        check(s.past > 0 && s.sums != nullptr && !s.sums->empty(), "HydraAdapter: Pass::sequences.past = ", s.past,
              " without the sums that the passes before have left");
        check(s.sums->rows() == 1 && s.sums->cols() == config_.heads, "HydraAdapter: Pass::sequences.sums is (",
              s.sums->rows(), ", ", s.sums->cols(), "), expected those of this adapter, (1, ", Index{config_.heads},
              ")");
    }
    [[nodiscard]] bool routes_on_x() const { return config_.routed() && config_.router_input == RouterInput::x; }

    /// The mask of head i (0 for all heads where they share one) for the tokens from `first` on. Heads use streams 2^24 apart.
    [[nodiscard]] DropoutMask mask(const Pass<B>& pass, Index head, Index first = 0) const {
        RandomKey key = pass.random;
        key.stream += static_cast<std::uint32_t>(head) << 24;
        return {key, pass.rows.from(first), config_.dropout};
    }

    [[nodiscard]] Index masks(const Pass<B>& pass) const { return per_head(pass) ? Index{config_.heads} : 1; }

    /// The rows of A and the columns of u that mask i meets: those of head i with a mask a head, else all.
    template <class V>
    [[nodiscard]] V a_of(V A, const Pass<B>& pass, Index i) const {
        return per_head(pass) && config_.sharing == Sharing::own_a ? A.row_slice(i * config_.rank, config_.rank) : A;
    }
    template <class V>
    [[nodiscard]] V u_of(V u, const Pass<B>& pass, Index i) const {
        return per_head(pass) ? u.col_slice(i * config_.rank, config_.rank) : u;
    }

    /// down (T, G*r + N) = [u | logits]
    template <class Of>
    void project_down(B& be, const Of& of, ConstView<B> x, AccumView<B> down, const Pass<B>& pass) const {
        const auto u = down.col_slice(0, u_cols(pass)), logits = down.col_slice(u_cols(pass), config_.heads);
        if (!drops(pass) && routes_on_x()) return narrow::down(be, of, x, of.router, down);
        if (!drops(pass)) {
            narrow::down(be, of, x, decltype(of.A){}, u);
        } else {
            Scratch<B> scratch(be);
            const auto dropped = scratch.template matrix<Scalar<B>>(x.rows, x.cols);  // (T, in)
            for (Index i = 0; i < masks(pass); ++i) {
                ops::dropout(be, x, mask(pass, i), dropped);
                be.gemm(Op::none, Op::transpose, 1, dropped, a_of(of.A, pass, i), 0, u_of(u, pass, i));
            }
        }
        if (!config_.routed()) return;
        if (routes_on_x())
            be.gemm(Op::none, Op::transpose, 1, x, of.router, 0, logits);
        else
            be.gemm(Op::none, Op::transpose, 1, u, params_.router, 0, logits);
    }

    void check_views(const char* pass, ConstView<B> x, ConstView<B> y, const char* name) const {
        check(x.cols == config_.in, "HydraAdapter: ", pass, ": x has ", x.cols, " columns, expected in = ", config_.in);
        check(y.cols == config_.out, "HydraAdapter: ", pass, ": ", name, " has ", y.cols,
              " columns, expected out = ", config_.out);
        check(x.rows == y.rows, "HydraAdapter: ", pass, ": x has ", x.rows, " tokens, ", name, " has ", y.rows);
        check(x.ld >= x.cols && y.ld >= y.cols, "HydraAdapter: ", pass, ": leading dimension below the columns: x ",
              x.ld, " of ", x.cols, ", ", name, " ", y.ld, " of ", y.cols);
    }

    void check_cache(const Cache& cache, Index tokens) const {
        check(cache.u.rows() == tokens && cache.g.rows() == tokens, "HydraAdapter: the cache holds a forward pass of ",
              cache.u.rows(), " tokens, x has ", tokens);
        const Index cols = u_cols(cache.pass), heads = config_.heads;
        check(cache.u.cols() == cols && cache.g.cols() == heads, "HydraAdapter: the cache is of another adapter: u (",
              tokens, ", ", cache.u.cols(), ") and gates (", tokens, ", ", cache.g.cols(), "), expected (", tokens,
              ", ", cols, ") and (", tokens, ", ", heads, ")");
        if (!config_.routed() || cache.pass.routing == nullptr) return;
        check_routing_loss(*cache.pass.routing, tokens, heads);
        check(cache.pass.routing->z <= 0 || (cache.logits.rows() == tokens && cache.logits.cols() == heads),
              "HydraAdapter: the cache holds no logits of these tokens, which RoutingLoss::z = ", cache.pass.routing->z,
              " needs; set it before forward");
    }

    void check_gradients(const Grads& grads) const {
        visit(
            [](const ParamPath& path, const ParamView<B>& g, const Shape& expected) {
                if (g.shape() != expected)
                    fail("HydraAdapter: the gradient of ", path.name(), " is (", g.rows, ", ", g.cols, "), expected (",
                         expected.rows, ", ", expected.cols, ")");
                if (g.ld < g.cols)
                    fail("HydraAdapter: the gradient of ", path.name(), " has leading dimension ", g.ld, " below its ",
                         g.cols, " columns");
            },
            grads, adapter_shapes(config_));
    }

    Config config_;
    Params params_;
};

template <Backend B, class Config>
template <template <class> class P, class M>
HydraAdapter<B, Config>::HydraAdapter(B&, const Config& config, const P<M>& params) : config_(config) {
    validate(config);
    visit(
        [](const ParamPath& path, ConstParamView<B>& to, const M& from, const Shape& expected) {
            check(from.shape() == expected, "HydraAdapter: ", path.name(), " is (", from.rows, ", ", from.cols,
                  "), expected (", expected.rows, ", ", expected.cols, ")");
            check(from.ld >= from.cols, "HydraAdapter: ", path.name(), " has leading dimension ", from.ld,
                  " below its ", from.cols, " columns");
            to = from;
        },
        params_, params, adapter_shapes(config));
}

template <Backend B, class Config>
void HydraAdapter<B, Config>::forward(B& be, ConstView<B> x, View<B> y, Cache& cache, const Pass<B>& pass) const {
    check_forward(x, y, pass);
    Scratch<B> scratch(be);
    const auto z = scratch.template matrix<Scalar<B>>(x.rows, config_.heads * config_.rank);  // (T, N*r)
    mix(be, params_, x, z, cache, pass);
    const bool sparse =
        (config_.gate == Gate::top_k && config_.top_k < config_.heads && !pass.dense) || config_.gate == Gate::assigned;
    if (pass.mode == Mode::inference && sparse) {
        be.rows(x.rows, functor::AddSelectedHeads<Scalar<B>, ParamScalar<B>, AccumScalar<B>>{
                            z.data, cache.g.view().data, params_.B.data, y.data, config_.out, config_.rank,
                            config_.heads, params_.B.ld, y.ld});
    } else {
        be.gemm(Op::none, Op::transpose, 1, z, params_.B, 1, y);
    }
}

template <Backend B, class Config>
void HydraAdapter<B, Config>::backward(B& be, ConstView<B> x, ConstView<B> dy, const Cache& cache, View<B> dx,
                                       const Grads& grads) const {
    check_backward(x, dy, cache, dx, grads);
    Scratch<B> scratch(be);
    const auto ddown = scratch.template matrix<AccumScalar<B>>(x.rows, down_cols(cache.pass));  // (T, G*r + N)
    unmix(be, params_, dy, cache, ddown, grads);
    project_down_backward(be, params_, x, ddown, cache, dx, grads, DxPart::all);
}

}  // namespace hydralora
