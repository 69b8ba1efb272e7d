// The commands that train: pretrain makes a base, train adapts one.
#pragma once

#include <functional>
#include <string>

#include "options.hpp"

namespace hydra {

/// How a command ended; the value is the exit status.
enum class Outcome { done = 0, interrupted = 130, diverged = 3 };

/// For embedding the commands in tests: `command` goes to run.json; `stop` is asked after each step; `loss` sees, and may
/// change, the loss of each step before anything is done with it.
struct Surroundings {
    std::string command;
    std::function<bool()> stop = [] { return false; };
    std::function<void(Index step, double& loss)> loss = [](Index, double&) {};
};

Outcome pretrain(const PretrainOptions& options, const Surroundings& surroundings);
Outcome train(const TrainOptions& options, const Surroundings& surroundings);

}  // namespace hydra
