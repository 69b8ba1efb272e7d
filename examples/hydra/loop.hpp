// The training loop, over whichever parameters are trained: batches in, parameters changed, progress told, state saved.
#pragma once

#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include <hydralora/model/llama.hpp>
#include <hydralora/model/routing_losses.hpp>
#include <hydralora/optim/clip.hpp>

#include "placement.hpp"
#include "progress.hpp"
#include "recorder.hpp"
#include "run_directory.hpp"
#include "train.hpp"

namespace hydra {

struct LoopResult {
    Outcome outcome = Outcome::done;
    Index steps = 0;                            // made, in all parts of the run
    Index skipped = 0;                          // not made because of a loss or gradient that was not finite
    double seconds = 0, tokens_per_second = 0;  // of the steps, in all parts of the run
};

/// Trains `params` (what `model` reads) until options.steps. All there is to save is the parameters, the optimiser's moments
/// and counts: the data and every mask follow from seed and step. `changed` is called after each change of the parameters.
template <hydralora::Backend B, class Set>
class Loop {
public:
    using Model = hydralora::Llama<B>;

    Loop(
        B& be, const Model& model, Set& params, const std::vector<Domain>& domains, const LoopOptions& options,
        RunDirectory& run, const Surroundings& surroundings, std::function<void()> changed = [] {})
        : be_(be),
          model_(model),
          params_(params),
          grads_(hydralora::map_params<hydralora::ParamBuffer<B>>(
              params,
              [&](const hydralora::ParamPath&, const auto& p) { return hydralora::ParamBuffer<B>(be, p.shape()); })),
          state_(options.adamw.init(be, params)),
          options_(options),
          run_(run),
          surroundings_(surroundings),
          changed_(std::move(changed)),
          order_(domains, options.mix, hydralora::Seed{options.seed}),
          grad_views_(hydralora::views(grads_)),
          loss_sum_(be, 1, 1),
          recorder_(be) {
        if constexpr (whole_model) {
            if (model.config().lm_head == hydralora::LmHead::tied) {  // see fold_tied_head
                head_gradient_ = {be, hydralora::Shape{model.config().vocabulary, model.config().width}};
                grad_views_.lm_head = head_gradient_.view();
            }
        }
        if constexpr (!whole_model)
            if (options_.routing.balance > 0 || options_.routing.z > 0) routing_.emplace(be, params);
        options_.steps = steps_of(options_, order_.epoch());
        schedule_ = {options_.schedule, options_.steps, options_.warm_up, options_.final_ratio};
        cache_.keep = options.keep;
        schedule_.validate();
        // The first step of a warm-up has learning rate 0: at least one step must be left to learn in.
        schedule_.warm_up = static_cast<double>(std::min(schedule_.warm_up_steps(), options_.steps - 1));
    }

    [[nodiscard]] Index first_step() const { return step_; }

    /// Whether run() calls evaluate after so many steps.
    [[nodiscard]] bool evaluates_at(Index step) const {
        return options_.evaluate_every > 0 && step > 0 && step < options_.steps && step % options_.evaluate_every == 0;
    }

    /// Continues where the newest complete checkpoint stopped, if there is one.
    void resume(const hydralora::io::OnProblem& on_problem) {
        const auto place = hydralora::io::find_checkpoint(run_.checkpoints(), on_problem);
        if (!place) return;
        const auto checkpoint = hydralora::io::load_checkpoint(*place);
        visit_state([&](const std::string& name, auto view) {
            using T = typename decltype(view)::value_type;
            std::vector<T> values(static_cast<std::size_t>(view.size()));
            const auto read = hydralora::host_view(values.data(), view.rows, view.cols);
            checkpoint.tensors.read_as(name, read);
            be_.upload(read, view);
        });
        const std::string file = place->directory.string() + "/state.json";
        const hydralora::io::JsonView state(checkpoint.state, file);
        step_ = checkpoint.step;
        state_.steps = state["optimiser_steps"].integer(0, checkpoint.step);
        guard_.skipped = state["skipped"].integer(0, checkpoint.step);
        guard_.in_a_row = state["skipped_in_a_row"].integer(0, checkpoint.step);
        changed_();
    }

