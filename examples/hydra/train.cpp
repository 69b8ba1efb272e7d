#include "train.hpp"

#include <cstdio>

#include "cuda_commands.hpp"
#include "find_components.hpp"
#include "own_template.hpp"
#include "table.hpp"
#include "train_with.hpp"

namespace hydra {

using namespace hydralora;
using io::Json;

Json with_checksums(Json options, const LoopOptions& loop, const std::string& base_checksum) {
    Json sums = Json::array();
    for (const auto& path : loop.data) sums.push(io::checksum_text(io::xxh64(io::MappedFile::open(path).bytes())));
    options.set("data_checksums", sums);
    return base_checksum.empty() ? options : options.set("base_checksum", base_checksum);
}

std::vector<Domain> read_data(const LoopOptions& o, Prompts prompts, const Speech& speech, FieldLabels* labels) {
    auto domains = read_domains(o.data,
                                {.sequence_length = o.sequence_length,
                                 .held_out = o.held_out,
                                 .seed = Seed{o.seed},
                                 .prompts = prompts,
                                 .packing = o.packing,
                                 .chat = speech.format,
                                 .labels = labels,
                                 .skip_unusable = o.skip_unusable},
                                speech.vocabulary);
    say_notes(domains);
    const bool conversations =
        std::any_of(domains.begin(), domains.end(), [](const Domain& d) { return d.conversations > 0; });
    if (conversations && speech.format && speech.format->own() != nullptr)
        std::fprintf(stderr, "Conversations are written by the model's own chat template (%s)%s.\n",
                     speech.format->own()->place.c_str(),
                     speech.format->own()->dated ? ", which has the date of the day; SOURCE_DATE_EPOCH fixes it" : "");
    for (const Domain& d : domains) {
        std::string notes;
        if (d.truncated > 0) notes += concat(", ", d.truncated, " cut to ", o.sequence_length, " tokens");
        if (d.skipped > 0)
            notes += concat(", ", d.skipped, " left out, the first at ", d.first_skipped,
                            ": an empty text, no answer, or a prompt that alone fills the --length of ",
                            o.sequence_length, " tokens");
        if (d.unwritten > 0)
            notes += concat(", ", counted(d.unwritten, "turn"),
                            " whose words, thoughts or calls the model's chat template leaves out, the first ",
                            d.first_unwritten);
        if (d.untrained > 0)
            notes += concat(", ", counted(d.untrained, "turn"),
                            " of the assistant not trained, for the model's chat template ",
                            "does not mark them, the first ", d.first_untrained);
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

Index gated_heads(const TrainOptions& o) {
    return o.method == Method::adapter && o.adapter.adapter.routed() ? o.adapter.adapter.heads : 0;
}

void say_scores(Index step, const std::vector<DomainScore>& scores) {
    std::string line = concat("after step ", step, ", held-out bits per byte:");
    for (const DomainScore& s : scores) line += "  " + s.name + " " + fixed(s.bits_per_byte, 3);
    std::fprintf(stderr, "%s\n", line.c_str());
}

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

Outcome pretrain(const PretrainOptions& options, const Surroundings& surroundings) {
    const LoopOptions& loop = options.loop;
    check_options(loop);
    check(!loop.data.empty(), "no data: name at least one text or JSONL file");
    check(loop.mix != Mix::components, "--mix components: pretraining has no components; give equal or proportional");
    validate(options.model);
    check_padded_length(loop.sequence_length, options.model.max_positions, "--max-positions");
    if (loop.place.device == Device::cuda) return pretrain_on_cuda(options, surroundings);
    HostBackend be(host_options(loop.threads));
    return pretrain_with(be, options, surroundings);
}

Outcome train(const TrainOptions& options, const Surroundings& surroundings) {
    check_options(options);
    check(!options.loop.data.empty(), "no data: name at least one text or JSONL file");
    check(options.method == Method::full || !options.adapter.targets.empty(),
          "--targets: name at least one linear layer");
    static_cast<void>(Vocabulary().chat_format(options.chat));  // refuses a name that is none
    // Labelled data says itself how many heads it wants.
    if (options.heads_of_data && options.method == Method::adapter && !options.labelled()) {
        TrainOptions with_heads = options;
        with_heads.heads_of_data = false;
        with_heads.adapter.adapter.heads = heads_of(options.loop);
        return train(with_heads, surroundings);
    }
    if (options.loop.place.device == Device::cuda && !options.dry_run) return train_on_cuda(options, surroundings);
    HostBackend be(host_options(options.loop.threads));
    return train_with(be, options, surroundings);
}

}  // namespace hydra
