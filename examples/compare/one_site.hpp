// One adapted linear, the last block's down_proj: all below it is frozen, so its inputs are computed once for every method,
// and a step is the adapter, the last norm and the output head.
//
//   S sequences of L tokens, f feed_forward, d width, V vocabulary
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <hydralora/adapter/hydra_adapter.hpp>
#include <hydralora/adapter/router_probe.hpp>
#include <hydralora/optim/rule.hpp>

#include "task_base.hpp"
#include "trials.hpp"

namespace compare {

/// How an adapter is trained: its kind, and where its gates come from.
struct Method {
    std::string name;
    hydralora::AdapterConfig adapter{};  ///< in and out are filled in; Gate::assigned reads the task
    bool component_start = false;        ///< the router begins at the components that TF-IDF and k-means found
    hydralora::RouterProbeOptions probe{};
    hydralora::LearningRateRatios ratios{};
    double balance = 0;       ///< coefficient of the balance loss
    double b_std = 0;         ///< of the start of B
    double router_scale = 1;  ///< of the start of the router
    double dense_share = 0;   ///< of the steps, before Gate::top_k leaves heads out
    /// Share of the steps in which each sequence goes whole to the head that answers it best; the router is then fitted to
    /// those choices.
    double winner_share = 0;
    std::vector<double> rates{1e-2, 2e-2,
                              4e-2};  ///< learning rates of the sweep; it goes on beyond an edge that is best
};

/// Inputs of the site for the sequences of one seed, and what of them the search for components made.
struct SiteData {
    std::vector<float> x;                  // (S * L, f)
    std::vector<float> rest;               // (S * L, d): residual stream with the frozen projection's output
    std::vector<std::int32_t> labels;      // (S * L)
    std::vector<std::int32_t> tasks;       // (S * L)
    std::vector<std::int32_t> components;  // (S) of training sequences, of the first `labelled_by_components`
    Index training = 0, held_out = 0;      // S = training + held_out
    double component_fit = 0;              // normalised mutual information of components and tasks
};

/// The frozen part around the site.
class Site {
public:
    explicit Site(const std::filesystem::path& base);

    [[nodiscard]] SiteData data(Mix mix, hydralora::Seed seed, Index training_per_task, Index held_out_per_task) const;
    [[nodiscard]] Result train(const Method& method, const SiteData& data, hydralora::Seed seed, double lr,
                               Index steps) const;
    /// The method's adapter with in and out.
    [[nodiscard]] hydralora::AdapterConfig config(const Method& method) const;
    [[nodiscard]] Index parameters(const Method& method) const;

private:
    Backend host_{hydralora::EigenOptions{.threads = 1}};
    hydralora::io::LlamaFiles<Backend> files_;
    hydralora::LlamaWeights<hydralora::StoredView<Backend>> weights_;
};

}  // namespace compare
