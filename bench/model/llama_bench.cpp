// Training steps of a decoder, and what an adapter step is made of; adapters on all seven linear layers, r = 8, N = 4.
//
//   small    byte vocabulary, width 256, 6 layers, 8 heads, feed-forward 704, 8 sequences of 256 tokens
//   135M     with --large; in the shape of SmolLM2-135M: vocabulary 49152, width 576, 30 layers, 9 heads, 3 key-value heads, feed-forward
//            1536, 4 sequences of 512 tokens

#include <algorithm>
#include <cstdint>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/model/llama.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <hydralora/weight/packed_weight.hpp>
#include <memory>
#include <optional>
#include <string>

#include "support/bench.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;

/// A decoder and the shape of its batch.
struct Case {
    const char* name;
    LlamaConfig base;
    Index sequences, length;
    [[nodiscard]] Index tokens() const { return sequences * length; }
};

const Case small{"small",
                 {.vocabulary = 260,
                  .width = 256,
                  .layers = 6,
                  .heads = 8,
                  .kv_heads = 8,
                  .head_dim = 32,
                  .feed_forward = 704,
                  .max_positions = 256},
                 8,
                 256};
const Case large{"135M",
                 {.vocabulary = 49152,
                  .width = 576,
                  .layers = 30,
                  .heads = 9,
                  .kv_heads = 3,
                  .head_dim = 64,
                  .feed_forward = 1536,
                  .max_positions = 512},
                 4,
                 512};

enum class Adapted { nothing, everything };

LlamaAdapterConfig adapter_config(Adapted which) {
    LlamaAdapterConfig c{.adapter = {.rank = 8, .heads = 4, .alpha = 32}, .targets = {}};
    if (which == Adapted::everything)
        for (std::size_t t = 0; t < target_count; ++t) c.targets.push_back(static_cast<Target>(t));
    return c;
}

/// The base and one batch.
struct Base {
    const Case& of;
    B be;
    LlamaWeights<ParamBuffer<B>> weights;
    Buffer<B, std::int32_t> ids, labels;
    Buffer<B, double> loss;
    Llama<B>::Cache cache;

    Base(const Case& c, int threads)
        : of(c),
          be({.threads = threads}),
          weights(make_buffers(be, weight_shapes(c.base))),
          ids(be, 1, c.tokens()),
          labels(be, 1, c.tokens()),
          loss(be, 1, 1) {
        initialise(be, weights, c.base, Seed{1});
        for (Index t = 0; t < c.tokens(); ++t) {
            ids.view()(0, t) = static_cast<std::int32_t>(t * 7919 % 256);
            labels.view()(0, t) = static_cast<std::int32_t>((t + 1) * 7919 % 256);
        }
    }
    [[nodiscard]] TokenBatch<B> batch() { return {ids.view(), labels.view(), of.sequences}; }
};

template <class Set>
void clear(B& be, Set& set) {
    visit([&](const ParamPath&, auto& g) { be.fill(g.view(), 0.0f); }, set);
}

/// One optimiser step of the adapters; with none, the forward pass and dX of the frozen base.
struct AdapterStep {
    Base& on;
    LlamaAdapterConfig config;
    LlamaAdapters<ParamBuffer<B>> params, grads;
    AdamW rule{.lr = 1e-4};
    decltype(rule.init(on.be, params)) state;
    GradientNorm<B> norm;
    JoinedProjections<B> projections;
    Llama<B> model;

    AdapterStep(Base& b, Adapted which)
        : on(b),
          config(adapter_config(which)),
          params(make_buffers(b.be, adapter_shapes(b.of.base, config))),
          grads(make_buffers(b.be, adapter_shapes(b.of.base, config))),
          state(rule.init(b.be, params)),
          projections(b.be, b.of.base, config),
          model((initialise(b.be, params, b.of.base, config, Seed{2}), b.be), b.of.base,
                views(std::as_const(b.weights)), config, views(std::as_const(params)),
                (projections.copy_frozen(b.be, views(std::as_const(b.weights))), projections)) {}

