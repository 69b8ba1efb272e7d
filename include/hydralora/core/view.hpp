// Non-owning matrices: pointer, rows, cols, leading dimension; row-major; the memory space is part of the type.
#pragma once

#include <cstdint>
#include <type_traits>

#include "config.hpp"

namespace hydralora {

/// Signed, 64 bits: sizes, strides and token positions.
using Index = std::int64_t;

/// Memory spaces. A view of one does not convert to the other, so host memory handed to a GPU does not compile.
struct host {};
struct device {};

/// Shape of a matrix without its memory.
struct Shape {
    Index rows = 0, cols = 0;
    [[nodiscard]] constexpr bool empty() const { return rows == 0 || cols == 0; }
    [[nodiscard]] constexpr Index size() const { return rows * cols; }
    [[nodiscard]] constexpr Shape shape() const { return *this; }
    friend constexpr bool operator==(const Shape&, const Shape&) = default;
};

/// A (rows, cols) matrix in somebody else's memory: element (i, j) is data[i * ld + j], ld >= cols.
template <class T, class Space = host>
struct MatrixView {
    using value_type = std::remove_const_t<T>;
    using space = Space;

    T* data = nullptr;
    Index rows = 0, cols = 0, ld = 0;

    constexpr MatrixView() = default;
    HYDRALORA_HD constexpr MatrixView(T* d, Index r, Index c, Index l) : data(d), rows(r), cols(c), ld(l) {}
    HYDRALORA_HD constexpr MatrixView(T* d, Index r, Index c) : MatrixView(d, r, c, c) {}

    /// A view of mutable elements is also one of constant elements, in the same space.
    template <class U>
    requires(std::is_same_v<const U, T>) HYDRALORA_HD constexpr MatrixView(MatrixView<U, Space> other)
        : MatrixView(other.data, other.rows, other.cols, other.ld) {}

    HYDRALORA_HD constexpr T& operator()(Index i, Index j) const { return data[i * ld + j]; }
    HYDRALORA_HD constexpr T* row(Index i) const { return data + i * ld; }

    [[nodiscard]] constexpr MatrixView row_slice(Index begin, Index count) const {
        return {data + begin * ld, count, cols, ld};
    }
    [[nodiscard]] constexpr MatrixView col_slice(Index begin, Index count) const {
        return {data + begin, rows, count, ld};
    }

    [[nodiscard]] constexpr Shape shape() const { return {rows, cols}; }
    [[nodiscard]] constexpr Index size() const { return rows * cols; }
    [[nodiscard]] constexpr bool empty() const { return rows == 0 || cols == 0; }
    [[nodiscard]] constexpr bool contiguous() const { return ld == cols || rows <= 1; }
};

/// The caller's host memory as a (rows, cols) matrix with leading dimension `ld` (default: cols).
template <class T>
[[nodiscard]] constexpr MatrixView<T, host> host_view(T* data, Index rows, Index cols, Index ld) {
    return {data, rows, cols, ld};
}
template <class T>
[[nodiscard]] constexpr MatrixView<T, host> host_view(T* data, Index rows, Index cols) {
    return {data, rows, cols, cols};
}

/// The caller's device memory as a (rows, cols) matrix with leading dimension `ld` (default: cols).
template <class T>
[[nodiscard]] constexpr MatrixView<T, device> device_view(T* data, Index rows, Index cols, Index ld) {
    return {data, rows, cols, ld};
}
template <class T>
[[nodiscard]] constexpr MatrixView<T, device> device_view(T* data, Index rows, Index cols) {
    return {data, rows, cols, cols};
}

}  // namespace hydralora
