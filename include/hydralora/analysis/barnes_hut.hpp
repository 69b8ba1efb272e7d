// What t-SNE needs for many points: joint probabilities of near neighbours only, and pushes from far groups as one.
//
// van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 15, 2014: section 4.1 for P, 4.2 for the tree;
// Barnes & Hut, "A hierarchical O(N log N) force-calculation algorithm", Nature 324, 1986. In two dimensions.
//   n points, k = 3 perplexity neighbours; Y (n, 2) the map
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/thread_pool.hpp"
#include "dense.hpp"
#include "nearest_neighbours.hpp"
#include "perplexity.hpp"

namespace hydralora {

/// P (n, n), symmetric, summing to 1, with the entries of row i at begin[i] .. begin[i + 1].
struct SparseJoint {
    std::vector<Index> begin;   // (n + 1)
    std::vector<Index> column;  // ascending in each row
    std::vector<double> value;

    [[nodiscard]] Index rows() const { return static_cast<Index>(begin.size()) - 1; }
};

namespace barnes_hut_detail {

constexpr Index block = 128;  // points a task; sums are taken a block, so that threads change no bit

template <class Task>
void for_each_point(ThreadPool& pool, Index n, const Task& task) {
    pool.run((n + block - 1) / block, [&](Index b, int) {
        for (Index i = b * block; i < std::min(n, (b + 1) * block); ++i) task(i);
    });
}

/// Squares in squares around the points of a map, in preorder.
class QuadTree {
public:
    explicit QuadTree(const DoubleMatrix& y) : order_(static_cast<std::size_t>(y.rows)) {
        std::iota(order_.begin(), order_.end(), Index{0});
        double low[2] = {y(0, 0), y(0, 1)}, high[2] = {y(0, 0), y(0, 1)};
        for (Index i = 0; i < y.rows; ++i)
            for (Index c = 0; c < 2; ++c) {
                check(std::isfinite(y(i, c)), "t_sne: the map is not finite; lower learning_rate");
                low[c] = std::min(low[c], y(i, c));
                high[c] = std::max(high[c], y(i, c));
            }
        nodes_.reserve(order_.size());
        scratch_.resize(order_.size());
        build(y, 0, y.rows, 0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]),
              std::max(high[0] - low[0], high[1] - low[1]), 0);
        // Points of a leaf side by side.
        points_ = DoubleMatrix(y.rows, 2);
        for (Index at = 0; at < y.rows; ++at) std::copy_n(y.row(point(at)), 2, points_.row(at));
    }

    /// The point at a place in the tree's order.
    [[nodiscard]] Index point(Index at) const { return order_[static_cast<std::size_t>(at)]; }

    /// Of the point at this place: push += sum_j q^2 (y_i - y_j); gives sum_j q, q = (1 + |y_i - y_j|^2)^-1.
    double push(Index at, double theta, double* push) const {
        const double x = points_(at, 0), y = points_(at, 1);
        double total = 0, push_x = 0, push_y = 0;
        const auto add = [&](double dx, double dy, double mass) {
            const double q = 1 / (1 + dx * dx + dy * dy);
            total += mass * q;
            push_x += mass * q * q * dx;
            push_y += mass * q * q * dy;
        };
        const double theta_squared = theta * theta;
        for (std::size_t i = 0; i < nodes_.size();) {
            const Node& node = nodes_[i];
            const double dx = x - node.x, dy = y - node.y;
            const bool own = at >= node.begin && at < node.end;
            const auto mass = static_cast<double>(node.end - node.begin);
            if (!own && node.width * node.width < theta_squared * (dx * dx + dy * dy)) {
                add(dx, dy, mass);
                i = node.next;
            } else if (node.kind == Kind::heap) {  // of points that are one but for rounding
                add(dx, dy, own ? mass - 1 : mass);
                i = node.next;
            } else {
                if (node.kind == Kind::leaf)
                    for (Index j = node.begin; j < node.end; ++j)
                        if (j != at) add(x - points_(j, 0), y - points_(j, 1), 1);
                ++i;
            }
        }
        push[0] += push_x;
        push[1] += push_y;
        return total;
    }

private:
    enum class Kind { inner, leaf, heap };

