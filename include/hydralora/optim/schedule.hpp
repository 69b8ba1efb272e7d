// Learning-rate schedules: a factor for each step, warm-up first.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "../core/check.hpp"
#include "../core/enum_names.hpp"
#include "../core/view.hpp"

namespace hydralora {

enum class ScheduleKind { constant, linear, cosine };

inline constexpr std::array<std::string_view, 3> schedule_names{"constant", "linear", "cosine"};

/// The factor of the learning rate, as transformers/optimization.py has it (get_linear_schedule_with_warmup and its
/// fellows): it rises linearly from 0 over the warm-up, then stays, falls linearly or falls on half a cosine from 1 to
/// final_ratio.
struct Schedule {
    ScheduleKind kind = ScheduleKind::constant;
    Index steps = 0;         // of the whole run; the constant schedule needs it for a fractional warm-up only
    double warm_up = 0;      // below 1: fraction of steps, rounded up; else: number of steps
    double final_ratio = 0;  // factor at and after the last step; not for the constant schedule

    [[nodiscard]] Index warm_up_steps() const {
        return static_cast<Index>(warm_up < 1 ? std::ceil(warm_up * static_cast<double>(steps)) : warm_up);
    }

    /// For a step that has `step` steps before it: with warm-up the factor of step 0 is 0.
    [[nodiscard]] double factor(Index step) const {
        const Index warm = warm_up_steps();
        if (step < warm) return static_cast<double>(step) / static_cast<double>(warm);
        if (kind == ScheduleKind::constant) return 1;
        const auto falling = static_cast<double>(std::max(Index{1}, steps - warm));
        const double progress = static_cast<double>(step - warm) / falling;
        const double done = std::min(progress, 1.0);
        const double left = kind == ScheduleKind::linear ? 1 - done : 0.5 * (1 + std::cos(3.141592653589793 * done));
        return final_ratio + (1 - final_ratio) * left;
    }

    /// Throws with the name and value of a member out of range.
    void validate() const {
        const bool needs_steps = kind != ScheduleKind::constant || (warm_up > 0 && warm_up < 1);
        check(steps >= (needs_steps ? 1 : 0), "Schedule: steps = ", steps,
              ", expected the steps of the run, at least 1");
        check(warm_up >= 0 && warm_up < 1e15 && (warm_up < 1 || warm_up == std::floor(warm_up)),
              "Schedule: warm_up = ", warm_up, ", expected a fraction below 1 or a whole number of steps");
        check(!needs_steps || warm_up_steps() <= steps, "Schedule: warm_up = ", warm_up, " is longer than the run of ",
              steps, " steps");
        check(final_ratio >= 0 && final_ratio <= 1, "Schedule: final_ratio = ", final_ratio, ", expected 0 to 1");
    }
};

}  // namespace hydralora
