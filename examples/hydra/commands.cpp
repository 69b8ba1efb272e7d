#include "commands.hpp"

#include <cstdio>
#include <limits>

#include <hydralora/io/json_write.hpp>
#include <hydralora/io/write_file.hpp>

#include "logits.hpp"
#include "session.hpp"
#include "tokens.hpp"

namespace hydra {

using namespace hydralora;

void run_evaluate(const EvaluateOptions& options) {
    if (!options.logits.empty()) {
        check(options.data.size() == 1, "--logits: expected one file of tokens, found ", options.data.size(), " files");
        Session session(options.base, options.adapter, options.threads, std::numeric_limits<Index>::max());
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
    const auto domains = read_domains(
        options.data,
        {.sequence_length = options.sequence_length, .held_out = options.held_out, .seed = Seed{options.seed}});
    const auto scores =
        evaluate(session.backend(), session.model(), session.gated_heads(), domains, options.evaluation);
    std::printf("%s", score_table(scores).c_str());
    if (!options.json.empty()) io::replace_file(options.json, io::to_text(to_json(scores), 2) + '\n');
}

void run_generate(const GenerateTextOptions& options) {
    check(options.tokens >= 1, "--tokens ", options.tokens, ": expected at least 1");
    Session session(options.base, options.adapter, options.threads);
    std::vector<std::int32_t> prompt{end_of_text};
    const auto bytes = encode(options.prompt);
    prompt.insert(prompt.end(), bytes.begin(), bytes.end());
    if (options.instruction) prompt.push_back(end_of_text);
    const GenerateOptions limits{.max_new_tokens = options.tokens, .stop = {end_of_text}};
    if (!options.instruction) std::fwrite(options.prompt.data(), 1, options.prompt.size(), stdout);
    generate(session.backend(), session.model(), std::span<const std::int32_t>(prompt), limits, options.sampling,
             [](std::int32_t token) {
                 std::fputc(token, stdout);
                 std::fflush(stdout);
                 return true;
             });
    std::fputc('\n', stdout);
}

}  // namespace hydra
