// What a report says of the components of the training examples.
#pragma once

#include <string>
#include <vector>

#include "read_run.hpp"

namespace hydra {

/// Where a run has the components of its examples from, and whether a plain LoRA could have them; "" where it has none.
[[nodiscard]] std::string component_origin(const RecordedRun& run);

/// HTML; "" where no run has components.
[[nodiscard]] std::string components_section(const std::vector<RecordedRun>& runs);

}  // namespace hydra
