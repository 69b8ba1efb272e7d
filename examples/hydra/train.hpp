// The commands that train: pretrain makes a base, train adapts one.
#pragma once

#include <functional>
#include <string>

#include "options.hpp"

namespace hydra {

/// How a command ended; the value is the exit status.
enum class Outcome { done = 0, interrupted = 130, diverged = 3 };

/// For embedding the commands in tests: `command` goes to run.json; `stop` is asked after each step; the sum of the losses
/// of a step begins with `first_loss`.
struct Surroundings {
    std::string command;
    std::function<bool()> stop = [] { return false; };
    std::function<double(Index step)> first_loss = [](Index) { return 0.0; };
};

Outcome pretrain(const PretrainOptions& options, const Surroundings& surroundings);
Outcome train(const TrainOptions& options, const Surroundings& surroundings);

}  // namespace hydra
