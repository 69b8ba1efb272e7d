// The control: one frozen layer of zeros, four tasks y = B_t A x + noise with x = N(0, 1) + m mu_t. Here every claim of the
// paper can hold, and what makes it fail can be turned on one thing at a time: the heads' conflict, a shared A, and whether
// the task is visible in x.
#pragma once

#include <string>
#include <vector>

#include "trials.hpp"

namespace compare {

struct ControlSetting {
    std::string name;
    double visibility = 4;  ///< m, the length of a task's mean
    double conflict = 1;    ///< 0: all tasks have one B; 1: each its own
    bool shared_a = true;
};

struct ControlTable {
    ControlSetting setting;
    std::vector<Row> rows;  // loss: share of the variance of y that is left unexplained
};

/// One table a setting.
[[nodiscard]] std::vector<ControlTable> run_control(Index seeds, int threads);

}  // namespace compare
