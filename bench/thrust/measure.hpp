// Cases timed in turn on a backend, and the report that keeps the clock.
//
// A device D is a backend for given numbers, and marks of time on its stream: CudaDevice (cuda_device.hpp) has events,
// HostDevice (host_device.hpp) the host's clock, so that every row can be tried where there is no GPU.
#pragma once

#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <hydralora/thrust.hpp>
#include <string>
#include <vector>

#include "row.hpp"

namespace bench {

using hydralora::Index;

/// What the measurements compute in: bfloat16 with float masters and sums.
using Half = hydralora::Precision<float, hydralora::bfloat16, float>;
template <class D>
using HalfBackend = typename D::template Backend<Half>;

namespace functor {
/// Elements 4 i .. 4 i + 3: uniform in +-scale, a function of key and place alone.
template <class T>
struct Noise {
    T* to;
    Index size;
    hydralora::RandomKey key;
    float scale;

    HYDRALORA_HD void operator()(Index i) const {
        const auto block = hydralora::random_block(key, static_cast<std::uint64_t>(i));
        for (Index k = 0; k < 4 && 4 * i + k < size; ++k)
            to[4 * i + k] = static_cast<T>(scale * (2 * hydralora::unit_interval<float>(block.word[k]) - 1));
    }
};
}  // namespace functor

template <class B, class T>
void fill_with_noise(B& be, hydralora::Buffer<B, T>& m, std::uint32_t stream, float scale) {
    be.each((m.size() + 3) / 4, functor::Noise<T>{m.view().data, m.size(), {hydralora::Seed{1}, stream, 0}, scale});
}
template <class T, class B>
[[nodiscard]] hydralora::Buffer<B, T> noise(B& be, Index rows, Index cols, std::uint32_t stream, float scale = 1) {
    hydralora::Buffer<B, T> m(be, rows, cols);
    fill_with_noise(be, m, stream, scale);
    return m;
}

using Case = std::function<void()>;

/// Seconds of each case, round by round.
using Times = std::vector<std::vector<double>>;

struct Effort {
    double seconds = 3;   ///< for all rounds of a comparison, about
    double block = 2e-3;  ///< least time between two marks
};

/// Times the cases in turn, round by round, another one first in each; a case is repeated to fill a block. Between two
/// marks nothing waits: the work is queued, so that the host's own time counts only where the device would be idle.
template <class D, class B>
Times interleave(B& be, const std::vector<Case>& cases, const Effort& effort) {
    for (int i = 0; i < 2; ++i)
        for (const Case& run : cases) run();
    std::vector<int> repeats;
    double round = 0;
    for (const Case& run : cases) {
        typename D::Marks marks(be);
        marks.add();
        run();
        marks.add();
        const double one = marks.seconds().front();
        repeats.push_back(repeats_for(effort.block, one));
        round += repeats.back() * one;
    }
    const int rounds = rounds_within(effort.seconds, round);
    const std::size_t n = cases.size();
    typename D::Marks marks(be);
    for (std::size_t b = 0; b < static_cast<std::size_t>(rounds) * n; ++b) {
        const std::size_t c = turn_of(b, n);
        marks.add();
        for (int k = 0; k < repeats[c]; ++k) cases[c]();
    }
    marks.add();
    const std::vector<double> blocks = marks.seconds();
    Times times(n);
    for (std::size_t b = 0; b < blocks.size(); ++b) {
        const std::size_t c = turn_of(b, n);
        times[c].push_back(blocks[b] / repeats[c]);
    }
    return times;
}

/// Prints the rows as they come, and leaves out what there is no time for.
class Report {
public:
    Report(std::string command, double seconds, std::FILE* to)
        : command_(std::move(command)), end_(bench::seconds() + seconds), to_(to) {}

    /// Measures rows that belong together: measure() gives a Spread for each name. What is thrown is their reason.
    template <class F>
    void add(const std::vector<RowName>& names, F&& measure) {
        std::string why = "the time is spent";
        if (bench::seconds() < end_) {
            try {
                const std::vector<Spread> spreads = measure();
                for (std::size_t i = 0; i < names.size(); ++i) print(line_of(names[i], spreads.at(i), command_));
                return;
            } catch (const std::exception& error) {
                why = error.what();
                failed_ = true;
            }
        }
        for (const RowName& name : names) print(line_of_unmeasured(name, why, command_));
    }
    void leave_out(const RowName& name, const std::string& why) {
        failed_ = true;
        print(line_of_unmeasured(name, why, command_));
    }

    [[nodiscard]] bool failed() const { return failed_; }

private:
    void print(const std::string& line) {
        std::fprintf(to_, "%s\n", line.c_str());
        std::fflush(to_);
    }

    std::string command_;
    double end_;
    std::FILE* to_;
    bool failed_ = false;
};

/// Sizes of a run: those of the targets, or small ones that try the same paths.
struct Sizes {
    bool tiny = false;

    [[nodiscard]] Index tokens() const { return tiny ? 64 : 8192; }
    [[nodiscard]] Index of(Index real, Index small) const { return tiny ? small : real; }
    [[nodiscard]] Effort effort(double seconds) const { return tiny ? Effort{0.02, 1e-4} : Effort{seconds, 2e-3}; }
};

}  // namespace bench
