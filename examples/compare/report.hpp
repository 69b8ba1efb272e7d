// What an experiment prints: its table, and what of the paper's claims holds in it.
#pragma once

#include <string>
#include <vector>

#include "trials.hpp"

namespace compare {

/// "0.123 +- 0.004"; without the interval for one run.
[[nodiscard]] std::string text_of(const Interval& interval, int digits = 3);

/// A row a method; differences from `reference` are paired by seed. What is 0 in all rows has no column.
[[nodiscard]] std::string table_of(const std::vector<Row>& rows, std::size_t reference, const char* loss_name);

/// The rows as JSON lines: one object a method with all its runs. The loss of a run that diverged is 1e300.
[[nodiscard]] std::string json_of(const std::string& experiment, const std::vector<Row>& rows);

/// Differences from the reference with their intervals, as an SVG file of its own.
[[nodiscard]] std::string figure_of(const std::vector<Row>& rows, std::size_t reference, const std::string& title);

[[nodiscard]] const Row& row_named(const std::vector<Row>& rows, const std::string& name);

/// A claim about the mean of a paired difference, decided by its 95 % interval.
struct Claim {
    std::string text;
    bool holds = false, asserted = true, decided = true;  ///< decided: there are seeds enough for an interval
    std::string numbers;
};
/// a has a lower loss than b, by `margin` at least in the mean where one is asked for.
[[nodiscard]] Claim lower_loss(const std::vector<Row>& rows, const std::string& a, const std::string& b,
                               double margin = 0);
/// a is not worse than b by `margin`: the interval of its loss less that of b lies below it.
[[nodiscard]] Claim not_worse(const std::vector<Row>& rows, const std::string& a, const std::string& b, double margin);
/// The same of the share of exact answers: the interval lies above -margin.
[[nodiscard]] Claim not_fewer_exact(const std::vector<Row>& rows, const std::string& a, const std::string& b,
                                    double margin);

/// Prints the claims; returns how many asserted ones do not hold.
[[nodiscard]] int print_claims(const std::vector<Claim>& claims);

}  // namespace compare
