// The cooperative logic of every row functor, under ThreadSanitizer: rows shared by teams of threads, as warps and blocks
// share them on a GPU. A missing sync is a race that the sanitizer reports, a wrong sum a loss that differs.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <hydralora/hydralora.hpp>
#include <vector>

#include "support/team.hpp"
#include "support/tiny_training.hpp"

using namespace hydralora;

namespace {

int failures = 0;

void expect(const char* what, double found, double most) {
    std::printf("%-40s %.2e (at most %.0e)\n", what, found, most);
    failures += found <= most ? 0 : 1;
}

/// Two rows of n bfloat16 that begin `offset` elements after 16 bytes and stand `n + offset` apart.
struct Rows {
    Index n, offset;
    std::vector<functor::row_detail::Run<bfloat16>> memory =
        std::vector<functor::row_detail::Run<bfloat16>>(static_cast<std::size_t>(2 * n + 3 * offset + 16) / 8);

    Rows(Index count, Index first, double seed) : n(count), offset(first) {
        for (Index i = 0; i < 2 * ld(); ++i)
            data()[i] = bfloat16(static_cast<float>(std::sin(seed + 0.37 * static_cast<double>(i))));
    }
    [[nodiscard]] Index ld() const { return n + offset; }
    [[nodiscard]] bfloat16* data() { return &memory[0].element[0] + offset; }
};

/// The largest difference, over both rows and all that lies between and behind them.
double difference(Rows& a, Rows& b) {
    double most = 0;
    for (Index i = 0; i < 2 * a.ld(); ++i)
        most = std::max(most, std::abs(widened<double>(a.data()[i]) - widened<double>(b.data()[i])));
    return most;
}

/// Functors that read again what an earlier loop wrote, on bfloat16 rows of every length and place: a team of a warp's size,
/// and one that takes several runs each, beside one thread.
void bfloat16_rows(int members, Index step) {
    EigenBackend one({.threads = 1});
    test::TeamBackend<float> team(members);
    double norm = 0, softmax = 0, entropy = 0;
    for (Index n = 2; n <= 70; n += step)
        for (const Index offset : {0, 1}) {
            const auto compare = [&](auto&& run) {
                Rows alone(n, offset, 1), shared(n, offset, 1);
                run(one, alone);
                run(team, shared);
                return difference(alone, shared);
            };
            norm =
                std::max(norm, compare([&](auto& be, Rows& y) {
                             Rows x(n, 0, 2);
                             const std::vector<float> weight(static_cast<std::size_t>(n), 1.5f);
                             float inverse[2];
                             be.rows(2, functor::RmsNorm<bfloat16, float, float>{x.data(), weight.data(), y.data(),
                                                                                 inverse, n, x.ld(), y.ld(), 1, 1e-5f});
                         }));
            softmax =
                std::max(softmax, compare([&](auto& be, Rows& scores) {
                             const std::int32_t starts[2] = {0, static_cast<std::int32_t>(n / 3)};
                             float log_sum_exp[2];
                             attention_detail::Block block{};
                             block.rows = block.queries = 2;
                             block.cols = scores.ld();  // what is not seen becomes 0
                             block.first_visible = n - 1;
                             block.kv_heads = block.group = 1;
                             block.starts = starts;
                             be.rows(2, functor::CausalSoftmax<bfloat16, float>{scores.data(), log_sum_exp, 1, block});
                         }));
            entropy = std::max(entropy, compare([&](auto& be, Rows& logits) {
                                   const std::int32_t labels[2] = {static_cast<std::int32_t>(n - 1), ignored_label};
                                   float losses[2];
                                   be.rows(2, functor::SoftmaxCrossEntropy<bfloat16, float, float>{
                                                  logits.data(), labels, losses, n, logits.ld(), 1.0f, true});
                               }));
        }
    expect("RMSNorm of bfloat16 rows", norm, 1e-2);
    expect("causal softmax of bfloat16 rows", softmax, 1e-2);
    expect("cross-entropy of bfloat16 rows", entropy, 1e-2);
}

void trainings() {
    const auto compare = [](const char* what, const test::Trained& one, const test::Trained& team) {
        expect(what, test::difference(one.losses, team.losses, 1e-3), 1e-5);
    };
    for (test::Training training : test::trainings()) {
        training.steps = 2;  // the second loss sees what the first step did
        training.sequences = 2;
        training.length = 5;
        EigenBackend one({.threads = 1});
        test::TeamBackend<float> team(3);
        compare("adapters", test::train_adapters(one, training), test::train_adapters(team, training));
    }
    const test::Training whole{.steps = 2, .sequences = 2, .length = 5};
    EigenBackend one({.threads = 1});
    test::TeamBackend<float> team(3);
    compare("the whole model", test::train_whole(one, whole), test::train_whole(team, whole));
}

}  // namespace

int main() {
    bfloat16_rows(32, 34);  // each length takes a while: there are more threads than processors
    bfloat16_rows(3, 1);
    trainings();
    return failures;
}