    struct Node {
        double x, y;  // the mean of its points
        double width;
        Index begin, end;  // its points, in the tree's order
        std::size_t next;  // the node after all that are in this one
        Kind kind;
    };

    static constexpr Index leaf = 6;    // points
    static constexpr int deepest = 48;  // halvings of the width: rounding in the numbers is about there

    void build(const DoubleMatrix& y, Index begin, Index end, double x_mid, double y_mid, double width, int depth) {
        const std::size_t self = nodes_.size();
        double sum[2] = {};
        for (Index i = begin; i < end; ++i)
            for (Index c = 0; c < 2; ++c) sum[c] += y(point(i), c);
        const auto count = static_cast<double>(end - begin);
        const Kind kind = end - begin <= leaf ? Kind::leaf : depth == deepest || width <= 0 ? Kind::heap : Kind::inner;
        nodes_.push_back({sum[0] / count, sum[1] / count, width, begin, end, self + 1, kind});
        if (kind != Kind::inner) return;
        const auto quadrant = [&](Index i) { return (y(i, 0) >= x_mid ? 1 : 0) + (y(i, 1) >= y_mid ? 2 : 0); };
        Index starts[5] = {};
        for (Index i = begin; i < end; ++i) ++starts[quadrant(point(i)) + 1];
        for (int q = 0; q < 4; ++q) starts[q + 1] += starts[q];
        Index places[4] = {starts[0], starts[1], starts[2], starts[3]};
        for (Index i = begin; i < end; ++i)
            scratch_[static_cast<std::size_t>(begin + places[quadrant(point(i))]++)] = point(i);
        std::copy(scratch_.begin() + begin, scratch_.begin() + end, order_.begin() + begin);
        for (int q = 0; q < 4; ++q)
            if (starts[q] < starts[q + 1])
                build(y, begin + starts[q], begin + starts[q + 1], x_mid + (q % 2 == 1 ? 0.25 : -0.25) * width,
                      y_mid + (q >= 2 ? 0.25 : -0.25) * width, 0.5 * width, depth + 1);
        nodes_[self].next = nodes_.size();
    }

    std::vector<Node> nodes_;
    std::vector<Index> order_, scratch_;
    DoubleMatrix points_;  // (n, 2), in the tree's order
};

/// push (n, 2) = sum_j q_ij^2 (y_i - y_j); gives sum_ij q_ij.
inline double pushes(const DoubleMatrix& y, double theta, ThreadPool& pool, DoubleMatrix& push) {
    const QuadTree tree(y);
    std::vector<double> totals(static_cast<std::size_t>((y.rows + block - 1) / block));
    for_each_point(pool, y.rows, [&](Index at) {
        totals[static_cast<std::size_t>(at / block)] += tree.push(at, theta, push.row(tree.point(at)));
    });
    return std::accumulate(totals.begin(), totals.end(), 0.0);
}

inline void check_shapes(const SparseJoint& p, const DoubleMatrix& y) {
    check(!p.begin.empty() && p.rows() == y.rows && y.rows >= 2 && y.cols == 2, "barnes_hut: P has ",
          static_cast<Index>(p.begin.size()) - 1, " rows, Y is (", y.rows, ", ", y.cols,
          "), expected (n, 2) and n rows, n at least 2");
}

}  // namespace barnes_hut_detail

