// What one run or several came to, as one HTML page for people.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "options.hpp"

namespace hydra {

/// The mean of n numbers and the half width of its 95 % interval by Student's t; 0 for a single number, which has none.
[[nodiscard]] std::pair<double, double> mean_and_interval(const std::vector<double>& values);

/// The page. Runs that differ in nothing but their seed are one method, shown by its mean.
[[nodiscard]] std::string report_page(const std::vector<std::filesystem::path>& runs);

/// Writes it, and says where.
void run_report(const ReportOptions& options);

}  // namespace hydra