    void forward() { model.forward(on.be, on.batch(), on.cache); }
    void update() {
        rule.step(on.be, params, grads, state, {.gradient = ClipByGlobalNorm{}.factor(on.be, grads, norm)});
        clear(on.be, grads);
        projections.refresh(on.be, params);
    }
    void operator()() {
        forward();
        model.backward(on.be, on.batch(), 1.0 / static_cast<double>(on.of.tokens()), on.cache, on.loss.view(),
                       views(grads));
        if (!config.targets.empty()) update();
    }
};

/// One optimiser step of all weights.
struct FullStep {
    Base& on;
    LlamaWeights<ParamBuffer<B>> grads;
    AdamW rule{.lr = 1e-4};
    decltype(rule.init(on.be, on.weights)) state;
    GradientNorm<B> norm;
    Llama<B> model;

    explicit FullStep(Base& b)
        : on(b),
          grads(make_buffers(b.be, weight_shapes(b.of.base))),
          state(rule.init(b.be, b.weights)),
          model(b.be, b.of.base, views(std::as_const(b.weights))) {}

    void operator()() {
        model.forward(on.be, on.batch(), on.cache);
        model.backward(on.be, on.batch(), 1.0 / static_cast<double>(on.of.tokens()), on.cache, on.loss.view(),
                       views(grads));
        rule.step(on.be, on.weights, grads, state, {.gradient = ClipByGlobalNorm{}.factor(on.be, grads, norm)});
        clear(on.be, grads);
    }
};

/// The operations of an adapter step by themselves, each as often as a step calls it and at its shapes.
struct Operations {
    Base& on;
    B& be;
    AdapterStep& step;
    const LlamaConfig& base;
    const Index tokens;
    ActivationBuffer<B> x, y, wide_x, wide_y, wide_z, wide_dx, heads_x, heads_y, q, k, v;
    Attention<B> attention;
    Attention<B>::Cache attention_cache;
    ParamBuffer<B> norm_weight;
    RmsNorm<B> norm;
    RmsNorm<B>::Cache norm_cache;
    Rope<B> rope;
    std::vector<PackedWeight<B>> frozen;
    using Layer = JoinedLinear<B, AdapterConfig, ProjectionWeight<B>>;
    std::vector<Layer> layers;  // with their adapters
    Layer::Cache adapter_cache;

    Operations(Base& b, AdapterStep& s)
        : on(b),
          be(b.be),
          step(s),
          base(b.of.base),
          tokens(b.of.tokens()),
          x(bench::noise(be, tokens, base.width + room, 0)),
          y(bench::noise(be, tokens, base.width + room, 1)),
          wide_x(bench::noise(be, tokens, base.feed_forward + room, 2)),
          wide_y(bench::noise(be, tokens, base.feed_forward + room, 3)),
          wide_z(be, tokens, base.feed_forward),
          wide_dx(be, tokens, base.feed_forward),
          heads_x(be, tokens, base.q_width()),
          heads_y(be, tokens, base.q_width()),
          q(bench::noise(be, tokens, base.q_width(), 4)),
          k(bench::noise(be, tokens, base.kv_width(), 5)),
          v(bench::noise(be, tokens, base.kv_width(), 6)),
          attention({base.heads, base.kv_heads, base.head_dim}),
          norm_weight(bench::noise(be, 1, base.width, 7)),
          norm({base.width, base.norm_eps}, norm_weight.view()),
          rope(be, {base.head_dim, base.rope_theta, base.rope_scaling, base.max_positions}) {
        for (const Target t : step.config.targets) {
            frozen.emplace_back(be, on.weights.layers[0].projections[index_of(t)].view());
            layers.emplace_back(
                be, step.projections.at(0, t),
                HydraAdapter<B>(be, step.config.at(base, t), views(std::as_const(step.params.layers[0][index_of(t)]))));
        }
        attention_forward();
    }

    static constexpr Index room = 80;  // behind rows, for joined products

    /// Without the room.
    [[nodiscard]] static View<B> plain(ActivationBuffer<B>& m) { return m.view().col_slice(0, m.cols() - room); }

