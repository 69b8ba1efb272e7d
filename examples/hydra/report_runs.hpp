// What one run or several came to, as one HTML page for people.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "options.hpp"

namespace hydra {

/// The page. Runs that differ in nothing but their seed are one method, shown by its mean.
[[nodiscard]] std::string report_page(const std::vector<std::filesystem::path>& runs);

/// Writes it, and says where.
void run_report(const ReportOptions& options);

}  // namespace hydra
