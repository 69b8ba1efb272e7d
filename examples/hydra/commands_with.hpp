// The commands that use a model, on whichever backend computes.
#pragma once

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include <hydralora/io/json_write.hpp>
#include <hydralora/io/write_file.hpp>

#include "choices.hpp"
#include "documents.hpp"
#include "evaluate.hpp"
#include "session.hpp"

namespace hydra {

/// On a B made from `backend`, with options that were checked.
template <hydralora::Backend B, class Options>
void evaluate_with(const EvaluateOptions& options, const Options& backend) {
    using namespace hydralora;
    BasicSession<B> session(options.base, options.adapter, backend, options.sequence_length + 32, options.quantise);
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
                                .chat = speech.format,
                                .skip_unusable = options.skip_unusable},
                               session.vocabulary());
    say_notes(domains);
    std::optional<RoutingMeasure> routing;
    if (session.gated_heads() > 0) routing.emplace(session.base().config, session.adapter_config(), domains);
    const auto scores = evaluate(session.backend(), session.model(), session.gated_heads(), domains, speech,
                                 options.evaluation, routing ? &*routing : nullptr);
    std::vector<ChoiceScore> choices;
    if (!questions.empty()) choices = score_questions(session.backend(), session.model(), questions, speech);
    if (!scores.empty()) std::printf("%s", score_table(scores).c_str());
    if (auto measured = routing ? routing->measured() : std::nullopt) {
        measure_parameters(session.backend(), session.adapters(), {}, *measured);
        std::printf("\n%s", routing_text(*measured).c_str());
    }
    if (!choices.empty()) std::printf("%s%s", scores.empty() ? "" : "\n", choice_table(choices).c_str());
    if (options.json.empty()) return;
    const auto document = io::Json::object(
        {{"domains", to_json(scores)}, {"all", to_json(overall(scores))}, {"questions", to_json(choices)}});
    io::replace_file(options.json, io::to_text(document, 2) + '\n');
}

/// The same.
template <hydralora::Backend B, class Options>
void generate_with(const GenerateTextOptions& options, const Options& backend) {
    using namespace hydralora;
    BasicSession<B> session(options.base, options.adapter, backend, 0, options.quantise);
    const Vocabulary& vocabulary = session.vocabulary();
    const Speech speech =
        options.instruction ? speech_of(vocabulary, session.chat(options.chat)) : Speech{vocabulary, std::nullopt};
    std::vector<std::int32_t> prompt;
    if (options.instruction) {
        check(speech.format.has_value(), vocabulary.why_no_chat_format(), ", or continue a text with --raw");
        text::Conversation turns;
        if (!options.system.empty()) turns.push_back({text::Speaker::system, options.system});
        turns.push_back({text::Speaker::user, options.prompt});
        prompt = prompt_of(vocabulary, *speech.format, turns);
    } else {
        check(options.system.empty(),
              "--system: a text that is continued (--raw) has no system prompt; leave one of the "
              "two out");
        prompt.assign(vocabulary.start().begin(), vocabulary.start().end());
        vocabulary.encode(options.prompt, prompt);
        std::fwrite(options.prompt.data(), 1, options.prompt.size(), stdout);
    }
    const LlamaConfig& model = session.base().files.config;
    const Index most = model.max_positions - static_cast<Index>(prompt.size());
    check(most >= 0, "the prompt has ", prompt.size(),
          " tokens, the base has max_position_embeddings = ", model.max_positions);
    const TextEnd end = stream_text(session.backend(), session.model(), speech, prompt,
                                    std::min(options.tokens, most + 1), options.sampling, [](std::string_view text) {
                                        std::fwrite(text.data(), 1, text.size(), stdout);
                                        std::fflush(stdout);
                                    });
    std::fputc('\n', stdout);
    if (end == TextEnd::limit && most + 1 < options.tokens)
        std::fprintf(stderr, "Stopped where the base has no more positions: max_position_embeddings = %lld\n",
                     static_cast<long long>(model.max_positions));
}

}  // namespace hydra
