// Some steps of training a small decoder, from one seed on any backend: what two backends must agree on. Without Eigen, so
// that nvcc compiles it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <hydralora/model/llama.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <utility>
#include <vector>

namespace test {

/// What is trained, and how.
struct Training {
    hydralora::AdapterConfig adapter{.rank = 4, .heads = 3, .alpha = 8};
    hydralora::Index steps = 20, sequences = 3, length = 24;
    hydralora::Keep keep = hydralora::Keep::all;
    double decay = 1;  // of the learning rate, a step
};

/// Runs the steps of a training: the work of one that belongs to the backend is do_step().
struct EachStep {
    template <class F>
    void operator()(hydralora::Index, F&& do_step) const {
        do_step();
    }
};

/// The loss of every step, per labelled token, and all trained parameters in the end.
struct Trained {
    std::vector<double> losses, parameters;
};

inline hydralora::LlamaConfig training_config() {
    return {.vocabulary = 61,
            .width = 32,
            .layers = 2,
            .heads = 4,
            .kv_heads = 2,
            .head_dim = 8,
            .feed_forward = 48,
            .max_positions = 64,
            .norm_eps = 1e-5};
}

template <class B, class Set>
std::vector<double> values_of(B& be, const Set& set) {
    std::vector<double> all;
    hydralora::visit(
        [&](const hydralora::ParamPath&, const auto& m) {
            std::vector<hydralora::ParamScalar<B>> values(static_cast<std::size_t>(m.size()));
            be.download(m.view(), hydralora::host_view(values.data(), m.rows(), m.cols()));
            for (const auto value : values) all.push_back(static_cast<double>(value));
        },
        set);
    return all;
}

namespace tiny_training_detail {

/// Steps on a model whose trained set is `set`; stepped() is called at the end of each.
template <class B, class Set, class Steps, class Stepped>
Trained run(B& be, const hydralora::Llama<B>& model, Set& set, Set& grads, const Training& training, Steps&& steps,
            Stepped&& stepped) {
    using namespace hydralora;
    const Index tokens = training.sequences * training.length;
    std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens)), labels(ids.size());
    Index labelled = 0;
    for (std::size_t t = 0; t < ids.size(); ++t) {
        const RandomKey key{Seed{9}, 1, 0};
        ids[t] = static_cast<std::int32_t>(uniform_below(key, 2 * t, 61));
        labels[t] = t % 8 == 3 ? ignored_label : static_cast<std::int32_t>(uniform_below(key, 2 * t + 1, 61));
        labelled += labels[t] >= 0 ? 1 : 0;
    }
    Buffer<B, std::int32_t> ids_there(be, 1, tokens), labels_there(be, 1, tokens);
    be.upload(host_view(ids.data(), 1, tokens), ids_there.view());
    be.upload(host_view(labels.data(), 1, tokens), labels_there.view());
    const TokenBatch<B> batch{
        std::as_const(ids_there).view(), std::as_const(labels_there).view(), training.sequences, {}};

    const AdamW adamw{.lr = 5e-3};
    auto state = adamw.init(be, set);
    GradientNorm<B> norm;
    Buffer<B, double> loss(be, 1, 1);
    typename Llama<B>::Cache cache;
    cache.keep = training.keep;
    Trained trained;
    for (Index step = 0; step < training.steps; ++step) {
        steps(step, [&] {
            visit([&](const ParamPath&, auto& g) { be.fill(g.view(), ParamScalar<B>{0}); }, grads);
            be.fill(loss.view(), 0.0);
            Pass<B> pass;
            pass.random = {Seed{3}, 0, static_cast<std::uint32_t>(step)};
            pass.rows = {0, training.length, training.length};
            model.forward(be, batch, cache, pass);
            model.backward(be, batch, 1.0 / static_cast<double>(labelled), cache, loss.view(), views(grads));
            const auto factor = ClipByGlobalNorm{}.factor(be, grads, norm, std::as_const(loss).view());
            adamw.step(be, set, grads, state, {.lr = std::pow(training.decay, step), .gradient = factor});
            stepped();
        });
        double value = 0;
        be.download(std::as_const(loss).view(), host_view(&value, 1, 1));
        trained.losses.push_back(value / static_cast<double>(labelled));
    }
    trained.parameters = values_of(be, set);
    return trained;
}

