// A backend whose rows are shared by a team of threads: the cooperative logic of row functors, run without a GPU.
#pragma once

#include <algorithm>
#include <barrier>
#include <cstddef>
#include <hydralora/eigen/eigen_backend.hpp>
#include <thread>
#include <vector>

namespace test {

/// Member `rank` of a team: sum and max add the members' values in order of rank.
class Team {
public:
    struct Shared {
        explicit Shared(int n) : size(n), barrier(n), slots(static_cast<std::size_t>(n)) {}
        int size;
        std::barrier<> barrier;
        std::vector<double> slots;
    };

    Team(Shared& shared, int rank) : shared_(&shared), rank_(rank) {}

    [[nodiscard]] int rank() const { return rank_; }
    [[nodiscard]] int size() const { return shared_->size; }
    void sync() const { shared_->barrier.arrive_and_wait(); }

    template <class T>
    T sum(T value) const {
        return combine(value, [](T a, T b) { return a + b; });
    }
    template <class T>
    T max(T value) const {
        return combine(value, [](T a, T b) { return b > a ? b : a; });
    }

private:
    template <class T, class Combine>
    T combine(T value, Combine combine) const {
        shared_->slots[static_cast<std::size_t>(rank_)] = static_cast<double>(value);
        sync();
        T result = static_cast<T>(shared_->slots[0]);
        for (std::size_t i = 1; i < shared_->slots.size(); ++i)
            result = combine(result, static_cast<T>(shared_->slots[i]));
        sync();  // nobody writes the next value before all have read this one
        return result;
    }

    Shared* shared_;
    int rank_;
};

/// Eigen's products, but every row of `rows` and every segment is shared by `team` threads.
template <class T>
class TeamBackend : public hydralora::BasicEigenBackend<T> {
public:
    explicit TeamBackend(int team) : hydralora::BasicEigenBackend<T>({.threads = 1}), team_(team) {}

    template <class F>
    void rows(hydralora::Index n, F f) {
        as_team([n, f](const Team& team) {
            for (hydralora::Index i = 0; i < n; ++i) {
                f(team, i);
                team.sync();
            }
        });
    }

    template <class F>
    void segments(hydralora::MatrixView<const std::int32_t> ids, F f) {
        hydralora::BasicEigenBackend<T>::segments(ids, Spread<F>{this, f});
    }

private:
    template <class F>
    struct Spread {
        TeamBackend* be;
        F f;
        void operator()(const hydralora::Solo&, std::int32_t id, const hydralora::Index* at, hydralora::Index n) const {
            be->as_team([this, id, at, n](const Team& team) { f(team, id, at, n); });
        }
    };

    template <class Work>
    void as_team(const Work& work) {
        Team::Shared shared(team_);
        std::vector<std::thread> others;
        for (int rank = 1; rank < team_; ++rank) others.emplace_back([&, rank] { work(Team(shared, rank)); });
        work(Team(shared, 0));
        for (auto& thread : others) thread.join();
    }

    int team_;
};

}  // namespace test
