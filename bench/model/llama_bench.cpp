// Training steps of the small decoder that the trainer fine-tunes, and what an adapter step is made of.
//
//   byte vocabulary, width 256, 6 layers, 8 heads, feed-forward 704, 8 sequences of 256 tokens;
//   adapters on all seven linear layers, r = 8, N = 4

#include <algorithm>
#include <cstdint>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/model/llama.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <memory>
#include <string>

#include "support/bench.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;

const LlamaConfig base{.vocabulary = 260, .width = 256, .layers = 6, .heads = 8, .kv_heads = 8, .head_dim = 32,
                       .feed_forward = 704, .max_positions = 256};
constexpr Index sequences = 8, length = 256, tokens = sequences * length;

enum class Adapted { nothing, everything };

LlamaAdapterConfig adapter_config(Adapted which) {
    LlamaAdapterConfig c{.adapter = {.rank = 8, .heads = 4, .alpha = 32}, .targets = {}};
    if (which == Adapted::everything)
        for (std::size_t t = 0; t < target_count; ++t) c.targets.push_back(static_cast<Target>(t));
    return c;
}

/// The base and one batch.
struct Base {
    B be;
    LlamaWeights<ParamBuffer<B>> weights;
    Buffer<B, std::int32_t> ids, labels;
    Buffer<B, double> loss;
    Llama<B>::Cache cache;

    explicit Base(int threads)
        : be({.threads = threads}),
          weights(make_buffers(be, weight_shapes(base))),
          ids(be, 1, tokens),
          labels(be, 1, tokens),
          loss(be, 1, 1) {
        initialise(be, weights, base, Seed{1});
        for (Index t = 0; t < tokens; ++t) {
            ids.view()(0, t) = static_cast<std::int32_t>(t * 7919 % 256);
            labels.view()(0, t) = static_cast<std::int32_t>((t + 1) * 7919 % 256);
        }
    }
    [[nodiscard]] TokenBatch<B> batch() { return {ids.view(), labels.view(), sequences}; }
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
    Llama<B> model;

    AdapterStep(Base& b, Adapted which)
        : on(b),
          config(adapter_config(which)),
          params(make_buffers(b.be, adapter_shapes(base, config))),
          grads(make_buffers(b.be, adapter_shapes(base, config))),
          state(rule.init(b.be, params)),
          model((initialise(b.be, params, base, config, Seed{2}), b.be), base, views(std::as_const(b.weights)), config,
                views(std::as_const(params))) {}

    void forward() { model.forward(on.be, on.batch(), on.cache); }
    void update() {
        rule.step(on.be, params, grads, state, {.gradient = ClipByGlobalNorm{}.factor(on.be, grads, norm)});
        clear(on.be, grads);
    }
    void operator()() {
        forward();
        model.backward(on.be, on.batch(), 1.0 / tokens, on.cache, on.loss.view(), views(grads));
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
          grads(make_buffers(b.be, weight_shapes(base))),
          state(rule.init(b.be, b.weights)),
          model(b.be, base, views(std::as_const(b.weights))) {}

    void operator()() {
        model.forward(on.be, on.batch(), on.cache);
        model.backward(on.be, on.batch(), 1.0 / tokens, on.cache, on.loss.view(), views(grads));
        rule.step(on.be, on.weights, grads, state, {.gradient = ClipByGlobalNorm{}.factor(on.be, grads, norm)});
        clear(on.be, grads);
    }
};

/// The operations of an adapter step by themselves, each as often as a step calls it and at its shapes.
struct Operations {
    Base& on;
    B& be;
    AdapterStep& step;
    ActivationBuffer<B> x, y, wide_x, wide_y, wide_z, wide_dx, heads_x, heads_y, q, k, v;
    Attention<B> attention{AttentionConfig{base.heads, base.kv_heads, base.head_dim}};
    Attention<B>::Cache attention_cache;
    ParamBuffer<B> norm_weight;
    RmsNorm<B> norm;
    RmsNorm<B>::Cache norm_cache;
    Rope<B> rope;
    std::vector<HydraAdapter<B>> adapters;
    HydraAdapter<B>::Cache adapter_cache;

