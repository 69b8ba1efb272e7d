// The nearest neighbours of all rows of a matrix, exact, by a vantage-point tree.
//
// Yianilos, "Data structures and algorithms for nearest neighbor search in general metric spaces", SODA 1993: a ball around
// a point splits the others in halves; a search leaves out the half that the triangle inequality excludes. In many
// dimensions without structure it excludes little, and a search looks at all points.
//   n points, d dimensions, k neighbours
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/thread_pool.hpp"
#include "dense.hpp"

namespace hydralora {

/// Of each point its k nearest others, by Euclidean distance; of those equally far the ones with the lower number.
struct Neighbours {
    Index count = 0;              // k
    std::vector<Index> index;     // (n, k)
    std::vector<double> squared;  // (n, k), squared distances, ascending
};

namespace neighbours_detail {

class VantageTree {
public:
    explicit VantageTree(const DoubleMatrix& points) : points_(points), order_(static_cast<std::size_t>(points.rows)) {
        std::iota(order_.begin(), order_.end(), Index{0});
        radius_.resize(order_.size());
        build(0, points.rows);
    }

    /// Writes k neighbours of point i, ascending.
    void search(Index i, Index k, Index* index, double* squared) const {
        Search s{i, static_cast<std::size_t>(k), {}};
        s.heap.reserve(s.count + 1);
        visit(0, points_.rows, s);
        std::sort_heap(s.heap.begin(), s.heap.end());
        for (Index c = 0; c < k; ++c) std::tie(squared[c], index[c]) = s.heap[static_cast<std::size_t>(c)];
    }

private:
    using Found = std::pair<double, Index>;  // squared distance, number

    struct Search {
        Index point;
        std::size_t count;
        std::vector<Found> heap;  // the farthest first

        [[nodiscard]] double reach() const {
            return heap.size() < count ? std::numeric_limits<double>::infinity() : std::sqrt(heap.front().first);
        }
    };

    static constexpr Index leaf = 16;  // points that are looked at one by one

    [[nodiscard]] double squared(Index i, Index j) const {
        const double *a = points_.row(i), *b = points_.row(j);
        double sum[4] = {};
        Index c = 0;
        for (; c + 4 <= points_.cols; c += 4)
            for (Index l = 0; l < 4; ++l) sum[l] += (a[c + l] - b[c + l]) * (a[c + l] - b[c + l]);
        for (; c < points_.cols; ++c) sum[0] += (a[c] - b[c]) * (a[c] - b[c]);
        const double total = (sum[0] + sum[2]) + (sum[1] + sum[3]);
        check(std::isfinite(total), "nearest_neighbours: the squared distance of points ", i, " and ", j,
              " overflows; scale the points down");
        return total;
    }

    /// Order of [begin, end): the vantage point, the half within its radius, the half not within. Halves by number, so
    /// that the depth is log2 n whatever the points, equal ones too.
    void build(Index begin, Index end) {
        if (end - begin <= leaf) return;
        const auto at = [&](Index i) { return order_.begin() + i; };
        std::iter_swap(at(begin), at(begin + (end - begin) / 2));
        const Index vantage = *at(begin), middle = begin + 1 + (end - begin - 1) / 2;
        std::vector<Found> others;
        others.reserve(static_cast<std::size_t>(end - begin - 1));
        for (Index i = begin + 1; i < end; ++i) others.emplace_back(squared(vantage, *at(i)), *at(i));
        std::nth_element(others.begin(), others.begin() + (middle - begin - 1), others.end());
        radius_[static_cast<std::size_t>(begin)] =
            std::sqrt(others[static_cast<std::size_t>(middle - begin - 1)].first);
        for (Index i = begin + 1; i < end; ++i) *at(i) = others[static_cast<std::size_t>(i - begin - 1)].second;
        build(begin + 1, middle);
        build(middle, end);
    }

    double look(Index j, Search& s) const {
        const double distance = squared(s.point, j);
        if (j == s.point) return distance;
        const Found found{distance, j};
        if (s.heap.size() < s.count || found < s.heap.front()) {
            s.heap.push_back(found);
            std::push_heap(s.heap.begin(), s.heap.end());
            if (s.heap.size() > s.count) {
                std::pop_heap(s.heap.begin(), s.heap.end());
                s.heap.pop_back();
            }
        }
        return distance;
    }

    void visit(Index begin, Index end, Search& s) const {
        if (end - begin <= leaf) {
            for (Index i = begin; i < end; ++i) look(order_[static_cast<std::size_t>(i)], s);
            return;
        }
        const Index middle = begin + 1 + (end - begin - 1) / 2;
        const double distance = std::sqrt(look(order_[static_cast<std::size_t>(begin)], s));
        const double radius = radius_[static_cast<std::size_t>(begin)];
        const double rounding = 1e-12 * (distance + radius);
        const bool inside = distance < radius;
        for (const bool inner : {inside, !inside}) {  // the likelier half first
            const double apart = inner ? distance - radius : radius - distance;
            if (apart > s.reach() + rounding) continue;
            inner ? visit(begin + 1, middle, s) : visit(middle, end, s);
        }
    }

    const DoubleMatrix& points_;
    std::vector<Index> order_;
    std::vector<double> radius_;  // of the vantage point at this place in the order
};

}  // namespace neighbours_detail

/// For each row of points (n, d), 1 <= count < n. The same for any number of threads.
[[nodiscard]] inline Neighbours nearest_neighbours(const DoubleMatrix& points, Index count, ThreadPool& pool) {
    const Index n = points.rows;
    check(count >= 1 && count < n, "nearest_neighbours: ", count, " neighbours of ", n, " points, expected 1 to ",
          n - 1);
    const neighbours_detail::VantageTree tree(points);
    Neighbours found{count, std::vector<Index>(static_cast<std::size_t>(n * count)),
                     std::vector<double>(static_cast<std::size_t>(n * count))};
    constexpr Index block = 64;
    pool.run((n + block - 1) / block, [&](Index b, int) {
        for (Index i = b * block; i < std::min(n, (b + 1) * block); ++i)
            tree.search(i, count, found.index.data() + i * count, found.squared.data() + i * count);
    });
    return found;
}

}  // namespace hydralora
