// The commands that train, on whichever backend computes.
#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <hydralora/io/adapter_files.hpp>

#include "evaluate.hpp"
#include "label_components.hpp"
#include "loop.hpp"
#include "memory_plan.hpp"
#include "plan.hpp"
#include "router_start.hpp"
#include "run_routing.hpp"
#include "session.hpp"
#include "train.hpp"

namespace hydra {

/// What a run is of, so that it is not resumed with something else under the same name.
[[nodiscard]] hydralora::io::Json with_checksums(hydralora::io::Json options, const LoopOptions& loop,
                                                 const std::string& base_checksum);

/// The domains of a run; says what was read. labels: see DataOptions.
[[nodiscard]] std::vector<Domain> read_data(const LoopOptions& options, Prompts prompts, const Speech& speech,
                                            FieldLabels* labels = nullptr);

/// How many heads have gates worth reporting.
[[nodiscard]] Index gated_heads(const TrainOptions& options);

/// Prints a line of every scored domain, for evaluations on the way.
void say_scores(Index step, const std::vector<DomainScore>& scores);

/// What report.json and the terminal say in the end.
struct Ending {
    const LoopResult& result;
    Index trainable, all;
    std::vector<DomainScore> before, after;
    std::vector<Sample> samples_before, samples_after;
};
void report(const RunDirectory& run, const Ending& ending);

/// Whether the run is over before its end; says so.
[[nodiscard]] bool stopped_early(const LoopResult& result, const RunDirectory& run);

/// Prints a line.
void tell(const std::string& message);

/// `be` of slab_rows, options that were checked.
template <hydralora::Backend B>
Outcome pretrain_with(B& be, const PretrainOptions& options, const Surroundings& surroundings) {
    const LoopOptions& loop = options.loop;
    const Vocabulary vocabulary;
    const Speech speech{vocabulary, hydralora::text::ChatFormat::hydralora};
    const auto domains = read_data(loop, Prompts::trained, speech);
    RunDirectory run(loop.out, loop.resume, surroundings.command, with_checksums(to_json(options), loop, {}),
                     loop.threads);
    auto weights = hydralora::make_buffers(be, hydralora::weight_shapes(options.model));
    hydralora::initialise(be, weights, options.model, hydralora::Seed{loop.seed});
    const hydralora::Llama<B> model(be, options.model, hydralora::views(std::as_const(weights)));

    Loop<B, WeightBuffers<B>> training(be, model, weights, domains, loop, run, surroundings);
    if (loop.resume) training.resume(tell);
    const auto score = [&] { return evaluate(be, model, 0, domains, speech, loop.evaluation); };
    const LoopResult result = training.run([&](Index step) { say_scores(step, score()); });
    if (stopped_early(result, run)) return result.outcome;
    save_base(run.at("model"), options.model, views_of(set_on_host(be, weights)));
    const Index count = hydralora::parameter_count(weights);
    report(run, {result, count, count, {}, score(), {}, sample_domains(be, model, domains, speech)});
    std::printf("Model: %s\n", run.at("model").c_str());
    return Outcome::done;
}

namespace train_detail {

/// What a run of `train` knows before anything is trained.
struct Setting {
    const TrainOptions& options;
    const Surroundings& surroundings;
    const BaseModel& base;
    const Speech& speech;
    const std::vector<Domain>& domains;
    RunDirectory& run;
    Index components = 0;                             // that the examples have; 0: not labelled
    std::optional<hydralora::PanelStorage> panels{};  // of the adapted matrices, on the processor
};

template <hydralora::Backend B>
Outcome train_whole(B& be, const Setting& s) {
    const LoopOptions& loop = s.options.loop;
    auto weights = hydralora::io::trainable_weights(be, s.base.files);
    const hydralora::Llama<B> model(be, s.base.config, hydralora::views(std::as_const(weights)));
    const auto score = [&] { return evaluate(be, model, 0, s.domains, s.speech, loop.evaluation); };
    auto before = score();
    auto samples = sample_domains(be, model, s.domains, s.speech);
    Loop<B, WeightBuffers<B>> training(be, model, weights, s.domains, loop, s.run, s.surroundings);
    if (loop.resume) training.resume(tell);
    const LoopResult result = training.run([&](Index step) { say_scores(step, score()); });
    if (stopped_early(result, s.run)) return result.outcome;
    const ModelChat said = model_chat(s.base.vocabulary, s.options.chat);
    save_trained_base(s.run.at("model"), s.base, views_of(set_on_host(be, weights)), said);
    const Index count = hydralora::parameter_count(weights);
    report(s.run, {result, count, count, std::move(before), score(), std::move(samples),
                   sample_domains(be, model, s.domains, s.speech)});
    std::printf("%sModel: %s\n", said.note.c_str(), s.run.at("model").c_str());
    return Outcome::done;
}

template <hydralora::Backend B>
Outcome train_adapters(B& be, const Setting& s) {
    using namespace hydralora;
    const LoopOptions& loop = s.options.loop;
    PlacedWeights<B> weights(be, s.base, &s.options.adapter, s.panels);
    const Llama<B> bare(be, s.base.config, weights.views());
    auto adapters = make_buffers(be, adapter_shapes(s.base.config, s.options.adapter));
    initialise(be, adapters, s.base.config, s.options.adapter, Seed{loop.seed}, s.options.components.start);
    if (s.options.components.router == RouterInit::components) try {
            start_routers(be, bare, s.options.adapter, adapters, s.domains, s.components, s.options);
        } catch (...) {
            s.run.withdraw();
            throw;
        }
    const Llama<B> model = weights.adapted(be, s.base, s.options.adapter, views(std::as_const(adapters)));
    RunRouting<B> routing(be, s.base.config, s.options, adapters, s.domains, s.run);
    const auto score = [&](Index step) {
        auto scores =
            evaluate(be, model, gated_heads(s.options), s.domains, s.speech, loop.evaluation, routing.begin());
        routing.end(step);
        return scores;
    };
    auto before = evaluate(be, bare, 0, s.domains, s.speech, loop.evaluation);
    auto samples = sample_domains(be, bare, s.domains, s.speech);
    if (routing.lacks(0)) {
        read_gates(be, model, s.domains, loop.evaluation, *routing.begin());
        routing.end(0);
    }

    Loop<B, AdapterBuffers<B>> training(be, model, adapters, s.domains, loop, s.run, s.surroundings,
                                        [&] { weights.refresh(be, adapters); });
    auto file = file_config(s.options.adapter, s.base);
    file.chat_format = s.options.chat;
    const auto existing = loop.resume ? io::Existing::replace : io::Existing::refuse;
    if (s.options.save_start) io::save_adapter(s.run.at("start"), file, set_on_host(be, adapters), existing);
    if (loop.resume) training.resume(tell);
    const Index first = training.first_step();
    routing.resume_at(first);
    // A run that stops where it should evaluate stops before it does.
    if (training.evaluates_at(first) && routing.lacks(first)) say_scores(first, score(first));
    const LoopResult result = training.run([&](Index step) { say_scores(step, score(step)); });
    if (stopped_early(result, s.run)) return result.outcome;
    io::save_adapter(s.run.at("adapter"), file, set_on_host(be, adapters), existing);
    report(s.run, {result, parameter_count(adapters), parameter_count(s.base.files.views), std::move(before),
                   score(result.steps), std::move(samples), sample_domains(be, model, s.domains, s.speech)});
    routing.report();
    std::printf("Adapter: %s\n", s.run.at("adapter").c_str());
    return Outcome::done;
}

}  // namespace train_detail

/// `be` of slab_rows, options that were checked.
template <hydralora::Backend B>
Outcome train_with(B& be, const TrainOptions& given, const Surroundings& surroundings) {
    using namespace hydralora;
    HostBackend host(EigenOptions{.threads = 1});
    TrainOptions asked = given;
    asked.weights = weights_of(given.base, given.weights, given.quantise);
    BaseModel base = load_base(host, given.base, given.loop.sequence_length + slab_rows);
    check_base_length(given.loop.sequence_length, base.files.config);
    if (given.method == Method::adapter)
        static_cast<void>(adapter_shapes(base.config, given.adapter));  // refuses what cannot be
    quantise_base(host_of(be, host), base, given.quantise);
    const Speech speech = speech_of(base.vocabulary, given.chat);
    const LabelledData data = read_labelled_data(asked, speech);
    const TrainOptions& options = data.options;
    const LoopOptions& loop = options.loop;
    const auto& domains = data.domains;
    BaseBytes bytes{static_cast<Index>(base.files.bytes())};  // read, and so in memory, by now
    if (!base.files.is_gguf())
        bytes.quantised = quantised_bytes(base.files.directory(), base.config.lm_head, base.quantise);
    const Index held = bytes.files - bytes.quantised.before + bytes.quantised.after;
    const auto panels = adapted_panels(base, options.adapter, *options.weights);
    bytes.codes = codes_of(base, options.adapter, *options.weights);
    const MemoryPlan plan =
        memory_plan(base.config, bytes, panels, std::max(Index{0}, resident_memory() - held), options);
    if (options.dry_run) {
        std::printf("%s", dry_run_text(options, base, domains, plan).c_str());
        return Outcome::done;
    }
    const auto warning = memory_warning(plan, options);
    if (!warning.empty()) std::fprintf(stderr, "Warning: %s.\n", warning.c_str());
    if (loop.place.device == Device::cpu && options.method == Method::adapter)
        if (const auto note = rounding_note(base, options.adapter, *options.weights); !note.empty()) tell(note);
    RunDirectory run(loop.out, loop.resume, surroundings.command, with_checksums(to_json(options), loop, base.checksum),
                     loop.threads);
    if (data.components > 0) run.write_json("components.json", data.record);
    const train_detail::Setting setting{options, surroundings, base, speech, domains, run, data.components, panels};
    return options.method == Method::full ? train_detail::train_whole(be, setting)
                                          : train_detail::train_adapters(be, setting);
}

}  // namespace hydra
