#include "train.hpp"

#include <cstdio>
#include <optional>

#include <hydralora/io/adapter_files.hpp>

#include "base_model.hpp"
#include "loop.hpp"
#include "memory_plan.hpp"
#include "plan.hpp"
#include "session.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;
using io::Json;

namespace {

/// What a run is of, so that it is not resumed with something else under the same name.
Json with_checksums(Json options, const LoopOptions& loop, const std::string& base_checksum) {
    Json sums = Json::array();
    for (const auto& path : loop.data) sums.push(io::checksum_text(io::xxh64(io::MappedFile::open(path).bytes())));
    options.set("data_checksums", sums);
    return base_checksum.empty() ? options : options.set("base_checksum", base_checksum);
}

std::vector<Domain> read_data(const LoopOptions& o, Prompts prompts, const Speech& speech) {
    auto domains = read_domains(o.data,
                                {.sequence_length = o.sequence_length,
                                 .held_out = o.held_out,
                                 .seed = Seed{o.seed},
                                 .prompts = prompts,
                                 .packing = o.packing,
                                 .chat = speech.format},
                                speech.vocabulary);
    for (const Domain& d : domains) {
        std::string notes;
        if (d.truncated > 0) notes += concat(", ", d.truncated, " cut to ", o.sequence_length, " tokens");
        if (d.skipped > 0)
            notes += concat(", ", d.skipped, " left out: no answer, or a prompt that alone fills the --length of ",
                            o.sequence_length, " tokens");
        if (d.packed > 0) notes += concat(", ", d.packed, " packed into ", d.train.size(), " sequences");
        std::fprintf(stderr, "%s: %s to predict, %s to train on, %zu held out%s\n", d.name.c_str(),
                     counted(d.bytes, "byte").c_str(),
                     counted(d.packed > 0 ? d.packed : static_cast<Index>(d.train.size()), "example").c_str(),
                     d.held_out.size(), notes.c_str());
        if (d.held_out.empty() && o.held_out > 0)
            std::fprintf(stderr, "%s: not scored, for it has too few different examples to hold any out\n",
                         d.name.c_str());
    }
    return domains;
}

/// How many heads have gates worth reporting.
Index gated_heads(const TrainOptions& o) {
    return o.method == Method::adapter && o.adapter.adapter.routed() ? o.adapter.adapter.heads : 0;
}

/// Prints a line of every scored domain, for evaluations on the way.
void say_scores(Index step, const std::vector<DomainScore>& scores) {
    std::string line = concat("after step ", step, ", held-out bits per byte:");
    for (const DomainScore& s : scores) line += "  " + s.name + " " + fixed(s.bits_per_byte, 3);
    std::fprintf(stderr, "%s\n", line.c_str());
}

/// What report.json and the terminal say in the end.
struct Ending {
    const LoopResult& result;
    Index trainable, all;
    std::vector<DomainScore> before, after;
    std::vector<Sample> samples_before, samples_after;
};

void report(const RunDirectory& run, const Ending& e) {
    Json samples = Json::array();
    for (std::size_t i = 0; i < e.samples_after.size(); ++i) {
        const Sample& after = e.samples_after[i];
        const Json before = i < e.samples_before.size() ? Json(e.samples_before[i].generated) : Json();
        samples.push(Json::object({{"domain", after.domain},
                                   {"prompt", after.prompt},
                                   {"expected", after.expected},
                                   {"before", before},
                                   {"after", after.generated}}));
    }
    const double percent = 100.0 * static_cast<double>(e.trainable) / static_cast<double>(e.all);
    run.write_json("report.json", Json::object({{"steps", e.result.steps},
                                                {"skipped", e.result.skipped},
                                                {"seconds", e.result.seconds},
                                                {"tokens_per_second", e.result.tokens_per_second},
                                                {"peak_memory_bytes", Index{peak_memory()}},
                                                {"trainable_parameters", e.trainable},
                                                {"trainable_percent", percent},
                                                {"before", to_json(e.before)},
                                                {"after", to_json(e.after)},
                                                {"samples", samples}}));
    if (!e.before.empty()) std::printf("\nHeld out, before training\n%s", score_table(e.before).c_str());
    if (!e.after.empty())
        std::printf("\nHeld out, after %lld steps\n%s", static_cast<long long>(e.result.steps),
                    score_table(e.after).c_str());
    std::printf("\n%s trainable parameters (%s %% of the model), %s tokens/s, peak memory %s MiB",
                grouped(e.trainable).c_str(), fixed(percent, 2).c_str(),
                grouped(static_cast<long long>(e.result.tokens_per_second)).c_str(),
                grouped(peak_memory() >> 20).c_str());
    if (e.result.skipped > 0) std::printf(", %lld steps skipped", static_cast<long long>(e.result.skipped));
    std::printf("\nMetrics of every step: %s\nReport: %s\n", run.at("metrics.jsonl").c_str(),
                run.at("report.json").c_str());
}

/// Whether the run is over before its end; says so.
bool stopped_early(const LoopResult& result, const RunDirectory& run) {
    if (result.outcome == Outcome::interrupted)
        std::fprintf(stderr, "Interrupted after step %lld. Saved in %s; the same command with --resume continues.\n",
                     static_cast<long long>(result.steps), run.checkpoints().c_str());
    if (result.outcome == Outcome::diverged)
        std::fprintf(stderr,
                     "Stopped after step %lld: ten losses or gradients in a row were not finite, and none of them "
                     "touched the weights. The last good "
                     "ones are saved in %s. A lower --lr or --clip usually helps.\n",
                     static_cast<long long>(result.steps), run.checkpoints().c_str());
    return result.outcome != Outcome::done;
}

void tell(const std::string& message) { std::fprintf(stderr, "%s\n", message.c_str()); }

}  // namespace