    template <class F>
    void each_target(F&& f) {
        for (Index l = 0; l < base.layers; ++l) {
            for (const Target t : step.config.targets) {
                const Shape s = target_shape(base, t);
                const auto of = [](ActivationBuffer<B>& narrow, ActivationBuffer<B>& wide, Index cols) {
                    return (cols <= narrow.cols() ? narrow : wide).view().col_slice(0, cols);
                };
                f(t, of(x, wide_x, s.cols), of(y, wide_y, s.rows), of(heads_y, wide_z, s.rows),
                  of(heads_x, wide_dx, s.cols));
            }
        }
    }
    void products() {
        each_target([&](Target t, View<B> in, View<B> out, View<B> result, View<B> din) {
            frozen[index_of(t)].apply(be, in, result);
            frozen[index_of(t)].apply_transposed(be, out, din);
        });
    }
    void projections() {
        each_target([&](Target t, View<B> in, View<B> out, View<B> result, View<B> din) {
            const Layer& layer = layers[index_of(t)];
            layer.forward(be, in, result, adapter_cache);
            layer.backward(be, in, out, adapter_cache, din, views(step.grads.layers[0][index_of(t)]));
        });
    }
    void attention_forward() {
        for (Index l = 0; l < base.layers; ++l)
            attention.forward(be, on.of.sequences, q.view(), k.view(), v.view(), heads_x.view(), attention_cache);
    }
    void attention_backward() {
        for (Index l = 0; l < base.layers; ++l)
            attention.backward(be, on.of.sequences, q.view(), k.view(), v.view(), heads_x.view(),
                               y.view().col_slice(0, base.q_width()), attention_cache, heads_y.view(),
                               x.view().col_slice(0, base.kv_width()), wide_x.view().col_slice(0, base.kv_width()));
    }
    void norms() {
        for (Index n = 0; n < 2 * base.layers + 1; ++n) {
            norm.forward(be, plain(x), plain(y), norm_cache);
            norm.backward(be, plain(x), plain(y), norm_cache, heads_x.view(), {}, Grad::accumulate);
        }
    }
    void swiglu() {
        for (Index l = 0; l < base.layers; ++l) {
            ops::swiglu(be, plain(wide_x), plain(wide_y), wide_z.view());
            ops::swiglu_backward(be, plain(wide_x), plain(wide_y), wide_z.view(), wide_dx.view(), wide_z.view());
        }
    }
    void turns() {
        for (Index l = 0; l < base.layers; ++l) {
            for (const auto& m : {q.view(), k.view()}) {
                rope.rotate(be, m, on.of.length);
                rope.rotate_back(be, m, on.of.length);
            }
        }
    }
    void residuals() {
        for (Index n = 0; n < 2 * base.layers; ++n) {
            be.copy(ConstView<B>(plain(x)), plain(y));
            ops::add(be, ConstView<B>(plain(x)), heads_x.view());
        }
    }
    void head() {
        Embedding<B>{on.weights.embedding.view()}.forward(be, on.ids.view(), heads_x.view());
        LmHeadCrossEntropy<B>(on.weights.embedding.view())
            .loss_and_gradient(be, plain(x), on.labels.view(), 1.0 / static_cast<double>(tokens), on.loss.view(),
                               y.view().col_slice(0, base.width), {});
    }
};

/// A base, its two kinds of adapter step, and the operations.
struct Bench {
    Base base;
    AdapterStep frozen, adapted;
    Operations operations;
    std::optional<FullStep> full;

    Bench(const Case& c, int threads)
        : base(c, threads),
          frozen(base, Adapted::nothing),
          adapted(base, Adapted::everything),
          operations(base, adapted) {}
};

/// Of the products with the weights, over the whole model and all tokens, forward alone.
double attention_flops(const Case& c) {
    return static_cast<double>(c.tokens() * c.base.layers * c.base.q_width() * (c.length + 1)) * 2;
}