    Operations(Base& b, AdapterStep& s)
        : on(b),
          be(b.be),
          step(s),
          x(bench::noise(be, tokens, base.width, 0)),
          y(bench::noise(be, tokens, base.width, 1)),
          wide_x(bench::noise(be, tokens, base.feed_forward, 2)),
          wide_y(bench::noise(be, tokens, base.feed_forward, 3)),
          wide_z(be, tokens, base.feed_forward),
          wide_dx(be, tokens, base.feed_forward),
          heads_x(be, tokens, base.q_width()),
          heads_y(be, tokens, base.q_width()),
          q(bench::noise(be, tokens, base.q_width(), 4)),
          k(bench::noise(be, tokens, base.kv_width(), 5)),
          v(bench::noise(be, tokens, base.kv_width(), 6)),
          norm_weight(bench::noise(be, 1, base.width, 7)),
          norm({base.width, base.norm_eps}, norm_weight.view()),
          rope(be, {base.head_dim, base.rope_theta, base.rope_scaling, base.max_positions}) {
        for (const Target t : step.config.targets)
            adapters.emplace_back(be, step.config.at(base, t), views(std::as_const(step.params.layers[0][index_of(t)])));
        attention_forward();
    }

    template <class F>
    void each_target(F&& f) {
        for (Index l = 0; l < base.layers; ++l) {
            for (const Target t : step.config.targets) {
                const Shape s = target_shape(base, t);
                const auto in = s.cols == base.width ? x.view() : wide_x.view();
                const auto out = s.rows == base.width ? y.view() : wide_y.view();
                const auto din = s.cols == base.width ? heads_x.view() : wide_dx.view();
                const auto result = s.rows == base.width ? heads_y.view() : wide_z.view();
                f(t, in, out, result, din);
            }
        }
    }
    void products() {
        each_target([&](Target t, View<B> in, View<B> out, View<B> result, View<B> din) {
            const DenseWeight<B> w{on.weights.layers[0].projections[index_of(t)].view()};
            w.apply(be, in, result);
            w.apply_transposed(be, out, din);
        });
    }
    void adapter_passes() {
        each_target([&](Target t, View<B> in, View<B> out, View<B> result, View<B> din) {
            const auto& adapter = adapters[index_of(t)];
            adapter.forward(be, in, result, adapter_cache);
            adapter.backward(be, in, out, adapter_cache, din, views(step.grads.layers[0][index_of(t)]));
        });
    }
    void attention_forward() {
        for (Index l = 0; l < base.layers; ++l)
            attention.forward(be, sequences, q.view(), k.view(), v.view(), heads_x.view(), attention_cache);
    }
    void attention_backward() {
        for (Index l = 0; l < base.layers; ++l)
            attention.backward(be, sequences, q.view(), k.view(), v.view(), heads_x.view(), y.view(), attention_cache,
                               heads_y.view(), x.view(), wide_x.view().row_slice(0, tokens).col_slice(0, base.kv_width()));
    }
    void norms() {
        for (Index n = 0; n < 2 * base.layers + 1; ++n) {
            norm.forward(be, x.view(), y.view(), norm_cache);
            norm.backward(be, x.view(), y.view(), norm_cache, heads_x.view(), {}, Grad::accumulate);
        }
    }
    void swiglu() {
        for (Index l = 0; l < base.layers; ++l) {
            ops::swiglu(be, wide_x.view(), wide_y.view(), wide_z.view());
            ops::swiglu_backward(be, wide_x.view(), wide_y.view(), wide_z.view(), wide_dx.view(), wide_z.view());
        }
    }
    void turns() {
        for (Index l = 0; l < base.layers; ++l) {
            for (const auto& m : {q.view(), k.view()}) {
                rope.rotate(be, m, length);
                rope.rotate_back(be, m, length);
            }
        }
    }
    void residuals() {
        for (Index n = 0; n < 2 * base.layers; ++n) {
            be.copy(x.view(), y.view());
            ops::add(be, ConstView<B>(x.view()), heads_x.view());
        }
    }
    void head() {
        Embedding<B>{on.weights.embedding.view()}.forward(be, on.ids.view(), heads_x.view());
        LmHeadCrossEntropy<B>(on.weights.embedding.view())
            .loss_and_gradient(be, x.view(), on.labels.view(), 1.0 / tokens, on.loss.view(), y.view(), {});
    }
};

/// A base, its two kinds of adapter step, and the operations.
struct Bench {
    Base base_;
    AdapterStep frozen, adapted;
    FullStep full;
    Operations operations;

