// The command line of hydra.
#pragma once

#include <optional>
#include <variant>

#include "analyze.hpp"
#include "export.hpp"
#include "import.hpp"
#include "options.hpp"

namespace hydra {

using Command =
    std::variant<PretrainOptions, TrainOptions, PlanOptions, EvaluateOptions, GenerateTextOptions, InspectOptions,
                 ComponentsOptions, AnalyzeOptions, ReportOptions, ExportOptions, ImportOptions, MergeOptions>;

/// The command asked for, from the arguments or the TOML file they name; or the exit status, after help or an error in the
/// arguments was printed.
[[nodiscard]] std::variant<Command, int> parse_command_line(int argc, const char* const* argv);

}  // namespace hydra
