// What `hydra train --dry-run` says before anything is trained.
#pragma once

#include <string>
#include <vector>

#include "base_model.hpp"
#include "data.hpp"
#include "memory_plan.hpp"
#include "options.hpp"

namespace hydra {

/// Counts of parameters, memory, tokens a step, the share that is trained, and the first examples with their masks.
[[nodiscard]] std::string dry_run_text(const TrainOptions& options, const BaseModel& base,
                                       const std::vector<Domain>& domains, const MemoryPlan& plan);

/// An example as text: what is trained stands between [[ and ]], control tokens are spelt in
/// single angle quotes, characters that cannot be printed
/// are spelt, and the end of a long one is left out.
[[nodiscard]] std::string masked_text(const Vocabulary& vocabulary, const Example& example);

}  // namespace hydra