    explicit Bench(int threads)
        : base_(threads), frozen(base_, Adapted::nothing), adapted(base_, Adapted::everything), full(base_), operations(base_, adapted) {}
};

/// Of the products with the weights, over the whole model and all tokens, forward alone.
double forward_flops() {
    double weights = static_cast<double>(base.vocabulary * base.width);
    for (std::size_t t = 0; t < target_count; ++t)
        weights += static_cast<double>(base.layers * target_shape(base, static_cast<Target>(t)).size());
    const double attention = static_cast<double>(base.layers * base.q_width() * (length + 1)) * 2;
    return static_cast<double>(tokens) * (2 * weights + attention);
}

double adapter_flops() {
    double sum = 0;
    for (std::size_t t = 0; t < target_count; ++t) {
        const Shape s = target_shape(base, static_cast<Target>(t));
        sum += static_cast<double>(base.layers * (s.cols * (8 + 4) + s.rows * 4 * 8));
    }
    return 6 * static_cast<double>(tokens) * sum;
}

}  // namespace

void bench::add_benchmarks(const Settings& settings) {
    // Backward: dX as many operations as forward, attention two and a half times as many.
    const double attention = static_cast<double>(tokens * base.layers * base.q_width() * (length + 1)) * 2;
    const double frozen_step = 2 * forward_flops() + 1.5 * attention;
    const double full_step = frozen_step + forward_flops() - attention;
    const int rounds = settings.quick ? 5 : 9;
    const auto as_row = [](const std::string& row, const std::string& words, int threads) {
        return row + "/" + words + " threads=" + std::to_string(threads);
    };
    for (const int threads : settings.threads) {
        const auto work = [threads](double flops) {
            return Work{.flops = flops, .tokens = static_cast<double>(tokens), .threads = threads};
        };
        const auto add = [&](const char* words, double flops, const char* of, auto run) {
            add_case(as_row("llama", words, threads), rounds, [=](benchmark::State& state) {
                const auto b = std::make_unique<Bench>(threads);
                compare(state, work(flops), of, [&] { run(*b); }, [&] { b->frozen(); });
            });
        };
        constexpr const char* of = "frozen base fwd+dX";
        add("frozen base fwd", forward_flops() - 2.0 * static_cast<double>(tokens * base.vocabulary * base.width), of,
            [](Bench& b) { b.frozen.forward(); });
        add("frozen base fwd+dX", frozen_step, of, [](Bench& b) { b.frozen(); });
        add("adapter step N=4 r=8", frozen_step + adapter_flops(), of, [](Bench& b) { b.adapted(); });
        add("full-parameter step", full_step, of, [](Bench& b) { b.full(); });
    }

    // Shares of the adapter step.
    struct Part {
        const char* name;
        void (*run)(Bench&);
    };
    static constexpr Part parts[] = {
        {"frozen products", [](Bench& b) { b.operations.products(); }},
        {"adapters", [](Bench& b) { b.operations.adapter_passes(); }},
        {"attention fwd", [](Bench& b) { b.operations.attention_forward(); }},
        {"attention bwd", [](Bench& b) { b.operations.attention_backward(); }},
        {"norms", [](Bench& b) { b.operations.norms(); }},
        {"swiglu", [](Bench& b) { b.operations.swiglu(); }},
        {"rope", [](Bench& b) { b.operations.turns(); }},
        {"residual copies and sums", [](Bench& b) { b.operations.residuals(); }},
        {"embedding, head and loss", [](Bench& b) { b.operations.head(); }},
        {"clip, adamw, zeroing", [](Bench& b) { b.adapted.update(); }},
    };
    for (const int threads : settings.quick ? std::vector<int>{settings.threads.front()} : settings.threads) {
        for (const Part& part : parts) {
            add_case(as_row("llama_part", part.name, threads), settings.quick ? 5 : 7, [=](benchmark::State& state) {
                const auto b = std::make_unique<Bench>(threads);
                compare(state, {.threads = threads}, "adapter step", [&] { part.run(*b); }, [&] { b->adapted(); });
            });
        }
    }
}
