// A tensor of a file: name, element type, shape and place.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "dtype.hpp"

namespace hydralora::io {

/// Dimensions of a tensor, 8 at most; none for a scalar.
class TensorShape {
public:
    static constexpr std::size_t most = 8;

    TensorShape() = default;
    TensorShape(std::initializer_list<Index> dims) {
        for (const Index dim : dims) push(dim);
    }
    explicit TensorShape(Shape matrix) : TensorShape{matrix.rows, matrix.cols} {}

    void push(Index dim) {
        check(rank_ < most, "TensorShape: more than ", most, " dimensions");
        dims_[rank_++] = dim;
    }
    [[nodiscard]] std::span<const Index> dims() const { return {dims_.data(), rank_}; }

    /// As a matrix: the last dimension across, all others down; a vector is one row, a scalar (1, 1).
    [[nodiscard]] Shape matrix() const {
        Shape shape{1, rank_ == 0 ? 1 : dims_[rank_ - 1]};
        for (std::size_t i = 0; i + 1 < rank_; ++i) shape.rows *= dims_[i];
        return shape;
    }
    [[nodiscard]] std::string text() const {
        std::string result = "[";
        for (std::size_t i = 0; i < rank_; ++i) result += (i > 0 ? ", " : "") + std::to_string(dims_[i]);
        return result += ']';
    }
    friend bool operator==(const TensorShape& a, const TensorShape& b) {
        return std::ranges::equal(a.dims(), b.dims());
    }

private:
    std::array<Index, most> dims_{};
    std::size_t rank_ = 0;
};

/// One tensor of a file. Offsets count from the beginning of the file.
struct TensorEntry {
    std::string name;
    Dtype dtype = Dtype::f32;
    TensorShape shape;
    std::uint64_t begin = 0, end = 0;
};

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// Limits of the format and of this reader.
struct SafetensorsLimits {
    static constexpr std::uint64_t header_bytes = 100'000'000;  // the reference implementation's limit
    static constexpr std::size_t tensors = std::size_t{1} << 18;
    static constexpr std::size_t metadata = std::size_t{1} << 16;
    static constexpr std::size_t depth = 4;
};

}  // namespace hydralora::io
