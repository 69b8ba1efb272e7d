#include "commands.hpp"

#include <cstdio>
#include <vector>

#include "commands_with.hpp"
#include "cuda_commands.hpp"
#include "logits.hpp"
#include "memory_plan.hpp"
#include "outputs.hpp"
#include "placement.hpp"

namespace hydra {

using namespace hydralora;

void run_plan(const TrainOptions& options) {
    check_options(options);
    check(!options.heads_of_data, "--heads auto: counted in the data, which plan does not read; give the number");
    TrainOptions asked = options;
    asked.weights = weights_of(options.base, options.weights, options.quantise);
    auto [config, bytes, panels, quantised, codes] =
        outline_of(options.base, options.adapter, *asked.weights, options.quantise);
    check_base_length(options.loop.sequence_length, config);
    if (options.method == Method::adapter)
        static_cast<void>(adapter_shapes(config, options.adapter));  // refuses what cannot be
    config.max_positions = planned_positions(config.max_positions, options.loop.sequence_length + slab_rows);
    const Vocabulary vocabulary = vocabulary_of(options.base);  // held in training, and so part of what is held now
    const auto plan = memory_plan(config, {bytes, quantised, codes}, panels, resident_memory(), asked);
    std::printf("%s", plan_table(plan).c_str());
    const std::string warning = memory_warning(plan, asked);
    if (!warning.empty()) std::printf("\n%s\n", warning.c_str());
}

void run_evaluate(const EvaluateOptions& options) {
    std::vector<std::filesystem::path> inputs = options.data;
    inputs.insert(inputs.end(), {options.base, options.adapter});
    if (!options.json.empty()) check_output(options.json, "--json", inputs);
    if (!options.logits.empty()) check_output(options.logits, "--logits", inputs);
    check_place(options.place);
    if (!options.logits.empty()) {
        check(options.place.device == Device::cpu, "--logits: computed on the processor; leave out --device cuda");
        check(options.data.size() == 1, "--logits: expected one file of tokens, found ", options.data.size(), " files");
        Session session(options.base, options.adapter, host_options(options.threads),
                        longest_sequence(options.data.front()), options.quantise);
        return write_logits(session, options.data.front(), options.logits);
    }
    check(options.held_out > 0 && options.held_out <= 1, "--held-out ", options.held_out,
          ": expected a share above 0, at most 1");
    check(!options.data.empty(), "no data: name at least one file of texts, records or questions");
    check_sequence_length(options.sequence_length, 1);
    check(options.evaluation.examples >= 1, "--examples ", options.evaluation.examples, ": expected at least 1");
    check(options.evaluation.answers >= 0, "--answers ", options.evaluation.answers, ": expected 0 or more");
    if (options.place.device == Device::cuda) return evaluate_on_cuda(options);
    evaluate_with<HostBackend>(options, host_options(options.threads));
}

void run_generate(const GenerateTextOptions& options) {
    check(options.tokens >= 1, "--tokens ", options.tokens, ": expected at least 1");
    check_place(options.place);
    if (options.place.device == Device::cuda) return generate_on_cuda(options);
    generate_with<HostBackend>(options, host_options(options.threads));
}

}  // namespace hydra
