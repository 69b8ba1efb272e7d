// The commands that use what was trained.
#pragma once

#include "options.hpp"

namespace hydra {

void run_evaluate(const EvaluateOptions& options);
void run_generate(const GenerateTextOptions& options);

}  // namespace hydra
