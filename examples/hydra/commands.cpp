#include "commands.hpp"

#include <cstdio>
#include <utility>
#include <vector>

#include <hydralora/io/json.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/io/llama_config.hpp>
#include <hydralora/io/model_files.hpp>
#include <hydralora/io/write_file.hpp>

#include "choices.hpp"
#include "documents.hpp"
#include "logits.hpp"
#include "loop.hpp"
#include "memory_plan.hpp"
#include "outputs.hpp"
#include "session.hpp"

namespace hydra {

using namespace hydralora;

void run_plan(const TrainOptions& options) {
    check_options(options.loop);
    const auto path = options.base / "config.json";
    const std::string name = path.string();
    check(io::path_exists(path), options.base.string(), ": is not a model directory: it has no config.json");
    const io::Json document = io::read_json(path);
    LlamaConfig config = io::llama_config_from_json(io::JsonView(document, name));
    check_base_length(options.loop.sequence_length, config);
    if (options.method == Method::adapter)
        static_cast<void>(adapter_shapes(config, options.adapter));  // refuses what cannot be
    config.max_positions = planned_positions(config.max_positions, options.loop.sequence_length + slab_rows);
    const auto files = io::ModelFiles::open(options.base);
    const auto plan = memory_plan(config, static_cast<Index>(files.bytes()), resident_memory(), options);
    std::printf("%s", plan_table(plan).c_str());
    const std::string warning = memory_warning(plan, options);
    if (!warning.empty()) std::printf("\n%s\n", warning.c_str());
}

void run_evaluate(const EvaluateOptions& options) {
    std::vector<std::filesystem::path> inputs = options.data;
    inputs.insert(inputs.end(), {options.base, options.adapter});
    if (!options.json.empty()) check_output(options.json, "--json", inputs);
    if (!options.logits.empty()) check_output(options.logits, "--logits", inputs);
    if (!options.logits.empty()) {
        check(options.data.size() == 1, "--logits: expected one file of tokens, found ", options.data.size(), " files");
        Session session(options.base, options.adapter, options.threads, longest_sequence(options.data.front()));
        return write_logits(session, options.data.front(), options.logits);
    }
    check(options.held_out > 0 && options.held_out <= 1, "--held-out ", options.held_out,
          ": expected a share above 0, at most 1");
    check(!options.data.empty(), "no data: name at least one file of texts, records or questions");
    check_sequence_length(options.sequence_length, 1);
    check(options.evaluation.examples >= 1, "--examples ", options.evaluation.examples, ": expected at least 1");
    check(options.evaluation.answers >= 0, "--answers ", options.evaluation.answers, ": expected 0 or more");
    Session session(options.base, options.adapter, options.threads, options.sequence_length + 32);
    check_base_length(options.sequence_length, session.base().files.config);
    const Speech speech = speech_of(session.vocabulary(), session.chat(options.chat));
    std::vector<std::filesystem::path> files;
    std::vector<Question> questions;
    for (const auto& path : options.data) {
        const auto content = io::MappedFile::open(path);
        if (!holds_questions(content.text(), path)) {
            files.push_back(path);
            continue;
        }
        for (auto& question : read_questions(content.text(), path)) questions.push_back(std::move(question));
    }
    std::vector<Domain> domains;
    if (!files.empty())
        domains = read_domains(files,
                               {.sequence_length = options.sequence_length,
                                .held_out = options.held_out,
                                .seed = Seed{options.seed},
                                .chat = speech.format},
                               session.vocabulary());
    const auto scores =
        evaluate(session.backend(), session.model(), session.gated_heads(), domains, speech, options.evaluation);
    std::vector<ChoiceScore> choices;
    if (!questions.empty()) choices = score_questions(session.backend(), session.model(), questions, speech);
    if (!scores.empty()) std::printf("%s", score_table(scores).c_str());
    if (!choices.empty()) std::printf("%s%s", scores.empty() ? "" : "\n", choice_table(choices).c_str());
    if (options.json.empty()) return;
    const auto document = io::Json::object(
        {{"domains", to_json(scores)}, {"all", to_json(overall(scores))}, {"questions", to_json(choices)}});
    io::replace_file(options.json, io::to_text(document, 2) + '\n');
}

void run_generate(const GenerateTextOptions& options) {
    check(options.tokens >= 1, "--tokens ", options.tokens, ": expected at least 1");
    Session session(options.base, options.adapter, options.threads);
    const Vocabulary& vocabulary = session.vocabulary();
    const Speech speech =
        options.instruction ? speech_of(vocabulary, session.chat(options.chat)) : Speech{vocabulary, std::nullopt};
    std::vector<std::int32_t> prompt;
    if (options.instruction) {
        check(speech.format.has_value(), vocabulary.why_no_chat_format(), ", or continue a text with --raw");
        prompt = prompt_of(vocabulary, *speech.format, {{text::Speaker::user, options.prompt}});
    } else {
        prompt.assign(vocabulary.start().begin(), vocabulary.start().end());
        vocabulary.encode(options.prompt, prompt);
        std::fwrite(options.prompt.data(), 1, options.prompt.size(), stdout);
    }
    const LlamaConfig& model = session.base().files.config;
    const Index most = most_positions(model) - static_cast<Index>(prompt.size());
    check(most >= 0, "the prompt has ", prompt.size(), " tokens, the base has ", positions_name(model), " = ",
          most_positions(model));
    const TextEnd end = stream_text(session.backend(), session.model(), speech, prompt,
                                    std::min(options.tokens, most + 1), options.sampling, [](std::string_view text) {
                                        std::fwrite(text.data(), 1, text.size(), stdout);
                                        std::fflush(stdout);
                                    });
    std::fputc('\n', stdout);
    if (end == TextEnd::limit && most + 1 < options.tokens)
        std::fprintf(stderr, "Stopped where the base has no more positions: %s = %lld\n", positions_name(model),
                     static_cast<long long>(most_positions(model)));
}

}  // namespace hydra
