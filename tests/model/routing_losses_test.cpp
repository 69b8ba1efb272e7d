// The routing losses of a decoder: gradients against central differences, parts against the whole, shares from step to step.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <hydralora/model/routing_losses.hpp>

#include "model_case.hpp"

namespace model_routing_losses_test {

namespace {

using namespace test;

struct Run {
    Double& be;
    ModelCase<Double> c;
    Llama<Double> model;
    Tokens tokens;
    RoutingLosses<Double> losses;
    Llama<Double>::Cache cache;

    explicit Run(Double& backend, Keep keep = Keep::all)
        : be(backend),
          c(be, tiny_config(), tiny_adapters()),
          model(c.adapted()),
          tokens(c.config, 4, 4),
          losses(be, c.adapters) {
        cache.keep = keep;
        Draw draw(4);
        losses.visit_shares([&](std::uint32_t, auto share) {
            double sum = 0;
            for (Index i = 0; i < share.cols; ++i) sum += share(0, i) = draw.unit();
            for (Index i = 0; i < share.cols; ++i) share(0, i) /= sum;
        });
    }

    /// The gradients of a step in parts of `sequences`.
    std::vector<double> step(Index sequences) {
        zero(be, c.adapter_grads);
        double sum = 0;
        losses.begin(0.2, 0.1, tokens.labelled());
        for (Index first = 0; first < tokens.sequences; first += sequences) {
            const auto batch = tokens.slice<Double>(first, sequences);
            Pass<Double> pass;
            pass.rows = {first * tokens.length, tokens.length, tokens.length};
            pass.routing = losses.part(batch.labels);
            model.forward(be, batch, cache, pass);
            model.backward(be, batch, 1.0 / static_cast<double>(tokens.labelled()), cache, host_view(&sum, 1, 1),
                           views(c.adapter_grads));
        }
        return flat(c.adapter_grads);
    }

    /// The loss of the step in plain loops over gates and, softmax being shift-invariant but not the z-loss, logits.
    double loss() {
        double sum = 0;
        const auto batch = tokens.batch<Double>();
        Pass<Double> pass;
        pass.routing = losses.part(batch.labels);
        model.forward(be, batch, cache, pass);
        model.loss(be, batch, cache, host_view(&sum, 1, 1));
        losses.visit_shares([&](std::uint32_t number, auto share) {
            const auto& adapter = cache.adapters[number / target_count][number % target_count];
            for (Index t = 0; t < batch.tokens(); ++t) {
                if (tokens.labels[static_cast<std::size_t>(t)] == ignored_label) continue;
                double exponentials = 0;
                for (Index i = 0; i < 3; ++i) {
                    sum += 0.2 * 3 * share(0, i) * adapter.g.view()(t, i);
                    exponentials += std::exp(adapter.logits.view()(t, i));
                }
                sum += 0.1 * std::log(exponentials) * std::log(exponentials);
            }
        });
        return sum / static_cast<double>(tokens.labelled());
    }
};

TEST_CASE("gradients of the whole decoder with both losses agree with central differences") {
    Double be({.threads = 1});
    Run run(be);
    run.step(4);
    Draw draw(6);
    visit(
        [&](const ParamPath& path, auto& p, auto& g) {
            double largest = 0;
            for (Index i = 0; i < g.size(); ++i) largest = std::max(largest, std::abs(g.view().data[i]));
            for (int n = 0; n < 2; ++n) {
                const Index i = draw.integer(0, g.size() - 1);
                double& x = p.view().data[i];
                const double at = x, h = 1e-5;
                x = at + h;
                const double up = run.loss();
                x = at - h;
                const double down = run.loss();
                x = at;
                const double found = g.view().data[i];
                CHECK_MESSAGE(std::abs((up - down) / (2 * h) - found) <= 1e-6 * std::max(largest, 1e-2), path.name());
            }
        },
        run.c.adapters, run.c.adapter_grads);
}

TEST_CASE("parts of a step, and blocks computed again, have the bits of the whole, in shares too") {
    Double be({.threads = 2, .slab_rows = 4});
    std::vector<std::vector<double>> found;
    for (const auto& [sequences, keep] : {std::pair{4, Keep::all}, {2, Keep::all}, {1, Keep::all}, {2, Keep::inputs}}) {
        Run run(be, keep);
        auto& all = found.emplace_back();
        for (int step = 0; step < 2; ++step) {
            const auto grads = run.step(sequences);
            all.insert(all.end(), grads.begin(), grads.end());
            run.losses.finish(be);
            run.losses.visit_shares([&](std::uint32_t, auto share) {
                double sum = 0;
                for (Index i = 0; i < share.cols; ++i) {
                    all.push_back(share(0, i));
                    sum += share(0, i);
                    const double tokens = share(0, i) * static_cast<double>(run.tokens.labelled());
                    CHECK(std::abs(tokens - std::round(tokens)) < 1e-9);
                }
                CHECK(sum == doctest::Approx(1));
            });
        }
    }
    for (const auto& other : found) CHECK(other == found.front());
}

}  // namespace

}  // namespace model_routing_losses_test
