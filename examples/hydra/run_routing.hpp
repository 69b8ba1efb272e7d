// The routing of a run, measured as it goes: routing.jsonl, a line a measurement, and routing.json at the end.
#pragma once

#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "measure_routing.hpp"
#include "run_directory.hpp"

namespace hydra {

/// The lines of routing.jsonl by their steps.
class RoutingLines {
public:
    /// Takes the lines that are there, up to one that is none.
    explicit RoutingLines(std::filesystem::path file);

    [[nodiscard]] bool has(Index step) const { return lines_.contains(step); }
    /// Leaves out what was measured after `step`: it is measured again.
    void end_at(Index step) { lines_.erase(lines_.upper_bound(step), lines_.end()); }
    void write(Index step, const hydralora::io::Json& line);

private:
    std::filesystem::path file_;
    std::map<Index, std::string> lines_;
};

/// Does nothing for adapters without a router.
template <hydralora::Backend B>
class RunRouting {
public:
    /// `adapters` as training begins with them. All that is given here is kept by reference.
    RunRouting(B& be, const hydralora::LlamaConfig& model, const TrainOptions& options,
               const AdapterBuffers<B>& adapters, const std::vector<Domain>& domains, const RunDirectory& run)
        : be_(be), adapters_(adapters), options_(options), run_(run), lines_(run.at("routing.jsonl")) {
        if (!options.adapter.adapter.routed()) return;
        measure_.emplace(model, options.adapter, domains);
        start_ = copy_routers(be, adapters);
    }

    /// Whether a measurement after so many steps is asked for and not there.
    [[nodiscard]] bool lacks(Index step) const { return measure_ && !lines_.has(step); }
    void resume_at(Index step) { lines_.end_at(step); }

    /// What the next pass gives its gates to; null without a router.
    [[nodiscard]] RoutingMeasure* begin() {
        if (!measure_) return nullptr;
        measure_->clear();
        return &*measure_;
    }
    /// After that pass.
    void end(Index step) {
        if (!measure_) return;
        last_ = measure_->measured();
        if (!measure_->problem().empty())
            std::fprintf(stderr, "after step %lld the routing cannot be measured: %s\n", static_cast<long long>(step),
                         measure_->problem().c_str());
        if (!last_) return;
        if (options_.components.router == hydralora::RouterInit::components) last_->remedy.start = {};
        if (options_.loop.adamw.ratios.router <= 0.2) last_->remedy.rate = {};
        measure_parameters(be_, adapters_, start_, *last_);
        lines_.write(step, routing_line(step, *last_));
    }

    /// Writes routing.json of the last measurement, and tells it.
    void report() const {
        if (!last_) return;
        run_.write_json("routing.json", to_json(*last_));
        std::printf("%sRouting of each linear: %s\n", routing_text(*last_).c_str(), run_.at("routing.json").c_str());
    }

private:
    B& be_;
    const AdapterBuffers<B>& adapters_;
    const TrainOptions& options_;
    const RunDirectory& run_;
    RoutingLines lines_;
    std::optional<RoutingMeasure> measure_;
    std::vector<hydralora::DoubleMatrix> start_;  // the routers
    std::optional<RoutingMeasurement> last_;
};

}  // namespace hydra
