// Dropout whose mask is a pure function of (key, element): made again in backward, never stored.
#pragma once

#include "../../core/check.hpp"
#include "../../core/precision.hpp"
#include "../../core/random_words.hpp"
#include "../concept.hpp"
#include "row_loops.hpp"

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
/// y (T, cols) = mask * x / (1 - rate), overwritten or added to.
template <class T, class A>
struct Dropout {
    const T* x;
    T* y;
    Index cols, ldx, ldy;
    RowNumbers rows;
    RandomKey key;
    std::uint32_t threshold;
    A scale;
    bool add;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        constexpr int blocks = row_detail::alone<Group> ? 16 : 2, size = 4 * blocks;  // made at once
        const Index begin = rows(t) * cols;  // of this row in the sequence of words
        const T* in = x + t * ldx;
        T* out = y + t * ldy;
        for (Index b = begin / 4 + group.rank() * blocks; b * 4 < begin + cols; b += group.size() * blocks) {
            const auto random = random_words<blocks>(key, static_cast<std::uint64_t>(b));
            const Index first = b * 4 - begin;  // element of word 0; below 0 where the row begins within a block
            if constexpr (row_detail::alone<Group>) {
                A masks[size];
                for (int e = 0; e < size; ++e) masks[e] = mask(random.word[e]);
                const Index from = first < 0 ? -first : 0, to = first + size < cols ? size : cols - first;
                apply(group, in + first + from, masks + from, out + first + from, to - from);
            } else {
                apply_run(in, random.word, out, first);
            }
        }
    }

private:
    using Bits = std::conditional_t<sizeof(A) == sizeof(std::uint64_t), std::uint64_t, std::uint32_t>;

    /// All bits or none. Choosing by them takes no branch, and a dropped element is +0, whatever it was.
    HYDRALORA_HD A mask(std::uint32_t word) const {
        return bit_cast<A>(Bits{0} - static_cast<Bits>(word >= threshold));
    }
    HYDRALORA_HD A kept(A value, A bits) const {
        return bit_cast<A>(bit_cast<Bits>(value * scale) & bit_cast<Bits>(bits));
    }
    HYDRALORA_HD void apply(const Solo& solo, const T* in, const A* masks, T* out, Index count) const {
        const auto set = [this](A value, A bits, A& to) { to = kept(value, bits); };
        const auto sum = [this](A value, A bits, A& to) { to += kept(value, bits); };
        if (add) return row_map<A>(solo, count, sum, in, masks, out);
        row_map<A>(solo, count, set, in, masks, Out{out});
    }

    /// The run whose first element is `first`, as far as it lies in the row.
    HYDRALORA_HD void apply_run(const T* in, const std::uint32_t* word, T* out, Index first) const {
        if (first >= 0 && first + row_run <= cols) {
            int e = 0;
            const auto set = [&](A value, A& to) { to = kept(value, mask(word[e++])); };
            const auto sum = [&](A value, A& to) { to += kept(value, mask(word[e++])); };
            if (add) return map_run<A>(row_run, sum, in + first, out + first);
            return map_run<A>(row_run, set, in + first, Out{out + first});
        }
        for (int e = 0; e < row_run; ++e)
            if (const Index j = first + e; j >= 0 && j < cols) {
                const A value = kept(static_cast<A>(in[j]), mask(word[e]));
                out[j] = static_cast<T>(add ? static_cast<A>(out[j]) + value : value);
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
        be.rows(x.rows, functor::Dropout<Scalar<B>, AccumScalar<B>>{
                            x.data, y.data, x.cols, x.ld, y.ld, mask.rows, mask.key, mask.threshold(),
                            static_cast<AccumScalar<B>>(mask.scale()), mode == Grad::accumulate});
    }
}

}  // namespace ops

}  // namespace hydralora
