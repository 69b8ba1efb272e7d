// What a benchmark program of this folder is made of: it defines `add_benchmarks`, registers cases with `add_case`, and
// each case times its subject in turn with something beside it, so that a ratio is of one interleaved run.
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <hydralora/core/random.hpp>
#include <hydralora/eigen/eigen_backend.hpp>

#include "clock.hpp"
#include "peak.hpp"

namespace bench {

using hydralora::EigenBackend;
using hydralora::Index;

/// What the command line of a program decides.
struct Settings {
    std::vector<int> threads;  // most first
    bool quick = false;
    bool large = false;  // models of a real size, which take minutes
};

/// What one pass of a subject does. Zero: does not apply.
struct Work {
    double flops = 0;
    double tokens = 0;
    double bytes = 0;  // that must be read and written
    int threads = 1;
};

/// Registers the cases of a program.
void add_benchmarks(const Settings& settings);

/// Times `subject` and `beside` in turn, after one warm-up each. The row's time is the median, its ratio that of the
/// rounds; `of` says what the ratio is of.
template <class F, class G>
void compare(benchmark::State& state, const Work& work, const char* of, F&& subject, G&& beside) {
    beside();
    subject();
    Rounds rounds;
    for (auto _ : state) {
        round_of(rounds, subject, beside);
        state.SetIterationTime(rounds.subject.back());
    }
    const double time = spread_of(rounds.subject).median;
    const Spread ratio = spread_of(rounds.ratio);
    const Peak& limit = peak(work.threads);
    auto& c = state.counters;
    c["seconds"] = time;
    c["rounds"] = static_cast<double>(rounds.ratio.size());
    c["beside_seconds"] = spread_of(rounds.beside).median;
    c["ratio"] = ratio.median;
    c["ratio_min"] = ratio.least;
    c["ratio_max"] = ratio.most;
    if (work.tokens > 0) c["tokens_per_second"] = work.tokens / time;
    if (work.bytes > 0) {
        c["bytes_per_second"] = work.bytes / time;
        c["share_of_copy"] = work.bytes / time / limit.bytes;
    }
    if (work.flops > 0) {
        c["flops_per_second"] = work.flops / time;
        c["share_of_fma_peak"] = work.flops / time / limit.flops;
    }
    state.SetLabel(of);
}

/// Rounds that take about `budget` seconds if a round does `flops` at half of a usual core's speed; 5 at least.
[[nodiscard]] inline int rounds_for(double flops, double budget = 0.5) {
    return static_cast<int>(std::clamp(budget * 1e11 / std::max(flops, 1.0), 5.0, 41.0)) | 1;
}

/// Registers `run(state)` as row `name`, "row/case words", with that many rounds.
template <class F>
void add_case(const std::string& name, int rounds, F run) {
    benchmark::RegisterBenchmark(name.c_str(), std::move(run))->UseManualTime()->Iterations(rounds);
}

/// A (rows, cols) matrix of numbers uniform in +-scale, a function of its shape and `stream` alone.
[[nodiscard]] inline hydralora::Buffer<EigenBackend, float> noise(EigenBackend& be, Index rows, Index cols,
                                                                  std::uint32_t stream, float scale = 1) {
    hydralora::Buffer<EigenBackend, float> m(be, rows, cols);
    float* values = m.view().data;
    for (Index i = 0; i < m.size(); i += 4) {
        const auto block = hydralora::random_block({hydralora::Seed{1}, stream, 0}, static_cast<std::uint64_t>(i / 4));
        for (Index k = i; k < std::min(i + 4, m.size()); ++k)
            values[k] = scale * (2 * hydralora::unit_interval<float>(block.word[k - i]) - 1);
    }
    return m;
}

/// The plain frozen linear at some shape with memory of its own: what other operations are held against.
class FrozenStep {
public:
    FrozenStep(EigenBackend& be, Index tokens, Index in, Index out)
        : be_(be),
          w_(noise(be, out, in, 90, 0.02f)),
          x_(noise(be, tokens, in, 91)),
          dy_(noise(be, tokens, out, 92)),
          y_(be, tokens, out),
          dx_(be, tokens, in) {}

    /// y = x W^T and dx = dy W
    void operator()() {
        using hydralora::Op;
        be_.gemm(Op::none, Op::transpose, 1, x_.view(), w_.view(), 0, y_.view());
        be_.gemm(Op::none, Op::none, 1, dy_.view(), w_.view(), 0, dx_.view());
    }
    [[nodiscard]] static double flops(Index tokens, Index in, Index out) {
        return 4.0 * static_cast<double>(tokens) * static_cast<double>(in) * static_cast<double>(out);
    }

private:
    EigenBackend& be_;
    hydralora::Buffer<EigenBackend, float> w_, x_, dy_, y_, dx_;
};

}  // namespace bench
