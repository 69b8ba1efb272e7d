// Gradients of the whole decoder against central differences in double.
#include <doctest/doctest.h>

#include <sstream>

#include "model_case.hpp"

namespace model_llama_gradient_test {

namespace {

using namespace test;

/// The loss as a function of the parameters, with dropout's masks fixed, and its gradient, compared element by element.
class Comparison {
public:
    Comparison(ModelCase<Double>& c, const Llama<Double>& model) : case_(c), model_(model), tokens_(c.config, 3, 5) {
        pass_.random = {Seed{9}, 1, 3};
        pass_.rows.first = 40;
    }

    /// Largest |numeric - analytic| / max(|analytic|, a thousandth of the largest in its tensor), of `samples` elements
    /// a tensor.
    template <class Params, class Grads>
    double worst(Params params, Grads grads, int samples) {
        const double scale = 1.0 / static_cast<double>(tokens_.labelled());
        const double forward = loss();
        double sum = 0;
        model_.backward(case_.be, tokens_.batch<Double>(), scale, cache_, host_view(&sum, 1, 1), grads);
        CHECK(sum == forward);
        double most = 0;
        Draw draw(11);
        visit(
            [&](const ParamPath& path, auto& p, auto& g) {
                double largest = 0;
                for (Index i = 0; i < g.size(); ++i) largest = std::max(largest, std::abs(g.data[i]));
                CHECK_MESSAGE(largest > 1e-6, path.name());  // else the comparison says nothing
                for (int n = 0; n < samples; ++n) {
                    const Index i = draw.integer(0, g.size() - 1);
                    double numeric = 0;
                    if (!derivative(p.data[i], numeric)) continue;
                    const double error = std::abs(scale * numeric - g.data[i]);
                    const double relative = error / std::max(std::abs(g.data[i]), 1e-3 * largest);
                    CHECK_MESSAGE(relative <= 1e-5, path.name(), " element ", i, ": ", scale * numeric, " and ",
                                  g.data[i]);
                    most = std::max(most, relative);
                    ++compared;
                }
            },
            params, grads);
        return most;
    }

    int compared = 0, crossings = 0;

private:
    double loss() {
        double sum = 0;
        model_.forward(case_.be, tokens_.batch<Double>(), cache_, pass_);
        model_.loss(case_.be, tokens_.batch<Double>(), cache_, host_view(&sum, 1, 1));
        return sum;
    }

    /// Which heads have a gate: top_k has no derivative where this changes.
    std::vector<bool> used() const {
        std::vector<bool> all;
        for (const auto& block : cache_.adapters)
            for (const auto& adapter : block)
                for (Index i = 0; i < adapter.g.size(); ++i) all.push_back(adapter.g.view().data[i] != 0);
        return all;
    }

    /// Central difference of fourth order.
    bool derivative(double& x, double& result) {
        constexpr double h = 2e-4;
        const double at = x;
        double values[4];
        std::vector<bool> heads;
        bool smooth = true;
        for (const int i : {0, 1, 2, 3}) {
            x = at + h * (i < 2 ? i - 2 : i - 1);
            values[i] = loss();
            if (i == 0) heads = used();
            smooth = smooth && heads == used();
        }
        x = at;
        result = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h);
        if (!smooth) ++crossings;
        return smooth;
    }

