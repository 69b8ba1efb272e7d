// Whether the heads of an adapted linear have parted the work, and along which line: measures of the gates, taken token by
// token, and of the parameters.
//
// What counts is the mutual information of the chosen head with a labelling (the domain, the component of the corpus).
// The rest is context: a gate of low entropy chooses clearly, heads of low cosine differ, yet both may follow a partition
// that is nobody's task. With the token id as labelling, the same measure tells a gate that only reads the token.
//   T tokens, N heads, L labellings
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/mutual_information.hpp"
#include "../core/view.hpp"
#include "dense.hpp"
#include "similarity.hpp"

namespace hydralora {

/// How the arg-max gate follows one labelling.
struct LabelFit {
    std::string labelling;
    MutualInformation shared;  // rows: labels, columns: heads; counts the tokens that have a label

    [[nodiscard]] double nmi() const { return shared.normalised(); }
    /// Why nmi() is 0 by definition; empty where it was measured.
    [[nodiscard]] std::string undefined_because() const {
        if (shared.things == 0) return "no token has a label";
        if (shared.row_classes == 1) return "all tokens have one label";
        if (shared.column_classes == 1) return "all tokens choose one head";
        return {};
    }
};

struct RoutingReport {
    std::string linear = {};  // its name
    Index tokens = 0, heads = 0;
    double entropy = 0;                   // mean over tokens, of log N: 0 one head each, 1 even; 0 for N = 1
    std::vector<double> shares = {};      // (N), mean gate of each head, summing to 1
    Index dead_heads = 0;                 // with a share below RoutingHealth::dead_share of an even one
    std::vector<LabelFit> fits = {};      // (L)
    std::optional<double> movement = {};  // router_movement, where the caller measured it
    std::optional<double> cosine = {};    // mean_of_pairs of head_cosine, where the caller measured it

    [[nodiscard]] double largest_share() const { return *std::max_element(shares.begin(), shares.end()); }
    [[nodiscard]] double smallest_share() const { return *std::min_element(shares.begin(), shares.end()); }
};

/// ||W - W0|| / ||W0|| (Frobenius) of the router (N, in): how far it has gone from where it began.
template <class T, class U>
[[nodiscard]] double router_movement(MatrixView<T> now, MatrixView<U> start) {
    check(now.shape() == start.shape(), "router_movement: the router is (", now.rows, ", ", now.cols, "), its start (",
          start.rows, ", ", start.cols, "), expected one shape; keep a copy of the router that training began with");
    DoubleMatrix w = dense_detail::copy_finite("router_movement", now);
    const DoubleMatrix w0 = dense_detail::copy_finite("router_movement: start", start);
    const double size = std::sqrt(dense_detail::dot(w0.values.data(), w0.values.data(), w0.rows * w0.cols));
    check(size > 0,
          "router_movement: the start is all zero, so that no movement relative to it exists; report the norm");
    dense_detail::add_multiple(w.values.data(), -1, w0.values.data(), w.rows * w.cols);
    return std::sqrt(dense_detail::dot(w.values.data(), w.values.data(), w.rows * w.cols)) / size;
}

/// Takes the gates of one adapted linear batch by batch. Memory: N counts for each label that occurs.
class RoutingHealth {
public:
    /// A head is dead if its share is below this part of an even one, 1 / N.
    static constexpr double dead_share = 0.1;

    RoutingHealth(std::string linear, Index heads, std::vector<std::string> labellings)
        : linear_(std::move(linear)), heads_(heads), names_(std::move(labellings)), counts_(names_.size()) {
        check(heads_ >= 1, "RoutingHealth: ", linear_, ": heads = ", heads_, ", expected at least 1");
        sums_.assign(static_cast<std::size_t>(heads_), 0.0);
    }

