// Steps of training: they allocate nothing, they learn, and what is not finite does not reach the parameters.
#include <doctest/doctest.h>

#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <limits>
#include <string>

#include "model_case.hpp"
#include "support/backend.hpp"
#include "support/same_bits.hpp"

namespace model_llama_training_test {

namespace {

using namespace test;
using B = test::TestBackend;

/// What a trainer does between two batches, for adapters or for all weights.
template <class Params, class Views>
class Trainer {
public:
    Trainer(B& be, Llama<B> model, Params& params, Params& grads, Views grad_views, const AdamW& adamw)
        : be_(be),
          model_(std::move(model)),
          params_(params),
          grads_(grads),
          grad_views_(std::move(grad_views)),
          adamw_(adamw),
          state_(adamw.init(be, params)) {}

    /// The mean loss; `guard` says whether the step was made.
    double step(const Tokens& tokens) {
        const auto batch = tokens.batch<B>();
        visit([this](const ParamPath&, const auto& g) { be_.fill(g, 0.0f); }, grad_views_);
        Pass<B> pass;
        pass.random = {Seed{1}, 0, static_cast<std::uint32_t>(state_.steps)};
        const double scale = 1.0 / static_cast<double>(tokens.labelled());
        double loss = 0;
        model_.forward(be_, batch, cache_, pass);
        model_.backward(be_, batch, scale, cache_, host_view(&loss, 1, 1), grad_views_);
        fold(grad_views_);
        const auto factor = ClipByGlobalNorm{.max_norm = 1}.factor(be_, grads_, norm_);
        if (guard.finite(loss, norm_.read(be_))) adamw_.step(be_, params_, grads_, state_, {.gradient = factor});
        return loss * scale;
    }

    StepGuard guard;

private:
    void fold(const LlamaWeights<ParamView<B>>& set) {
        if (model_.config().lm_head == LmHead::tied) fold_tied_head(be_, set);
    }
    void fold(const LlamaAdapters<ParamView<B>>&) {}

    B& be_;
    Llama<B> model_;
    Params& params_;
    Params& grads_;
    Views grad_views_;
    AdamW adamw_;
    decltype(AdamW{}.init(std::declval<B&>(), std::declval<Params&>())) state_;
    Llama<B>::Cache cache_;
    GradientNorm<B> norm_;
};

/// A model with its trainers. A tied head's gradient has a sum of its own.
struct Setup {
    ModelCase<B> c;
    ParamBuffer<B> of_the_head;