/// A frozen model, and adapters on all of its linear layers.
template <class B>
struct AdapterTraining {
    hydralora::LlamaConfig config = training_config();
    hydralora::LlamaAdapterConfig adapters;
    hydralora::LlamaWeights<hydralora::ParamBuffer<B>> weights;
    hydralora::LlamaAdapters<hydralora::ParamBuffer<B>> set, grads;

    AdapterTraining(B& be, const Training& training) {
        using namespace hydralora;
        adapters.adapter = training.adapter;
        for (std::size_t t = 0; t < target_count; ++t) adapters.targets.push_back(static_cast<Target>(t));
        weights = make_buffers(be, weight_shapes(config));
        initialise(be, weights, config, Seed{1});
        set = make_buffers(be, adapter_shapes(config, adapters));
        grads = make_buffers(be, adapter_shapes(config, adapters));
        initialise(be, set, config, adapters, Seed{2});
    }
};

}  // namespace tiny_training_detail

/// Adapters on all linear layers of a frozen model.
template <class B, class Steps = EachStep>
Trained train_adapters(B& be, const Training& training, Steps&& steps = {}) {
    using namespace hydralora;
    tiny_training_detail::AdapterTraining<B> t(be, training);
    const Llama<B> model(be, t.config, views(std::as_const(t.weights)), t.adapters, views(std::as_const(t.set)));
    return tiny_training_detail::run(be, model, t.set, t.grads, training, steps, [] {});
}

/// The same with joined projections, whose frozen matrices exist nowhere else.
template <class B, class Steps = EachStep>
Trained train_joined(B& be, const Training& training, Steps&& steps = {}) {
    using namespace hydralora;
    tiny_training_detail::AdapterTraining<B> t(be, training);
    JoinedProjections<B> joined(be, t.config, t.adapters);
    joined.copy_frozen(be, views(std::as_const(t.weights)));
    for (auto& layer : t.weights.layers)
        for (auto& projection : layer.projections) projection = {};
    const Llama<B> model(be, t.config, views(std::as_const(t.weights)), t.adapters, views(std::as_const(t.set)),
                         joined);
    return tiny_training_detail::run(be, model, t.set, t.grads, training, steps, [&] { joined.refresh(be, t.set); });
}

/// The whole model.
template <class B, class Steps = EachStep>
Trained train_whole(B& be, const Training& training, Steps&& steps = {}) {
    using namespace hydralora;
    const LlamaConfig config = training_config();
    auto set = make_buffers(be, weight_shapes(config)), grads = make_buffers(be, weight_shapes(config));
    initialise(be, set, config, Seed{1});
    const Llama<B> model(be, config, views(std::as_const(set)));
    return tiny_training_detail::run(be, model, set, grads, training, steps, [] {});
}

/// Members of the family and of training that take different paths.
inline std::vector<Training> trainings() {
    using namespace hydralora;
    std::vector<Training> all(6);
    all[1].adapter.dropout = 0.2;
    all[2].adapter.sharing = Sharing::own_a;
    all[2].adapter.dropout = 0.2;
    all[2].adapter.dropout_mask = MaskSharing::per_head;
    all[3].adapter.gate = Gate::top_k;
    all[3].adapter.top_k = 2;
    all[3].adapter.router_bias = RouterBias::trained;
    all[4].adapter.router_input = RouterInput::a_x;
    all[4].keep = Keep::inputs;
    all[5].adapter.heads = 1;
    all[5].adapter.gate = Gate::none;
    return all;
}

/// The largest difference, relative to the larger of the two numbers' size and `least`.
inline double difference(const std::vector<double>& a, const std::vector<double>& b, double least) {
    if (a.size() != b.size()) return HUGE_VAL;
    double most = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        const double size = std::max({std::abs(a[i]), std::abs(b[i]), least});
        const double each = std::abs(a[i] - b[i]) / size;
        most = each >= most ? each : std::isnan(each) ? HUGE_VAL : most;
    }
    return most;
}

}  // namespace test
