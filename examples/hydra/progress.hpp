// What a person sees of a running loop: a bar on a terminal, a line now and then elsewhere.
#pragma once

#include <chrono>
#include <string>

#include <hydralora/core/view.hpp>

namespace hydra {

class Progress {
public:
    Progress(hydralora::Index first_step, hydralora::Index steps);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// After a step: its loss, and the labelled and processed tokens so far in this process.
    void step(hydralora::Index done, double loss, hydralora::Index tokens);
    /// A line of its own, above the bar.
    void say(const std::string& line);

private:
    void clear();
    using Clock = std::chrono::steady_clock;
    hydralora::Index first_, steps_;
    bool terminal_, drawn_ = false;
    double smooth_loss_ = -1;
    Clock::time_point start_ = Clock::now(), last_ = start_;
};

}  // namespace hydra
