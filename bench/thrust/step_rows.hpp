// Rows about a whole training step: forward, backward, clipping, AdamW and zeroing of gradients with adapters on all seven
// projections, over the frozen step: the same model with the same weights in the same memory and a list of adapters that is
// empty, so that it computes the loss and the gradient of every activation down to the first block's input and nothing else.
#pragma once

#include <hydralora/model/llama.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "linear_forms.hpp"

namespace bench {

struct StepCase {
    std::string words;
    hydralora::LlamaConfig model;
    Index sequences, length;
    double target;
};

[[nodiscard]] inline std::vector<StepCase> step_cases(const Sizes& sizes) {
    const Index length = sizes.of(2048, 16);
    const std::string tokens = ", T = 4 x " + std::to_string(length);
    StepCase block{.words = "7B-shaped block" + tokens,
                   .model = {.vocabulary = 32,  // a head and a loss that take next to nothing
                             .width = 4096,
                             .layers = 1,
                             .heads = 32,
                             .kv_heads = 32,
                             .head_dim = 128,
                             .feed_forward = 11008,
                             .max_positions = length},
                   .sequences = 4,
                   .length = length,
                   .target = 1.10};
    StepCase whole{.words = "1B-shaped model" + tokens,
                   .model = {.vocabulary = 32000,
                             .width = 2048,
                             .layers = 16,
                             .heads = 32,
                             .kv_heads = 8,
                             .head_dim = 64,
                             .feed_forward = 8192,
                             .max_positions = length},
                   .sequences = 4,
                   .length = length,
                   .target = 1.15};
    for (StepCase* c : {&block, &whole}) {
        if (!sizes.tiny) continue;
        c->model.width = 32;
        c->model.heads = 4;
        c->model.kv_heads = c == &block ? 4 : 2;
        c->model.head_dim = 8;
        c->model.feed_forward = 48;
        c->model.layers = c == &block ? 1 : 2;
        c->model.vocabulary = 40;
    }
    return {block, whole};
}

/// Of the frozen step: each product with a weight forward and back to its input; attention's two products forward, which
/// with their gradients and the scores made again are seven, of the pairs that see each other.
[[nodiscard]] inline double frozen_flops(const StepCase& c) {
    const auto& m = c.model;
    double weights = static_cast<double>(m.vocabulary * m.width);
    for (std::size_t t = 0; t < hydralora::target_count; ++t)
        weights += static_cast<double>(m.layers * target_shape(m, static_cast<hydralora::Target>(t)).size());
    const double pairs = 0.5 * static_cast<double>(c.sequences * c.length * (c.length + 1));
    return 4 * weights * static_cast<double>(c.sequences * c.length) +
           14 * static_cast<double>(m.layers * m.q_width()) * pairs;
}

/// Frozen weights in 16 bits, norms in the parameters' type, and one batch.
template <class B>
struct FrozenModel {
    B be;
    StepCase c;
    std::vector<hydralora::ActivationBuffer<B>> matrices;
    std::vector<hydralora::ParamBuffer<B>> norms;
    hydralora::LlamaWeights<hydralora::StoredView<B>> weights;
    hydralora::Buffer<B, std::int32_t> ids, labels;
    hydralora::Buffer<B, double> loss;
    typename hydralora::Llama<B>::Cache cache;

    explicit FrozenModel(const StepCase& of)
        : c(of), ids(be, 1, of.sequences * of.length), labels(be, 1, ids.cols()), loss(be, 1, 1) {
        using namespace hydralora;
        weights = map_params<StoredView<B>>(weight_shapes(c.model), [&](const ParamPath& path, const Shape& s) {
            if (path.role == Role::norm) {
                norms.emplace_back(be, s);
                be.fill(norms.back().view(), 1);
                return StoredView<B>(ConstParamView<B>(norms.back().view()));
            }
            matrices.push_back(
                noise<Scalar<B>>(be, s.rows, s.cols, static_cast<std::uint32_t>(matrices.size()), 0.03f));
            return StoredView<B>(ConstView<B>(matrices.back().view()));
        });
        std::vector<std::int32_t> values(static_cast<std::size_t>(ids.cols()));
        const auto draw = [&](std::uint32_t stream, Buffer<B, std::int32_t>& to) {
            for (std::size_t t = 0; t < values.size(); ++t)
                values[t] = static_cast<std::int32_t>(
                    uniform_below({Seed{7}, stream, 0}, t, static_cast<std::uint32_t>(c.model.vocabulary)));
            be.upload(host_view(values.data(), 1, to.cols()), to.view());
        };
        draw(0, ids);
        draw(1, labels);
    }
    [[nodiscard]] hydralora::TokenBatch<B> batch() const { return {ids.view(), labels.view(), c.sequences}; }
};

/// Adapters on no projection; on all of them, added after the frozen product or joined with it.
enum class Adapted { nothing, added, joined };

template <class B>
struct TrainingStep {
    FrozenModel<B>& on;
    hydralora::LlamaAdapterConfig config;
    hydralora::LlamaAdapters<hydralora::ParamBuffer<B>> params, grads;
    std::optional<hydralora::JoinedProjections<B>> joined;
    hydralora::AdamW rule{.lr = 1e-4};
    decltype(rule.init(on.be, params)) state;
    hydralora::GradientNorm<B> norm;
    hydralora::Llama<B> model;

