#include <hydralora/backend/compose/row_loops.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "support/team.hpp"

namespace backend_compose_row_loops_test {

using namespace hydralora;
using functor::Out;

namespace {

/// Runs f on each member of a team of `size`.
template <class F>
void as_team(int size, F f) {
    test::Team::Shared shared(size);
    std::vector<std::thread> members;
    for (int rank = 0; rank < size; ++rank) members.emplace_back([&, rank] { f(test::Team(shared, rank)); });
    for (auto& member : members) member.join();
}

/// An array of n elements that begins `offset` elements after 16 bytes, between two others that nobody may touch.
template <class T>
class Array {
public:
    Array(Index n, Index offset, float value) : memory_(static_cast<std::size_t>(n + offset + 16) / 8 + 2), n_(n) {
        begin_ = &memory_[0].element[0] + 8 + offset;
        for (Index j = -8 - offset; j < n + 8; ++j) begin_[j] = static_cast<T>(j < 0 || j >= n ? 99.0f : value);
    }
    T* data() { return begin_; }
    double operator[](Index j) const { return widened<double>(begin_[j]); }
    [[nodiscard]] bool surroundings_untouched() const {
        bool same = true;
        for (Index j = 1; j <= 8; ++j) same = same && (*this)[-j] == 99 && (*this)[n_ + j - 1] == 99;
        return same;
    }

private:
    std::vector<functor::row_detail::Run<T>> memory_;
    T* begin_;
    Index n_;
};

double value(Index j) { return static_cast<double>((j * 79) % 101 - 50); }  // exact in bfloat16, as sums are in double

/// Loops after one another without a sync between them: each member goes on with what it wrote itself.
template <class T>
void check_loops(const auto& group, Index n, Index first, Index second, Array<T>& one, Array<float>& two) {
    T* const a = one.data();
    float* const b = two.data();
    functor::row_map<double>(
        group, n, [](double x, double& y) { y = x + 1; }, static_cast<const T*>(a), Out{b});
    functor::row_map<double>(
        group, n,
        [](double& x, double& y) {
            const double before = x;
            x = y - 2;  // value - 1
            y = before;
        },
        a, b);
    const double sum = functor::row_sum<double>(
        group, n, [](double x, double y) { return 3 * x - y; }, static_cast<const T*>(a), static_cast<const float*>(b));
    const double top = n > 0 ? functor::row_max<double>(group, n, b) : 0;
    if (group.rank() == 0) {
        double expected = 0, largest = n > 0 ? value(0) : 0;
        for (Index j = 0; j < n; ++j) {
            expected += 3 * (value(j) - 1) - value(j);
            largest = std::max(largest, value(j));
        }
        CHECK(sum == expected);  // integers: exact in any order
        CHECK(top == largest);
    }
    group.sync();
    functor::row_fill(group, first, second, b, 0.5f);
    group.sync();
    if (group.rank() != 0) return;
    bool same = one.surroundings_untouched() && two.surroundings_untouched();
    for (Index j = 0; j < n; ++j)
        same = same && one[j] == value(j) - 1 && two[j] == (j >= first && j < second ? 0.5 : value(j));
    CHECK(same);
}

/// For arrays that begin on 16 bytes, and for such as do not.
template <class T>
void check_all(Index n) {
    for (const Index offset : {0, 1, 4, 7})
        for (const Index other : {0, 3, 4}) {
            const Index first = n / 3, second = n - n / 4;
            const auto check = [&](auto&& run) {
                Array<T> one(n, offset, 0);
                Array<float> two(n, other, 0);
                for (Index j = 0; j < n; ++j) one.data()[j] = static_cast<T>(static_cast<float>(value(j)));
                run([&](const auto& group) { check_loops(group, n, first, second, one, two); });
            };
            check([](auto&& loops) { loops(Solo{}); });
            for (const int size : {2, 3}) check([size](auto&& loops) { as_team(size, loops); });
        }
}

}  // namespace

TEST_CASE("row loops: every element once, wherever arrays begin, for rows of any length and groups of any size") {
    for (Index n = 0; n <= 70; n += n < 36 ? 1 : 5) {
        check_all<bfloat16>(n);
        check_all<float>(n);
        if (n % 5 == 0) check_all<double>(n);
    }
    const Index n = 32 * 8 * 2 + 13;  // each of a warp's members has whole runs, and one has a part of one
    Array<bfloat16> one(n, 0, 0);
    Array<float> two(n, 4, 0);
    for (Index j = 0; j < n; ++j) one.data()[j] = static_cast<bfloat16>(static_cast<float>(value(j)));
    as_team(32, [&](const test::Team& team) { check_loops(team, n, 0, 0, one, two); });
}

TEST_CASE("row loops: a sum has the same bits wherever its arrays begin") {
    for (const int size : {1, 3})
        for (const Index n : {7, 64, 301}) {
            std::vector<float> sums;
            for (const Index offset : {0, 1, 4}) {
                Array<float> in(n, offset, 0);
                for (Index j = 0; j < n; ++j) in.data()[j] = 1.0f / static_cast<float>(j + 1);
                as_team(size, [&](const test::Team& team) {
                    const float sum = functor::row_sum<float>(
                        team, n, [](float x) { return x * x; }, static_cast<const float*>(in.data()));
                    if (team.rank() == 0) sums.push_back(sum);
                });
            }
            CHECK(sums[0] == sums[1]);
            CHECK(sums[0] == sums[2]);
        }
}

TEST_CASE("row loops: pieces of a row, each element once; the owner of an element writes it") {
    for (const Index length : {3, 8, 20}) {
        const Index pieces = 5, stride = length + 3;
        const auto run = [&](const auto& group, Array<float>& out, const Array<float>&) {
            functor::row_map_pieces<float>(
                group, pieces, length, [](float& x) { x += 1; }, functor::Pieces{out.data(), stride});
        };
        for (const int size : {0, 2, 3}) {
            Array<float> out(pieces * stride, 0, 2);
            if (size == 0)
                run(Solo{}, out, out);
            else
                as_team(size, [&](const test::Team& team) { run(team, out, out); });
            for (Index j = 0; j < pieces * stride; ++j) CHECK(out[j] == (j % stride < length ? 3 : 2));
        }
    }
    std::vector<int> owner(40, -1);
    as_team(3, [&](const test::Team& team) {
        functor::row_map<double>(
            team, 40, [&](double& x) { x = team.rank(); }, owner.data());
        for (Index j = 0; j < 40; ++j)
            if (functor::row_owner(team, j) == team.rank()) owner[static_cast<std::size_t>(j)] -= team.rank();
    });
    for (const int left : owner) CHECK(left == 0);
}

}  // namespace backend_compose_row_loops_test
