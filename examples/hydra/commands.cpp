#include "commands.hpp"

#include <cstdio>
#include <utility>
#include <vector>

#include <hydralora/io/json_write.hpp>
#include <hydralora/io/write_file.hpp>

#include "choices.hpp"
#include "documents.hpp"
#include "logits.hpp"
#include "session.hpp"

namespace hydra {

using namespace hydralora;

void run_evaluate(const EvaluateOptions& options) {
    if (!options.logits.empty()) {
        check(options.data.size() == 1, "--logits: expected one file of tokens, found ", options.data.size(), " files");
        Session session(options.base, options.adapter, options.threads, longest_sequence(options.data.front()));
        return write_logits(session, options.data.front(), options.logits);
    }
    check(options.held_out > 0 && options.held_out <= 1, "--held-out ", options.held_out,
          ": expected a share above 0, at most 1");
    check(options.evaluation.examples >= 1, "--examples ", options.evaluation.examples, ": expected at least 1");
    check(options.evaluation.answers >= 0, "--answers ", options.evaluation.answers, ": expected 0 or more");
    Session session(options.base, options.adapter, options.threads, options.sequence_length + 32);
    const Index most = session.model().config().max_positions;
    check(options.sequence_length <= most, "--length ", options.sequence_length,
          ": the base has max_position_embeddings = ", most);
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
    const auto domains = read_domains(files,
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
    stream_text(session.backend(), session.model(), speech, prompt, options.tokens, options.sampling,
                [](std::string_view text) {
                    std::fwrite(text.data(), 1, text.size(), stdout);
                    std::fflush(stdout);
                });
    std::fputc('\n', stdout);
}

}  // namespace hydra
