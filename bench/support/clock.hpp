// Time, and what a sample of times comes to.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

namespace bench {

[[nodiscard]] inline double seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Spread {
    double median = 0, least = 0, most = 0;
};

[[nodiscard]] inline Spread spread_of(std::vector<double> sample) {
    std::sort(sample.begin(), sample.end());
    const std::size_t n = sample.size();
    return {n % 2 == 1 ? sample[n / 2] : 0.5 * (sample[n / 2 - 1] + sample[n / 2]), sample.front(), sample.back()};
}

/// Times of two things done in turn.
struct Rounds {
    std::vector<double> subject, beside, ratio;  // a round; ratio = subject / beside of the same round
};

/// One round: `subject` and `beside` once each, which of them first changing from round to round.
template <class F, class G>
void round_of(Rounds& rounds, F&& subject, G&& beside) {
    const auto time = [](auto&& f) {
        const double start = seconds();
        f();
        return seconds() - start;
    };
    double first = 0, second = 0;
    if (rounds.ratio.size() % 2 == 0) {
        first = time(beside);
        second = time(subject);
    } else {
        second = time(subject);
        first = time(beside);
    }
    rounds.subject.push_back(second);
    rounds.beside.push_back(first);
    rounds.ratio.push_back(second / first);
}

}  // namespace bench
