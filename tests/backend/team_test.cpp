// The cooperative logic of every row functor, under ThreadSanitizer: rows shared by teams of threads, as warps and blocks
// share them on a GPU. A missing sync is a race that the sanitizer reports, a wrong sum a loss that differs.
#include <cstdio>
#include <hydralora/hydralora.hpp>

#include "support/team.hpp"
#include "support/tiny_training.hpp"

int main() {
    using namespace hydralora;
    int failures = 0;
    const auto expect = [&](const char* what, const test::Trained& one, const test::Trained& team) {
        const double found = test::difference(one.losses, team.losses, 1e-3);
        std::printf("%-40s %.2e (at most 1e-05)\n", what, found);
        failures += found <= 1e-5 ? 0 : 1;
    };
    for (test::Training training : test::trainings()) {
        training.steps = 1;
        training.sequences = 2;
        training.length = 5;
        EigenBackend one({.threads = 1});
        test::TeamBackend<float> team(3);
        expect("adapters", test::train_adapters(one, training), test::train_adapters(team, training));
    }
    const test::Training whole{.steps = 1, .sequences = 2, .length = 5};
    EigenBackend one({.threads = 1});
    test::TeamBackend<float> team(3);
    expect("the whole model", test::train_whole(one, whole), test::train_whole(team, whole));
    return failures;
}