    /// Gates (T, N), each row summing to 1, and labels (L, T): a negative one leaves the token out of that labelling, and a
    /// token without any label is padding and left out of everything (with L = 0 all tokens count). Of equal gates the first
    /// counts as the largest.
    template <class T, class Label>
    void add(MatrixView<T> gates, MatrixView<Label> labels) {
        const auto label_count = static_cast<Index>(names_.size());
        check(gates.cols == heads_, "RoutingHealth: ", linear_, ": the gates are (", gates.rows, ", ", gates.cols,
              "), expected (tokens, ", heads_, "), a column for each head");
        check(labels.rows == label_count && (label_count == 0 || labels.cols == gates.rows), "RoutingHealth: ", linear_,
              ": the labels are (", labels.rows, ", ", labels.cols, "), expected (", label_count, ", ", gates.rows,
              "), a row for each labelling and a column for each token");
        for (Index t = 0; t < gates.rows; ++t) check_row(gates, t);  // nothing is counted of a batch that is refused
        for (Index t = 0; t < gates.rows; ++t) {
            bool labelled = label_count == 0;
            for (Index l = 0; l < label_count; ++l) labelled = labelled || labels(l, t) >= 0;
            if (!labelled) continue;
            const std::size_t chosen = count_gates(gates, t);
            for (Index l = 0; l < label_count; ++l) {
                if (labels(l, t) < 0) continue;
                auto& row = counts_[static_cast<std::size_t>(l)][static_cast<std::int64_t>(labels(l, t))];
                row.resize(static_cast<std::size_t>(heads_));
                ++row[chosen];
            }
        }
    }
    template <class T>
    void add(MatrixView<T> gates) {
        add(gates, MatrixView<const std::int32_t>());
    }

    [[nodiscard]] Index tokens() const { return tokens_; }

    /// Of all tokens so far; movement and cosine are the caller's to fill in.
    [[nodiscard]] RoutingReport report() const {
        check(tokens_ > 0, "RoutingHealth: ", linear_, ": no tokens were added, expected at least one with a label");
        RoutingReport r{.linear = linear_, .tokens = tokens_, .heads = heads_};
        const auto n = static_cast<double>(tokens_), even = 1 / static_cast<double>(heads_);
        if (heads_ > 1) r.entropy = std::clamp(entropy_ / n / std::log(static_cast<double>(heads_)), 0.0, 1.0);
        for (const double sum : sums_) {
            r.shares.push_back(sum / n);
            r.dead_heads += r.shares.back() < dead_share * even ? 1 : 0;
        }
        for (std::size_t l = 0; l < names_.size(); ++l) {
            std::vector<Index> table;  // (labels, N)
            for (const auto& [label, row] : counts_[l]) table.insert(table.end(), row.begin(), row.end());
            const auto labels = static_cast<Index>(counts_[l].size());
            r.fits.push_back({names_[l], mutual_information(host_view(std::as_const(table).data(), labels, heads_))});
        }
        return r;
    }

private:
    template <class T>
    void check_row(MatrixView<T> gates, Index t) const {
        double sum = 0;
        for (Index i = 0; i < heads_; ++i) {
            const auto g = static_cast<double>(gates(t, i));
            check(g >= 0 && std::isfinite(g), "RoutingHealth: ", linear_, ": gate ", i, " of token ", t, " is ", g,
                  ", expected a finite number of at least 0");
            sum += g;
        }
        check(std::abs(sum - 1) < 0.02, "RoutingHealth: ", linear_, ": the gates of token ", t, " sum to ", sum,
              ", expected 1; without a router (Gate::none) there is no routing to measure");
    }

    /// Adds the token's gates to shares and entropy; returns the head of the largest.
    template <class T>
    std::size_t count_gates(MatrixView<T> gates, Index t) {
        double sum = 0, entropy = 0, most = -1;
        std::size_t chosen = 0;
        for (Index i = 0; i < heads_; ++i) sum += static_cast<double>(gates(t, i));
        for (Index i = 0; i < heads_; ++i) {
            const double g = static_cast<double>(gates(t, i)) / sum;  // gates of few digits sum to 1 only nearly
            sums_[static_cast<std::size_t>(i)] += g;
            if (g > 0) entropy -= g * std::log(g);
            if (g > most) {
                most = g;
                chosen = static_cast<std::size_t>(i);
            }
        }
        entropy_ += entropy;
        ++tokens_;
        return chosen;
    }

    std::string linear_;
    Index heads_ = 0, tokens_ = 0;
    std::vector<std::string> names_;                                  // (L)
    std::vector<std::map<std::int64_t, std::vector<Index>>> counts_;  // (L), label -> (N)
    std::vector<double> sums_;                                        // (N), of gates
    double entropy_ = 0;                                              // sum over tokens
};

}  // namespace hydralora
