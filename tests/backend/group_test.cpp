// Row functors under a group of one and under teams of threads: the same work, however it is shared.
#include <doctest/doctest.h>

#include <hydralora/backend/compose/adamw.hpp>
#include <hydralora/backend/compose/dropout.hpp>
#include <hydralora/backend/compose/sgd.hpp>
#include <hydralora/backend/group.hpp>

#include "support/matrix.hpp"
#include "support/team.hpp"

namespace backend_group_test {

using namespace hydralora;
using test::random_matrix;

TEST_CASE("Solo is a group of one") {
    static_assert(Solo::rank() == 0 && Solo::size() == 1);
    CHECK(Solo::sum(2.5) == 2.5);
    CHECK(Solo::max(-3) == -3);
    Solo::sync();
}

namespace {
struct Combine {
    double* sums;
    double* most;
    template <class Group>
    void operator()(const Group& group, Index row) const {
        const double own = static_cast<double>(10 * row + group.rank());
        const double sum = group.sum(own);
        const double max = group.max(-own);
        if (group.rank() == group.size() - 1) {
            sums[row] = sum;
            most[row] = max;
        }
    }
};
}  // namespace

TEST_CASE("Team: sum and max combine over the members, row after row") {
    for (const int size : {1, 2, 3, 5}) {
        test::TeamBackend<float> be(size);
        double sums[4], most[4];
        be.rows(4, Combine{sums, most});
        for (int row = 0; row < 4; ++row) {
            CHECK(sums[row] == 10 * row * size + size * (size - 1) / 2);
            CHECK(most[row] == -10 * row);
        }
    }
}

TEST_CASE("dropout, adamw and sgd: a team does the work of one") {
    const double scale = 0.5;
    const auto run = [&](auto& be) {
        auto p = random_matrix<float>(7, 1100, 1, 3), y = random_matrix<float>(7, 1100, 2);
        const auto g = random_matrix<float>(7, 1100, 3);
        test::Matrix<float> m(7, 1100), v(7, 1100), b(7, 1100);
        const DropoutMask mask{.key = {Seed{5}, 1, 2}, .rows = {.first = 3}, .rate = 0.3};
        ops::dropout(be, g.cview(), mask, y.view(), Grad::accumulate);
        ops::adamw(be, p.view(), y.cview(), m.view(), v.view(),
                   {.decay = 0.9, .beta1 = 0.9, .beta2 = 0.99, .step = 0.1, .root = 0.5, .eps = 1e-8},
                   host_view(&scale, 1, 1));
        ops::sgd(be, p.view(), y.cview(), b.view(), {.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
        return p;
    };
    EigenBackend solo({.threads = 1});
    const auto expected = run(solo);
    for (const int size : {1, 2, 3}) {
        test::TeamBackend<float> team(size);
        const auto found = run(team);
        CHECK(test::max_difference(expected.view(), found.view()) <
              1e-6);  // a compiler may fuse multiply and add in one
        CHECK(found.padding_untouched());
    }
}

}  // namespace backend_group_test
