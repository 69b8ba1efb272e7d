// The rows that are clustered: sparse (CSR, owning) or dense (a view of the caller's memory). What the algorithms need of
// either is written once, on `for_each_entry`. Sums run in double and in the order of the columns.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"

namespace hydralora::corpus {

/// A sparse matrix by rows: row i holds entries begin[i] .. begin[i + 1] - 1, columns ascending within a row.
template <class T = double>
struct SparseRows {
    using value_type = T;

    Index rows = 0, cols = 0;
    std::vector<std::size_t> begin{0};  // (rows + 1)
    std::vector<std::uint32_t> column;
    std::vector<T> value;

    [[nodiscard]] std::span<const std::uint32_t> columns_of(Index i) const { return part(column, i); }
    [[nodiscard]] std::span<const T> values_of(Index i) const { return part(value, i); }

private:
    template <class V>
    [[nodiscard]] std::span<const V> part(const std::vector<V>& all, Index i) const {
        const auto row = static_cast<std::size_t>(i);
        return {all.data() + begin[row], begin[row + 1] - begin[row]};
    }
};

/// Dense rows in the caller's memory.
template <class T = double>
using DenseRows = MatrixView<const T>;

template <class R>
inline constexpr bool is_sparse = false;
template <class T>
inline constexpr bool is_sparse<SparseRows<T>> = true;

/// Sparse or dense rows of float or double.
template <class R>
concept Rows =
    (is_sparse<R> || std::is_same_v<R, MatrixView<const typename R::value_type>> ||
     std::is_same_v<R, MatrixView<typename R::value_type>>)&&std::is_floating_point_v<typename R::value_type>;

/// f(column, value) for each stored entry of row i: all columns of a dense row.
template <Rows R, class F>
void for_each_entry(const R& rows, Index i, F&& f) {
    if constexpr (is_sparse<R>) {
        const auto columns = rows.columns_of(i);
        const auto values = rows.values_of(i);
        for (std::size_t e = 0; e < columns.size(); ++e) f(std::size_t{columns[e]}, static_cast<double>(values[e]));
    } else {
        for (Index j = 0; j < rows.cols; ++j) f(static_cast<std::size_t>(j), static_cast<double>(rows(i, j)));
    }
}

template <Rows R>
[[nodiscard]] double squared_norm(const R& rows, Index i) {
    double sum = 0;
    for_each_entry(rows, i, [&](std::size_t, double v) { sum += v * v; });
    return sum;
}

template <Rows R>
[[nodiscard]] std::vector<double> squared_norms(const R& rows) {
    std::vector<double> norms(static_cast<std::size_t>(rows.rows));
    for (Index i = 0; i < rows.rows; ++i) norms[static_cast<std::size_t>(i)] = squared_norm(rows, i);
    return norms;
}

/// Row i of `rows` times the dense vector `point`.
template <Rows R>
[[nodiscard]] double dot(const R& rows, Index i, const double* point) {
    double sum = 0;
    for_each_entry(rows, i, [&](std::size_t j, double v) { sum += v * point[j]; });
    return sum;
}

/// |x|^2 - 2 x.c + |c|^2, with 0 for what cannot be told from 0 in double.
[[nodiscard]] inline double squared_distance_of(double x_norm, double product, double c_norm) {
    const double distance = x_norm - 2 * product + c_norm;
    return distance > 16 * std::numeric_limits<double>::epsilon() * (x_norm + c_norm) ? distance : 0;
}

/// Squared Euclidean distance of row i to the dense vector `point`: over differences for dense rows, by the norms (which
/// the caller has) for sparse ones.
template <Rows R>
[[nodiscard]] double squared_distance(const R& rows, Index i, double row_norm, const double* point, double point_norm) {
    if constexpr (is_sparse<R>) {
        return squared_distance_of(row_norm, dot(rows, i, point), point_norm);
    } else {
        double sum = 0;
        for_each_entry(rows, i, [&](std::size_t j, double v) { sum += (v - point[j]) * (v - point[j]); });
        return sum;
    }
}

/// Adds row i to a dense vector.
template <Rows R>
void add_row(const R& rows, Index i, double* to) {
    for_each_entry(rows, i, [&](std::size_t j, double v) { to[j] += v; });
}

/// One row at a time as a dense vector; the rest of it is 0.
template <Rows R>
class DenseRow {
public:
    explicit DenseRow(const R& rows) : rows_(rows), values_(static_cast<std::size_t>(rows.cols), 0.0) {}
    const double* load(Index i) {
        if (loaded_ >= 0) for_each_entry(rows_, loaded_, [&](std::size_t j, double) { values_[j] = 0; });
        add_row(rows_, i, values_.data());
        loaded_ = i;
        return values_.data();
    }

private:
    const R& rows_;
    std::vector<double> values_;
    Index loaded_ = -1;
};

/// Whether two rows have the same entries, bit for bit in value.
template <Rows R>
[[nodiscard]] bool equal_rows(const R& rows, Index a, Index b) {
    if constexpr (is_sparse<R>) {
        const auto columns_a = rows.columns_of(a), columns_b = rows.columns_of(b);
        const auto values_a = rows.values_of(a), values_b = rows.values_of(b);
        if (columns_a.size() != columns_b.size()) return false;
        for (std::size_t e = 0; e < columns_a.size(); ++e)
            if (columns_a[e] != columns_b[e] || values_a[e] != values_b[e]) return false;
    } else {
        for (Index j = 0; j < rows.cols; ++j)
            if (rows(a, j) != rows(b, j)) return false;
    }
    return true;
}

/// How many different rows there are, counted up to `enough`.
template <Rows R>
[[nodiscard]] Index distinct_rows(const R& rows, Index enough) {
    std::vector<Index> different;
    for (Index i = 0; i < rows.rows && static_cast<Index>(different.size()) < enough; ++i) {
        bool seen = false;
        for (const Index other : different) seen = seen || equal_rows(rows, i, other);
        if (!seen) different.push_back(i);
    }
    return static_cast<Index>(different.size());
}

/// Refuses what no algorithm here can work on. `who` begins the message.
template <Rows R>
void check_rows(const char* who, const R& rows) {
    check(rows.rows > 0, who, ": 0 rows, expected at least 1: there is nothing to cluster");
    check(rows.cols > 0, who, ": the rows have 0 columns, expected at least 1");
    if constexpr (is_sparse<R>) {
        check(rows.begin.size() == static_cast<std::size_t>(rows.rows) + 1 && rows.begin.front() == 0 &&
                  rows.begin.back() == rows.value.size() && rows.column.size() == rows.value.size(),
              who, ": ", rows.rows, " sparse rows with ", rows.begin.size(), " beginnings, ", rows.column.size(),
              " columns and ", rows.value.size(),
              " values; expected rows + 1 beginnings, from 0 to the number of values");
        for (std::size_t i = 0; i + 1 < rows.begin.size(); ++i)
            check(rows.begin[i] <= rows.begin[i + 1], who, ": row ", i, " begins at entry ", rows.begin[i],
                  " and ends at ", rows.begin[i + 1], "; expected beginnings that do not fall");
    } else {
        check(rows.data != nullptr && rows.ld >= rows.cols, who, ": a view with ",
              rows.data == nullptr ? "no memory" : "memory", " and ld = ", rows.ld,
              ", expected memory and ld >= cols = ", rows.cols);
    }
    for (Index i = 0; i < rows.rows; ++i) {
        double norm = 0;
        std::size_t next = 0;
        for_each_entry(rows, i, [&](std::size_t j, double v) {
            check(j < static_cast<std::size_t>(rows.cols), who, ": row ", i, " has an entry in column ", j,
                  ", expected below ", rows.cols);
            check(j >= next, who, ": row ", i, " has column ", j, " after column ", next - 1,
                  ", expected ascending columns, each once");
            next = j + 1;
            check(std::isfinite(v), who, ": row ", i, ", column ", j, " is ", v, ", expected a finite number");
            norm += v * v;
        });
        check(norm <= 1e280, who, ": row ", i, " has a norm of ", std::sqrt(norm),
              ", expected at most 1e140: scale the rows");
    }
}

}  // namespace hydralora::corpus