    Setup(B& be, const LlamaConfig& config, const LlamaAdapterConfig& adapters) : c(be, config, adapters) {
        if (config.lm_head == LmHead::tied) of_the_head = ParamBuffer<B>(be, config.vocabulary, config.width);
    }
    auto adapters(const AdamW& adamw) {
        return Trainer(c.be, c.adapted(), c.adapters, c.adapter_grads, views(c.adapter_grads), adamw);
    }
    auto weights(const AdamW& adamw) {
        auto grads = views(c.weight_grads);
        if (c.config.lm_head == LmHead::tied) grads.lm_head = of_the_head.view();
        return Trainer(c.be, c.base(), c.weights, c.weight_grads, std::move(grads), adamw);
    }
};

LlamaConfig learning_config(LmHead head) {
    LlamaConfig c = tiny_config();
    c.vocabulary = 24;
    c.width = 32;
    c.head_dim = 8;
    c.feed_forward = 48;
    c.max_positions = 64;
    c.lm_head = head;
    return c;
}

LlamaAdapterConfig learning_adapters() {
    LlamaAdapterConfig c = tiny_adapters();
    c.adapter.rank = 8;
    c.adapter.alpha = 16;
    return c;
}

/// Losses of steps on the same 4 sequences: the first, and the number of steps until one is below 0.1.
template <class T>
void check_learns(T trainer, const LlamaConfig& config, int most_steps) {
    const Tokens tokens(config, 4, 16);
    const double first = trainer.step(tokens);
    CHECK(first > 2);
    int steps = 1;
    while (steps < most_steps && trainer.step(tokens) >= 0.1) ++steps;
    MESSAGE("loss ", first, ", below 0.1 after ", steps, " steps");
    CHECK(steps < most_steps);
}

/// A value planted in each tensor in turn makes the loss or the norm of the gradient say so, and no parameter moves.
template <class Make, class Planted, class Params>
void check_guarded(Make&& make, Planted& planted, Params& params, const LlamaConfig& config, float bad) {
    const Tokens tokens(config, 4, 16);
    const auto start = flat(params);
    int tensors = 0;
    visit(
        [&](const ParamPath& path, auto& m) {
            ++tensors;
            const Index at = path.name() == "model.embed_tokens.weight" ? tokens.ids[5] * m.cols() + 3 : m.size() / 2;
            const float saved = std::exchange(m.view().data[at], bad);
            const auto before = flat(params);
            auto trainer = make();
            const double loss = trainer.step(tokens);
            CAPTURE(path.name());
            CHECK(trainer.guard.skipped == 1);
            if (std::isnan(bad)) CHECK(std::isnan(loss));
            const auto after = flat(params);
            CHECK(std::memcmp(before.data(), after.data(), before.size() * sizeof(double)) == 0);
            m.view().data[at] = saved;
        },
        planted);
    CHECK(tensors >= 20);
    CHECK(flat(params) == start);
    auto trainer = make();
    trainer.step(tokens);
    CHECK(trainer.guard.skipped == 0);
    CHECK(flat(params) != start);
}

}  // namespace

TEST_CASE("a repeated step allocates nothing: adapters, all weights") {
    B be({.threads = 3});
    LlamaConfig config = learning_config(LmHead::tied);
    LlamaAdapterConfig adapters = learning_adapters();
    adapters.adapter.dropout = 0.1;
    for (const LmHead head : {LmHead::tied, LmHead::own}) {
        config.lm_head = head;
        Setup setup(be, config, adapters);
        const Tokens tokens(config, 4, 64);
        auto of_adapters = setup.adapters({});
        check_second_allocates_nothing([&] { of_adapters.step(tokens); });
        auto of_weights = setup.weights({});
        check_second_allocates_nothing([&] { of_weights.step(tokens); });
        check_second_allocates_nothing([&] { of_adapters.step(tokens); });
    }
    adapters.adapter.dropout_mask = MaskSharing::per_head;
    adapters.adapter.sharing = Sharing::own_a;
    adapters.adapter.gate = Gate::top_k;
    Setup setup(be, config, adapters);
    auto trainer = setup.adapters({});
    const Tokens tokens(config, 4, 64);
    check_second_allocates_nothing([&] { trainer.step(tokens); });
}

TEST_CASE("adapters learn four sequences by heart, and so do all weights") {
    B be({.threads = 2});
    for (const LmHead head : {LmHead::tied, LmHead::own}) {
        const LlamaConfig config = learning_config(head);
        Setup setup(be, config, learning_adapters());
        initialise(be, setup.c.adapters, config, setup.c.adapter_config, Seed{1});
        check_learns(setup.adapters({.lr = 1e-2}), config, 400);
        initialise(be, setup.c.weights, config, Seed{1});
        check_learns(setup.weights({.lr = 3e-3}), config, 400);
    }
}

TEST_CASE("a NaN or an infinity in any weight or adapter is noticed, and no parameter moves") {
    B be({.threads = 1});
    constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
    for (const LmHead head : {LmHead::tied, LmHead::own}) {
        const LlamaConfig config = learning_config(head);
        Setup setup(be, config, learning_adapters());
        for (const float bad : {nan, infinity}) {
            CAPTURE(bad);
            const auto adapters = [&] { return setup.adapters({}); };
            check_guarded(adapters, setup.c.weights, setup.c.adapters, config, bad);
            check_guarded(adapters, setup.c.adapters, setup.c.adapters, config, bad);
            check_guarded([&] { return setup.weights({}); }, setup.c.weights, setup.c.weights, config, bad);
        }
    }
}

}  // namespace model_llama_training_test
