// Many runs of some methods: a learning rate for each, found apart from the seeds that are reported, then all seeds.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <hydralora/analysis/interval.hpp>
#include <hydralora/core/check.hpp>
#include <hydralora/core/random.hpp>
#include <hydralora/core/view.hpp>

namespace compare {

using hydralora::Index;
using hydralora::Interval;
using hydralora::Seed;

struct Result {
    double loss = 0, tokens = 0, exact = 0;
    double nmi = 0;      // of the largest gate and the task, on labelled tokens; 0 without a router
    double entropy = 0;  // of the gates, of ln N
};

/// One method with all its runs.
struct Row {
    std::string name;
    Index parameters = 0;
    double rate = 0;
    bool edge = false;         // the rate is the first or the last that was tried: a better one may lie beyond
    std::vector<Result> runs;  // by seed

    [[nodiscard]] std::vector<double> all(double Result::*what) const {
        std::vector<double> values;
        for (const Result& r : runs) values.push_back(r.*what);
        return values;
    }
    [[nodiscard]] Interval of(double Result::*what) const { return hydralora::interval(all(what)); }
    [[nodiscard]] Interval against(const Row& other, double Result::*what) const {
        return hydralora::paired(all(what), other.all(what));
    }
};

/// f(0) .. f(count - 1) on so many threads, in no order. Throws what one of them throws.
inline void in_parallel(std::size_t count, int threads, const std::function<void(std::size_t)>& f) {
    std::atomic<std::size_t> next = 0;
    std::exception_ptr error;
    std::mutex guard;
    const auto work = [&] {
        for (std::size_t i = next++; i < count; i = next++) try {
                f(i);
            } catch (...) {
                const std::lock_guard lock(guard);
                error = std::current_exception();
                next = count;
            }
    };
    std::vector<std::thread> others;
    for (int t = 1; t < threads; ++t) others.emplace_back(work);
    work();
    for (auto& t : others) t.join();
    if (error) std::rethrow_exception(error);
}

/// What the runs of one experiment have in common. Data is made once a seed, and is read by all methods.
template <class Data>
struct Trials {
    std::vector<Row> rows;                   // names and parameters
    std::vector<std::vector<double>> rates;  // of each row, rising; one rate is taken as it is
    std::function<Data(Seed)> prepare;
    std::function<Result(std::size_t row, const Data&, Seed, double rate)> train;
    std::vector<std::uint64_t> sweep_seeds{100, 101}, seeds;
    int threads = 1;

    /// Finds each row's rate on the sweep seeds, going on by factors of 2 (at most seven times) while the best is the first or
    /// the last that was tried, and then runs all seeds.
    std::vector<Row> run() {
        std::vector<Data> data = prepared(sweep_seeds, 0, sweep_seeds.size());
        struct Tried {
            double rate, loss;
        };
        std::vector<std::vector<Tried>> tried(rows.size());
        for (int round = 0; round < 8; ++round) {
            struct Job {
                std::size_t row;
                double rate;
                double sum = 0;
            };
            std::vector<Job> jobs;
            for (std::size_t r = 0; r < rows.size(); ++r) {
                if (rates[r].size() == 1) continue;
                auto& t = tried[r];
                if (t.empty()) {
                    for (const double rate : rates[r]) jobs.push_back({r, rate});
                    continue;
                }
                const auto best = best_of(t);
                if (best == t.begin()) jobs.push_back({r, t.front().rate / 2});
                if (best == t.end() - 1) jobs.push_back({r, t.back().rate * 2});
            }
            if (jobs.empty()) break;
            std::vector<double> losses(jobs.size() * data.size());
            in_parallel(losses.size(), threads, [&](std::size_t i) {
                const std::size_t seed = i % data.size();
                losses[i] =
                    train(jobs[i / data.size()].row, data[seed], Seed{sweep_seeds[seed]}, jobs[i / data.size()].rate)
                        .loss;
            });
            for (std::size_t j = 0; j < jobs.size(); ++j) {
                double mean = 0;
                for (std::size_t s = 0; s < data.size(); ++s)
                    mean += losses[j * data.size() + s] / static_cast<double>(data.size());
                auto& t = tried[jobs[j].row];
                t.push_back({jobs[j].rate, std::isfinite(mean) ? mean : INFINITY});
                std::sort(t.begin(), t.end(), [](const Tried& a, const Tried& b) { return a.rate < b.rate; });
            }
        }
        for (std::size_t r = 0; r < rows.size(); ++r) {
            rows[r].rate = tried[r].empty() ? rates[r].front() : best_of(tried[r])->rate;
            if (!tried[r].empty()) {
                const auto best = best_of(tried[r]);
                rows[r].edge = best == tried[r].begin() || best == tried[r].end() - 1;
            }
            rows[r].runs.resize(seeds.size());
        }
        const auto at_once = static_cast<std::size_t>(threads);
        for (std::size_t begin = 0; begin < seeds.size(); begin += at_once) {
            const std::size_t end = std::min(begin + at_once, seeds.size());
            data.clear();
            data = prepared(seeds, begin, end);
            in_parallel(rows.size() * data.size(), threads, [&](std::size_t i) {
                const std::size_t r = i / data.size(), s = begin + i % data.size();
                rows[r].runs[s] = train(r, data[s - begin], Seed{seeds[s]}, rows[r].rate);
            });
        }
        return rows;
    }

private:
    template <class Some>
    [[nodiscard]] static auto best_of(Some& tried) {
        return std::min_element(tried.begin(), tried.end(),
                                [](const auto& a, const auto& b) { return a.loss < b.loss; });
    }
    [[nodiscard]] std::vector<Data> prepared(const std::vector<std::uint64_t>& of, std::size_t begin,
                                             std::size_t end) const {
        std::vector<Data> data(end - begin);
        in_parallel(data.size(), threads, [&](std::size_t i) { data[i] = prepare(Seed{of[begin + i]}); });
        return data;
    }
};

}  // namespace compare