double forward_flops(const Case& c) {
    double weights = static_cast<double>(c.base.vocabulary * c.base.width);
    for (std::size_t t = 0; t < target_count; ++t)
        weights += static_cast<double>(c.base.layers * target_shape(c.base, static_cast<Target>(t)).size());
    return static_cast<double>(c.tokens()) * 2 * weights + attention_flops(c);
}

double adapter_flops(const Case& c) {
    const LlamaConfig& base = c.base;
    double sum = 0;
    for (std::size_t t = 0; t < target_count; ++t) {
        const Shape s = target_shape(base, static_cast<Target>(t));
        sum += static_cast<double>(base.layers * (s.cols * (8 + 4) + s.rows * 4 * 8));
    }
    return 6 * static_cast<double>(c.tokens()) * sum;
}

}  // namespace

void bench::add_benchmarks(const Settings& settings) {
    // Backward: dX as many operations as forward, attention two and a half times as many.
    const auto row = [](const std::string& name, const Case& c, const char* words, int threads) {
        return name + "/" + c.name + " " + words + " threads=" + std::to_string(threads);
    };
    const auto add_steps = [&](const Case& c, int threads, int rounds) {
        const double frozen = 2 * forward_flops(c) + 1.5 * attention_flops(c);
        const auto add = [&](const char* words, double flops, const char* of, auto run) {
            const Work work{.flops = flops, .tokens = static_cast<double>(c.tokens()), .threads = threads};
            add_case(row("llama", c, words, threads), rounds, [=, &c](benchmark::State& state) {
                const auto b = std::make_unique<Bench>(c, threads);
                compare(
                    state, work, of, [&] { run(*b); }, [&] { b->frozen(); });
            });
        };
        constexpr const char* of = "frozen base fwd+dX";
        add("adapter step", frozen + adapter_flops(c), of, [](Bench& b) { b.adapted(); });
        if (&c != &small) return;
        const double head = 2.0 * static_cast<double>(c.tokens() * c.base.vocabulary * c.base.width);
        add("frozen base fwd", forward_flops(c) - head, of, [](Bench& b) { b.frozen.forward(); });
        add("frozen base fwd+dX", frozen, of, [](Bench& b) { b.frozen(); });
        add("full-parameter step", frozen + forward_flops(c) - attention_flops(c), of, [](Bench& b) {
            if (!b.full) b.full.emplace(b.base);
            (*b.full)();
        });
    };

    // What an adapter step is made of; the frozen products are in the projections.
    struct Part {
        const char* name;
        void (*run)(Bench&);
    };
    static constexpr Part parts[] = {
        {"projections with adapters", [](Bench& b) { b.operations.projections(); }},
        {"frozen products alone", [](Bench& b) { b.operations.products(); }},
        {"attention fwd", [](Bench& b) { b.operations.attention_forward(); }},
        {"attention bwd", [](Bench& b) { b.operations.attention_backward(); }},
        {"norms", [](Bench& b) { b.operations.norms(); }},
        {"swiglu", [](Bench& b) { b.operations.swiglu(); }},
        {"rope", [](Bench& b) { b.operations.turns(); }},
        {"residual copies and sums", [](Bench& b) { b.operations.residuals(); }},
        {"embedding, head and loss", [](Bench& b) { b.operations.head(); }},
        {"clip, adamw, zeroing, packing", [](Bench& b) { b.adapted.update(); }},
    };
    const auto add_parts = [&](const Case& c, int threads, int rounds) {
        for (const Part& part : parts)
            add_case(row("llama_part", c, part.name, threads), rounds, [=, &c](benchmark::State& state) {
                const auto b = std::make_unique<Bench>(c, threads);
                compare(
                    state, {.threads = threads}, "adapter step", [&] { part.run(*b); }, [&] { b->adapted(); });
            });
    };
    for (const int threads : settings.threads) {
        add_steps(small, threads, settings.quick ? 5 : 9);
        if (threads == settings.threads.front()) add_parts(small, threads, settings.quick ? 5 : 7);
    }
    if (!settings.large) return;
    add_steps(large, settings.threads.front(), 3);
    add_parts(large, settings.threads.front(), 1);
}