Outcome pretrain(const PretrainOptions& options, const Surroundings& surroundings) {
    const LoopOptions& loop = options.loop;
    check_options(loop);
    check(!loop.data.empty(), "no data: name at least one text or JSONL file");
    validate(options.model);
    check_padded_length(loop.sequence_length, options.model.max_positions, "--max-positions");
    const Vocabulary vocabulary;
    const Speech speech{vocabulary, text::ChatFormat::hydralora};
    const auto domains = read_data(loop, Prompts::trained, speech);
    B be({.threads = loop.threads, .slab_rows = slab_rows});
    RunDirectory run(loop.out, loop.resume, surroundings.command, with_checksums(to_json(options), loop, {}));
    auto weights = make_buffers(be, weight_shapes(options.model));
    initialise(be, weights, options.model, Seed{loop.seed});
    const Llama<B> model(be, options.model, views(std::as_const(weights)));

    Loop<WeightBuffers> training(be, model, weights, domains, loop, run, surroundings);
    if (loop.resume) training.resume(tell);
    const auto score = [&] { return evaluate(be, model, 0, domains, speech, loop.evaluation); };
    const LoopResult result = training.run([&](Index step) { say_scores(step, score()); });
    if (stopped_early(result, run)) return result.outcome;
    save_base(run.at("model"), options.model, weights);
    const Index count = parameter_count(weights);
    report(run, {result, count, count, {}, score(), {}, sample_domains(be, model, domains, speech)});
    std::printf("Model: %s\n", run.at("model").c_str());
    return Outcome::done;
}

namespace {

Outcome train_full(const TrainOptions& options, const Surroundings& surroundings, const std::vector<Domain>& domains,
                   RunDirectory& run, B& be, BaseModel& base, const Speech& speech) {
    const LoopOptions& loop = options.loop;
    auto weights = io::trainable_weights(be, base.files);
    const Llama<B> model(be, base.config, views(std::as_const(weights)));
    const auto score = [&] { return evaluate(be, model, 0, domains, speech, loop.evaluation); };
    auto before = score();
    auto samples = sample_domains(be, model, domains, speech);
    Loop<WeightBuffers> training(be, model, weights, domains, loop, run, surroundings);
    if (loop.resume) training.resume(tell);
    const LoopResult result = training.run([&](Index step) { say_scores(step, score()); });
    if (stopped_early(result, run)) return result.outcome;
    save_trained_base(run.at("model"), base, weights);
    const Index count = parameter_count(weights);
    report(run, {result, count, count, std::move(before), score(), std::move(samples),
                 sample_domains(be, model, domains, speech)});
    std::printf("Model: %s\n", run.at("model").c_str());
    return Outcome::done;
}

}  // namespace

Outcome train(const TrainOptions& options, const Surroundings& surroundings) {
    const LoopOptions& loop = options.loop;
    check_options(loop);
    check(!loop.data.empty(), "no data: name at least one text or JSONL file");
    check(options.method == Method::full || !options.adapter.targets.empty(),
          "--targets: name at least one linear layer");
    static_cast<void>(Vocabulary().chat_format(options.chat));  // refuses a name that is none
    B be({.threads = loop.threads, .slab_rows = slab_rows});
    BaseModel base = load_base(be, options.base, loop.sequence_length + slab_rows);
    check_base_length(loop.sequence_length, base.files.config);
    if (options.method == Method::adapter)
        static_cast<void>(adapter_shapes(base.config, options.adapter));  // refuses what cannot be
    const Speech speech = speech_of(base.vocabulary, options.chat);
    const auto domains = read_data(loop, Prompts::masked, speech);
    const auto weight_bytes = static_cast<Index>(base.files.files.bytes());  // read, and so in memory, by now
    const MemoryPlan plan =
        memory_plan(base.config, weight_bytes, std::max(Index{0}, resident_memory() - weight_bytes), options);
    if (options.dry_run) {
        std::printf("%s", dry_run_text(options, base, domains, plan).c_str());
        return Outcome::done;
    }
    const auto warning = memory_warning(plan, options);
    if (!warning.empty()) std::fprintf(stderr, "Warning: %s.\n", warning.c_str());
    RunDirectory run(loop.out, loop.resume, surroundings.command,
                     with_checksums(to_json(options), loop, base.checksum));
    if (options.method == Method::full) return train_full(options, surroundings, domains, run, be, base, speech);

    const Llama<B> bare(be, base.config, base.files.views);
    AdapterBuffers adapters = make_buffers(be, adapter_shapes(base.config, options.adapter));
    initialise(be, adapters, base.config, options.adapter, Seed{loop.seed});
    const Llama<B> model(be, base.config, base.files.views, options.adapter, views(std::as_const(adapters)));
    const auto score = [&] { return evaluate(be, model, gated_heads(options), domains, speech, loop.evaluation); };
    auto before = evaluate(be, bare, 0, domains, speech, loop.evaluation);
    auto samples = sample_domains(be, bare, domains, speech);

    Loop<AdapterBuffers> training(be, model, adapters, domains, loop, run, surroundings);
    if (loop.resume) training.resume(tell);
    const LoopResult result = training.run([&](Index step) { say_scores(step, score()); });
    if (stopped_early(result, run)) return result.outcome;
    auto file = file_config(options.adapter, base);
    file.chat_format = options.chat;
    io::save_adapter(run.at("adapter"), file, adapters, loop.resume ? io::Existing::replace : io::Existing::refuse);
    report(run, {result, parameter_count(adapters), parameter_count(base.files.views), std::move(before), score(),
                 std::move(samples), sample_domains(be, model, domains, speech)});
    std::printf("Adapter: %s\n", run.at("adapter").c_str());
    return Outcome::done;
}

}  // namespace hydra
