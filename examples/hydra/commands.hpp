// The commands that plan a training, or use what was trained.
#pragma once

#include "options.hpp"

namespace hydra {

/// Reads config.json and the headers of the weights' files of options.base, or of a GGUF file its header, and prints the memory of `train`.
void run_plan(const TrainOptions& options);

void run_evaluate(const EvaluateOptions& options);
void run_generate(const GenerateTextOptions& options);

}  // namespace hydra