    ModelCase<Double>& case_;
    const Llama<Double>& model_;
    Tokens tokens_;
    Llama<Double>::Cache cache_;
    Pass<Double> pass_;
};

void check_adapters(const LlamaConfig& config, const LlamaAdapterConfig& adapters, int samples = 3) {
    Double be({.threads = 1, .slab_rows = 4});
    ModelCase<Double> c(be, config, adapters);
    const auto model = c.adapted();
    Comparison comparison(c, model);
    CHECK(comparison.worst(views(c.adapters), views(c.adapter_grads), samples) <= 1e-5);
    CHECK(comparison.compared > 10 * comparison.crossings);
    const auto tensors = adapters.targets.size() * (adapters.adapter.routed() ? 3 : 2);
    CHECK(comparison.compared + comparison.crossings == static_cast<int>(tensors) * 2 * samples);
}

void check_weights(const LlamaConfig& config, int samples) {
    Double be({.threads = 1, .slab_rows = 4});
    ModelCase<Double> c(be, config, {});
    const auto model = c.base();
    Comparison comparison(c, model);
    CHECK(comparison.worst(views(c.weights), views(c.weight_grads), samples) <= 1e-5);
    const int norms = config.block_norms == BlockNorms::around ? 2 * 4 : 0;  // of heads and behind, in both layers
    CHECK(comparison.compared == (config.lm_head == LmHead::own ? 21 : 20) * samples + norms * samples);
}

LlamaConfig with_llama3(LlamaConfig c) {
    c.rope_scaling = {.kind = RopeScaling::Kind::llama3, .original_max_positions = 16};
    c.rope_theta = 500;
    return c;
}

}  // namespace

TEST_CASE("gradients of adapters on all targets: tied and own head, GQA ratios 1, 2 and 4, llama3 scaling") {
    for (const Index kv_heads : {4, 2, 1})
        for (const LmHead head : {LmHead::tied, LmHead::own}) {
            LlamaConfig config = tiny_config();
            config.kv_heads = kv_heads;
            config.lm_head = head;
            CAPTURE(kv_heads);
            check_adapters(config, tiny_adapters());
            if (kv_heads == 2) check_adapters(with_llama3(config), tiny_adapters());
        }
}

TEST_CASE("gradients of adapters and of all weights: Gemma 3's kind, sequences longer than its window") {
    for (const LmHead head : {LmHead::tied, LmHead::own}) {
        LlamaConfig config = gemma_kind(tiny_config());
        config.lm_head = head;
        check_adapters(config, tiny_adapters());
        check_weights(config, 6);
    }
}

TEST_CASE("gradients of adapters on some targets, chosen by name") {
    for (const auto& names : {std::vector<const char*>{"q_proj", "v_proj"},
                              {"gate_proj", "up_proj", "down_proj"},
                              {"o_proj"},
                              {"k_proj", "down_proj"}}) {
        LlamaAdapterConfig adapters = tiny_adapters();
        adapters.targets.clear();
        for (const char* name : names) adapters.targets.push_back(parse_target(name));
        check_adapters(tiny_config(), adapters, 6);
    }
}

TEST_CASE("gradients of every member of the family, with and without dropout") {
    struct Member {
        Sharing sharing;
        Gate gate;
        Index heads;
    };
    for (const Member m : {Member{Sharing::shared_a, Gate::softmax, 3}, Member{Sharing::shared_a, Gate::none, 1},
                           Member{Sharing::own_a, Gate::softmax, 3}, Member{Sharing::shared_a, Gate::uniform, 3},
                           Member{Sharing::own_a, Gate::top_k, 3}, Member{Sharing::shared_a, Gate::top_k, 3}})
        for (const double dropout : {0.0, 0.3})
            for (const MaskSharing masks : {MaskSharing::shared, MaskSharing::per_head}) {
                if (dropout == 0 && masks == MaskSharing::per_head) continue;
                LlamaAdapterConfig adapters = tiny_adapters();
                adapters.adapter.sharing = m.sharing;
                adapters.adapter.gate = m.gate;
                adapters.adapter.heads = m.heads;
                adapters.adapter.top_k = 2;
                adapters.adapter.dropout = dropout;
                adapters.adapter.dropout_mask = masks;
                CAPTURE(static_cast<int>(m.sharing));
                CAPTURE(static_cast<int>(m.gate));
                CAPTURE(dropout);
                CAPTURE(static_cast<int>(masks));
                check_adapters(tiny_config(), adapters, 2);
            }
}

TEST_CASE("gradients of all weights: tied and own head, GQA ratios, llama3 scaling") {
    for (const LmHead head : {LmHead::tied, LmHead::own}) {
        LlamaConfig config = tiny_config();
        config.lm_head = head;
        check_weights(config, 8);
        config.kv_heads = head == LmHead::tied ? 1 : 4;
        check_weights(with_llama3(config), 4);
    }
}

}  // namespace model_llama_gradient_test
