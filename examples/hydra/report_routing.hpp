// The part of a report that is about routers and heads.
#pragma once

#include <string>
#include <vector>

#include "read_run.hpp"

namespace hydra {

/// HTML; nothing where no run has a router.
[[nodiscard]] std::string routing_section(const std::vector<RecordedRun>& runs);

}  // namespace hydra