    /// evaluate(step) is called every evaluate_every steps but the last. What a step keeps for its way back is given back before,
    /// and at the end, so that an evaluation has that memory; with options.graph it is kept, see release_cache.
    template <class Evaluate>
    LoopResult run(Evaluate&& evaluate) {
        const auto before = run_.open_metrics(step_);
        LoopResult result;
        result.seconds = before.seconds;
        Index tokens = 0;
        {
            Progress progress(step_, options_.steps);
            while (step_ < options_.steps && result.outcome == Outcome::done) {
                const auto begin = Clock::now();
                const Step made = make_step();
                ++step_;
                tokens += made.tokens;
                const double seconds = seconds_since(begin);
                result.seconds += seconds;
                write_metrics(made, seconds);
                if (!made.finite)
                    progress.say(
                        hydralora::concat("step ", step_, " skipped: loss ", made.loss, ", gradient norm ", made.norm));
                progress.step(step_, made.loss, tokens);
                if (guard_.exhausted()) result.outcome = Outcome::diverged;
                if (surroundings_.stop()) result.outcome = Outcome::interrupted;
                const bool last = step_ == options_.steps || result.outcome != Outcome::done;
                if (last || (options_.save_every > 0 && step_ % options_.save_every == 0))
                    save([&](const std::string& m) { progress.say(m); });
                if (!last && evaluates_at(step_)) {
                    release_cache();
                    evaluate(step_);
                }
            }
        }
        release_cache();
        result.steps = step_;
        result.skipped = guard_.skipped;
        result.tokens_per_second =
            result.seconds > 0 ? static_cast<double>(before.tokens + tokens) / result.seconds : 0;
        return result;
    }

private:
    static constexpr bool whole_model = std::is_same_v<Set, WeightBuffers<B>>;
    using Clock = std::chrono::steady_clock;
    static double seconds_since(Clock::time_point begin) {
        return std::chrono::duration<double>(Clock::now() - begin).count();
    }

    /// Gives back what a step keeps for its way back; not with options.graph, for a recorded step has its addresses.
    void release_cache() {
        if (options_.graph) return;
        cache_ = {};
        cache_.keep = options_.keep;
    }

    struct Step {
        double loss, norm, lr;
        Index tokens, labelled;  // without padding
        bool finite;
    };

    /// Tokens of a part of a step, where they are computed.
    struct Part {
        PaddedBatch batch;
        PlacedTokens<B> memory;
        hydralora::TokenBatch<B> tokens;
        hydralora::RowNumbers rows;
    };

    Step make_step() {
        using namespace hydralora;
        const auto examples = order_.batch(step_, options_.batch);
        Step step{};
        for (const Example* example : examples) step.labelled += example->labelled;
        const Index most_tokens = options_.batch * options_.sequence_length / options_.accumulation;
        const auto cuts = cut_batch(examples, most_tokens, be_.slab_rows());
        if (parts_.size() < cuts.size()) parts_.resize(cuts.size());
        Index first = 0;
        bool known = true;  // parts of these shapes were computed before, so that all memory is there
        for (std::size_t i = 0; i < cuts.size(); ++i) {
            Part& part = parts_[i];
            part.batch.assign(examples.data() + first, cuts[i], be_.slab_rows());
            part.tokens = part.memory.place(be_, part.batch);
            part.rows = {first * options_.sequence_length, part.batch.length, options_.sequence_length};
            step.tokens += part.batch.tokens;
            first += cuts[i];
            known &= !shapes_.insert({part.batch.sequences, part.batch.length, part.batch.starts.empty()}).second;
        }
        const auto compute = [&] { compute_step(cuts.size(), step); };
        if (options_.graph && known)
            recorder_.run(compute);
        else
            compute();
        step.loss = OnHost<B, double>(be_, std::as_const(loss_sum_).view()).view()(0, 0) /
                    static_cast<double>(std::max(Index{1}, step.labelled));
        step.norm = norm_.read(be_);
        step.finite = guard_.finite(step.loss, step.norm);
        if (!step.finite) --state_.steps;  // asked for, but not made
        return step;
    }