/// Of the points x (n, d): p_ij = (p_j|i + p_i|j) / 2n with p_j|i over the floor(3 perplexity) nearest of i alone.
template <class T>
[[nodiscard]] SparseJoint sparse_joint_probabilities(MatrixView<T> x, double perplexity, ThreadPool& pool) {
    const Index n = x.rows, d = x.cols;
    check(n >= 2 && d >= 1, "t_sne: x is (", n, ", ", d, "), expected at least 2 points of 1 dimension");
    t_sne_detail::check_perplexity(n, perplexity);
    const Neighbours neighbours = nearest_neighbours(dense_detail::copy_finite("t_sne: x", x),
                                                     std::min(n - 1, static_cast<Index>(3 * perplexity)), pool);
    std::vector<double> conditional(neighbours.squared.size());  // (n, k)
    barnes_hut_detail::for_each_point(pool, n, [&](Index i) {
        t_sne_detail::conditional(neighbours.squared.data() + i * neighbours.count, neighbours.count, -1, perplexity,
                                  conditional.data() + i * neighbours.count);
    });
    std::vector<std::vector<std::pair<Index, double>>> rows(static_cast<std::size_t>(n));
    for (Index i = 0; i < n; ++i)
        for (Index c = 0; c < neighbours.count; ++c) {
            const auto e = static_cast<std::size_t>(i * neighbours.count + c);
            const double half = conditional[e] / (2 * static_cast<double>(n));
            rows[static_cast<std::size_t>(i)].emplace_back(neighbours.index[e], half);
            rows[static_cast<std::size_t>(neighbours.index[e])].emplace_back(i, half);
        }
    SparseJoint p;
    p.begin.push_back(0);
    for (auto& row : rows) {
        std::sort(row.begin(), row.end());
        for (std::size_t e = 0; e < row.size(); ++e) {
            if (e > 0 && row[e].first == row[e - 1].first) {
                p.value.back() += row[e].second;
                continue;
            }
            p.column.push_back(row[e].first);
            p.value.push_back(row[e].second);
        }
        p.begin.push_back(static_cast<Index>(p.column.size()));
    }
    return p;
}

/// dY (n, 2) = 4 sum_j (exaggeration p_ij - q_ij) (y_i - y_j) (1 + |y_i - y_j|^2)^-1, with the sum over q by the tree;
/// exact but for rounding at theta = 0.
inline void barnes_hut_gradient(const SparseJoint& p, const DoubleMatrix& y, double exaggeration, double theta,
                                ThreadPool& pool, DoubleMatrix& dy) {
    barnes_hut_detail::check_shapes(p, y);
    check(dy.rows == y.rows && dy.cols == 2, "barnes_hut: dY is (", dy.rows, ", ", dy.cols, "), expected (", y.rows,
          ", 2)");
    DoubleMatrix push(y.rows, 2);
    const double total = barnes_hut_detail::pushes(y, theta, pool, push);
    barnes_hut_detail::for_each_point(pool, y.rows, [&](Index i) {
        double pull[2] = {};
        for (Index e = p.begin[static_cast<std::size_t>(i)]; e < p.begin[static_cast<std::size_t>(i) + 1]; ++e) {
            const double* other = y.row(p.column[static_cast<std::size_t>(e)]);
            const double dx = y(i, 0) - other[0], d = y(i, 1) - other[1];
            const double pq = p.value[static_cast<std::size_t>(e)] / (1 + dx * dx + d * d);
            pull[0] += pq * dx;
            pull[1] += pq * d;
        }
        for (Index c = 0; c < 2; ++c) dy(i, c) = 4 * (exaggeration * pull[c] - push(i, c) / total);
    });
}

/// KL(P || Q) of a map, with the sum over q by the tree.
[[nodiscard]] inline double barnes_hut_divergence(const SparseJoint& p, const DoubleMatrix& y, double theta,
                                                  ThreadPool& pool) {
    barnes_hut_detail::check_shapes(p, y);
    DoubleMatrix push(y.rows, 2);
    const double total = barnes_hut_detail::pushes(y, theta, pool, push);
    double sum = 0, mass = 0;
    for (Index i = 0; i < y.rows; ++i)
        for (Index e = p.begin[static_cast<std::size_t>(i)]; e < p.begin[static_cast<std::size_t>(i) + 1]; ++e) {
            const double value = p.value[static_cast<std::size_t>(e)];
            const double* other = y.row(p.column[static_cast<std::size_t>(e)]);
            const double dx = y(i, 0) - other[0], d = y(i, 1) - other[1];
            mass += value;
            if (value > 0) sum += value * (std::log(value) + std::log(1 + dx * dx + d * d));
        }
    return sum + mass * std::log(total);
}

}  // namespace hydralora