    TrainingStep(FrozenModel<B>& m, Adapted which)
        : on(m),
          config(config_of(which)),
          params(make_buffers(m.be, adapter_shapes(m.c.model, config))),
          grads(make_buffers(m.be, adapter_shapes(m.c.model, config))),
          state(rule.init(m.be, params)),
          model(make_model(which)) {}

    void operator()() {
        using namespace hydralora;
        const double scale = 1.0 / static_cast<double>(on.ids.cols());
        model.forward(on.be, on.batch(), on.cache);
        model.backward(on.be, on.batch(), scale, on.cache, on.loss.view(), views(grads));
        if (config.targets.empty()) return;
        rule.step(on.be, params, grads, state, {.gradient = ClipByGlobalNorm{}.factor(on.be, grads, norm)});
        visit([&](const ParamPath&, auto& g) { on.be.fill(g.view(), 0); }, grads);
        if (joined) joined->refresh(on.be, params);
    }

private:
    hydralora::Llama<B> make_model(Adapted which) {
        using namespace hydralora;
        initialise(on.be, params, on.c.model, config, Seed{2});
        if (which != Adapted::joined) return {on.be, on.c.model, on.weights, config, views(std::as_const(params))};
        joined.emplace(on.be, on.c.model, config);
        joined->copy_frozen(on.be, on.weights);
        return {on.be, on.c.model, on.weights, config, views(std::as_const(params)), *joined};
    }
    static hydralora::LlamaAdapterConfig config_of(Adapted which) {
        hydralora::LlamaAdapterConfig c{.adapter = {.rank = bench_rank, .heads = bench_heads, .alpha = 32},
                                        .targets = {}};
        for (std::size_t t = 0; which != Adapted::nothing && t < hydralora::target_count; ++t)
            c.targets.push_back(static_cast<hydralora::Target>(t));
        return c;
    }
};

template <class D>
void step_rows(Report& report, const Sizes& sizes) {
    using B = HalfBackend<D>;
    for (const StepCase& c : step_cases(sizes)) {
        report.add({{"training step, joined / frozen fwd+dX", c.words, "x", at_most(c.target)},
                    {"training step, added / frozen fwd+dX", c.words, "x"},
                    {"frozen fwd+dX", c.words, "ms"},
                    {"frozen fwd+dX", c.words, "TFLOP/s"},
                    {"training step, joined", c.words, "ms"},
                    {"training step, added", c.words, "ms"},
                    {"training step, joined", c.words, "tokens/s"}},
                   [&] {
                       const auto model = std::make_unique<FrozenModel<B>>(c);
                       TrainingStep<B> frozen(*model, Adapted::nothing), joined(*model, Adapted::joined),
                           added(*model, Adapted::added);
                       const Times t = interleave<D>(
                           model->be, {[&] { frozen(); }, [&] { joined(); }, [&] { added(); }}, sizes.effort(12));
                       std::vector<double> rate, flops;
                       for (const double s : t[0]) flops.push_back(1e-12 * frozen_flops(c) / s);
                       for (const double s : t[1]) rate.push_back(static_cast<double>(model->ids.cols()) / s);
                       return std::vector<Spread>{spread_of(ratios(t[1], t[0])),
                                                  spread_of(ratios(t[2], t[0])),
                                                  in_ms(t[0]),
                                                  spread_of(flops),
                                                  in_ms(t[1]),
                                                  in_ms(t[2]),
                                                  spread_of(rate)};
                   });
        if constexpr (requires(HalfBackend<D> & be, Case run) { D::captured(be, run); }) {
            report.add({{"training step, joined / frozen fwd+dX, both as CUDA graphs", c.words, "x"},
                        {"training step, joined, as a CUDA graph", c.words, "ms"}},
                       [&] {
                           const auto model = std::make_unique<FrozenModel<B>>(c);
                           TrainingStep<B> frozen(*model, Adapted::nothing), joined(*model, Adapted::joined);
                           const Case plain_frozen = [&] { frozen(); }, plain_joined = [&] { joined(); };
                           for (int i = 0; i < 2; ++i) {  // until nothing is allocated any more
                               plain_frozen();
                               plain_joined();
                           }
                           const Times t = interleave<D>(
                               model->be, {D::captured(model->be, plain_frozen), D::captured(model->be, plain_joined)},
                               sizes.effort(8));
                           return std::vector<Spread>{spread_of(ratios(t[1], t[0])), in_ms(t[1])};
                       });
        }
    }
}

}  // namespace bench