    /// All of a step that is the backend's work, from the tokens to the changed parameters, with nothing that waits for it.
    /// Where loss or gradient is not finite, nothing is changed.
    void compute_step(std::size_t parts, Step& step) {
        using namespace hydralora;
        visit([&](const ParamPath&, auto& g) { be_.fill(g.view(), 0.0f); }, grads_);
        be_.fill(loss_sum_.view(), surroundings_.first_loss(step_));
        const RoutingPolicy& policy = options_.routing;
        const double factor = policy.factor(step_, options_.steps);
        if (routing_) routing_->begin(policy.balance * factor, policy.z * factor, step.labelled);
        for (std::size_t i = 0; i < parts; ++i) {
            const Part& part = parts_[i];
            Pass<B> pass;
            pass.random = {Seed{options_.seed}, 0, static_cast<std::uint32_t>(step_)};
            pass.rows = part.rows;
            pass.dense = step_ < policy.top_k_after;
            if (routing_) pass.routing = routing_->part(part.tokens.labels);
            model_.forward(be_, part.tokens, cache_, pass);
            model_.backward(be_, part.tokens, 1.0 / static_cast<double>(std::max(Index{1}, step.labelled)), cache_,
                            loss_sum_.view(), grad_views_);
        }
        if (routing_) routing_->finish(be_);
        if constexpr (whole_model)
            if (!head_gradient_.empty()) fold_tied_head(be_, grad_views_);
        const ClipByGlobalNorm clip{options_.clip > 0 ? options_.clip : std::numeric_limits<double>::infinity()};
        const StepScale<B> scale{schedule_.factor(step_),
                                 clip.factor(be_, grads_, norm_, std::as_const(loss_sum_).view())};
        step.lr = options_.adamw.lr * scale.lr;
        options_.adamw.step(be_, params_, grads_, state_, scale);
        changed_();
    }

    void write_metrics(const Step& s, double seconds) {
        run_.write_metrics(hydralora::io::Json::object({{"step", step_ - 1},
                                                        {"loss", finite_or_null(s.loss)},
                                                        {"grad_norm", finite_or_null(s.norm)},
                                                        {"lr", s.lr},
                                                        {"tokens", s.tokens},
                                                        {"labelled", s.labelled},
                                                        {"seconds", seconds},
                                                        {"skipped", !s.finite}}));
    }

    /// f(name, view) for everything that training changes.
    template <class F>
    void visit_state(F&& f) {
        hydralora::visit(
            [&](const hydralora::ParamPath& path, auto& p, auto& m, auto& v) {
                const std::string name = path.name();
                f(name, p.view());
                f("adamw.m." + name, m.view());
                f("adamw.v." + name, v.view());
            },
            params_, state_.m, state_.v);
        if (routing_)
            routing_->visit_shares(
                [&](std::uint32_t adapter, auto share) { f("routing.share." + std::to_string(adapter), share); });
    }

    void save(const hydralora::io::OnProblem& on_problem) {
        std::vector<hydralora::io::NamedTensor> tensors;
        std::vector<OnHost<B, float>> memory;
        visit_state([&](const std::string& name, auto view) {
            tensors.push_back(hydralora::io::named_tensor(name, memory.emplace_back(be_, view).view()));
        });
        const auto state = hydralora::io::Json::object(
            {{"optimiser_steps", state_.steps}, {"skipped", guard_.skipped}, {"skipped_in_a_row", guard_.in_a_row}});
        hydralora::io::save_checkpoint(run_.checkpoints(), step_, tensors, state,
                                       {.keep = 2, .on_problem = on_problem});
    }

    B& be_;
    const Model& model_;
    Set& params_;
    Set grads_;
    decltype(std::declval<hydralora::AdamW>().init(std::declval<B&>(), std::declval<Set&>())) state_;
    LoopOptions options_;
    RunDirectory& run_;
    const Surroundings& surroundings_;
    std::function<void()> changed_;
    ExampleOrder order_;
    decltype(hydralora::views(std::declval<Set&>())) grad_views_;
    hydralora::ParamBuffer<B> head_gradient_;
    hydralora::Schedule schedule_;
    std::optional<hydralora::RoutingLosses<B>> routing_;  // where there is a balance or z-loss
    hydralora::GradientNorm<B> norm_;
    hydralora::StepGuard guard_;
    typename Model::Cache cache_;
    hydralora::Buffer<B, double> loss_sum_;  // (1, 1)
    std::vector<Part> parts_;
    std::set<std::tuple<Index, Index, bool>> shapes_;  // of parts computed so far
    Recorder<B> recorder_;
    Index step_ = 0;
};

}  // namespace hydra
