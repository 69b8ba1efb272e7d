#include <hydralora/backend/compose/row_loops.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "support/team.hpp"

using namespace hydralora;

namespace {

/// Runs f on each member of a team of `size`.
template <class F>
void as_team(int size, F f) {
    test::Team::Shared shared(size);
    std::vector<std::thread> members;
    for (int rank = 0; rank < size; ++rank) members.emplace_back([&, rank] { f(test::Team(shared, rank)); });
    for (auto& member : members) member.join();
}

void check_loops(const auto& group, Index n, std::vector<double>& one, std::vector<double>& two) {
    const auto value = [](Index j) { return static_cast<double>((j * 7919) % 1009 - 504); };
    double sum = 0, top = value(0);
    for (Index j = 0; j < n; ++j) {
        sum += value(j);
        top = std::max(top, value(j));
    }
    const double found_sum = functor::row_sum<double>(group, n, value),
                 found_top = functor::row_max<double>(group, n, value);
    functor::row_map<double>(group, n, one.data(), value);
    group.sync();
    functor::row_map<double>(group, n, one.data(), two.data(), [&](Index j) {
        const double v = one[static_cast<std::size_t>(j)];
        return functor::Both<double>{v + 1, v - 1};
    });
    group.sync();
    functor::row_fill(group, n, n + 5, two.data(), 0.5);
    group.sync();
    if (group.rank() != 0) return;
    CHECK(found_sum == sum);  // integers: exact in any order
    CHECK(found_top == top);
    bool same = true;
    for (Index j = 0; j < n; ++j) {
        const auto i = static_cast<std::size_t>(j);
        same = same && one[i] == value(j) + 1 && two[i] == value(j) - 1;
    }
    for (Index j = n; j < n + 5; ++j) same = same && two[static_cast<std::size_t>(j)] == 0.5;
    same = same && one[static_cast<std::size_t>(n)] == 99 && two[static_cast<std::size_t>(n) + 5] == 99;
    CHECK(same);
}

}  // namespace

TEST_CASE("row loops: every element once, for rows of any length and groups of any size") {
    for (Index n = 1; n <= 130; n += n < 36 ? 1 : 13) {
        std::vector<double> one(static_cast<std::size_t>(n) + 6, 99), two = one;
        check_loops(Solo{}, n, one, two);
        for (const int size : {2, 3, 5}) {
            std::fill(one.begin(), one.end(), 99);
            std::fill(two.begin(), two.end(), 99);
            as_team(size, [&](const test::Team& team) { check_loops(team, n, one, two); });
        }
    }
}
