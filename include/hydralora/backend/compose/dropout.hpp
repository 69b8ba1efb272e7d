// Dropout whose mask is a pure function of (key, element): made again in backward, never stored.
#pragma once

#include "../../core/check.hpp"
#include "../../core/random.hpp"
#include "../concept.hpp"

namespace hydralora {

/// Which rows of a batch a matrix holds: row t is number first + t / length * stride + t % length. So a micro-batch of
/// sequences, padded to whatever `length`, numbers its tokens as the whole batch does, `stride` apart a sequence.
struct RowNumbers {
    Index first = 0, length = 1, stride = 1;
    Index skipped = 0;  // rows before the matrix, counted as t is

    HYDRALORA_HD constexpr Index operator()(Index t) const {
        t += skipped;
        return length == stride ? first + t : first + t / length * stride + t % length;
    }

    /// Those of the rows from `row` on.
    [[nodiscard]] constexpr RowNumbers from(Index row) const { return {first, length, stride, skipped + row}; }
};

/// One application of dropout: element (t, j) of a (T, cols) matrix uses random word rows(t) * cols + j of the key.
struct DropoutMask {
    RandomKey key;
    RowNumbers rows;
    double rate = 0;

    /// A word keeps its element when it is not below this.
    [[nodiscard]] std::uint32_t threshold() const { return static_cast<std::uint32_t>(rate * 0x1p32); }
    [[nodiscard]] double scale() const { return 1.0 / (1.0 - rate); }
};

namespace functor {
/// y (T, cols) = mask * x / (1 - rate), four elements a call; overwrites or adds.
template <class T>
struct Dropout {
    const T* x;
    T* y;
    Index cols, ldx, ldy;
    RowNumbers rows;
    RandomKey key;
    std::uint32_t threshold;
    T scale;
    bool add;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const Index begin = rows(t) * cols;  // of this row in the sequence of words
        for (Index b = begin / 4 + group.rank(); b * 4 < begin + cols; b += group.size()) {
            const PhiloxBlock random = random_block(key, static_cast<std::uint64_t>(b));
            for (int lane = 0; lane < 4; ++lane) {
                const Index j = b * 4 + lane - begin;
                if (j < 0 || j >= cols) continue;
                const T kept = random.word[lane] >= threshold ? x[t * ldx + j] * scale : T{0};
                y[t * ldy + j] = add ? y[t * ldy + j] + kept : kept;
            }
        }
    }
};
}  // namespace functor

namespace ops {

/// y (T, cols) = mask * x / (1 - rate), or y += that. The backward pass is the same operation on the gradient. In place is fine.
template <Backend B>
void dropout(B& be, ConstView<B> x, const DropoutMask& mask, View<B> y, Grad mode = Grad::overwrite) {
    check(mask.rate >= 0 && mask.rate < 1, "dropout: rate = ", mask.rate, ", expected 0 <= rate < 1");
    if constexpr (requires { be.dropout(x, mask, y, mode); }) {
        be.dropout(x, mask, y, mode);
    } else {
        be.rows(x.rows,
                functor::Dropout<Scalar<B>>{x.data, y.data, x.cols, x.ld, y.ld, mask.rows, mask.key, mask.threshold(),
                                            static_cast<Scalar<B>>(mask.scale()), mode == Grad::accumulate});
    }
}

}  // namespace ops

}  // namespace hydralora
