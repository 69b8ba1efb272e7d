// The router's logits pooled over the document so far, and the way back.
//
//   pooled[t, i] = mean of logits[j, i] over the tokens j <= t of t's document
//   dlogits[j, i] = sum over the tokens t >= j of j's document of dpooled[t, i] / (number of tokens up to t)
//
// Since the router is linear, this is the router of the mean of x: gates that know what stood before, at the price of a pass
// over N numbers a token.
#pragma once

#include <cstdint>

#include "../concept.hpp"

namespace hydralora {

namespace functor {

/// Row s: the logits (length, N) of sequence s, in place. Lanes share the heads; the mean is carried from token to token.
template <class Acc>
struct PoolLogits {
    Acc* logits;                 // (T, N), ld
    const std::int32_t* starts;  // (T) or null
    Acc* sums;                   // (N) or null
    Index length, heads, ld, past;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index s) const {
        Index count = past;
        for (Index t = 0; t < length; ++t) {
            Acc* row = logits + (s * length + t) * ld;
            if (starts != nullptr && starts[s * length + t] == t) count = 0;
            const Acc share = Acc{1} / static_cast<Acc>(++count);
            if (count == 1) continue;
            for (Index i = group.rank(); i < heads; i += group.size()) {
                const Acc before = t > 0 ? row[i - ld] : sums[i] / static_cast<Acc>(past);
                row[i] = before + (row[i] - before) * share;
            }
        }
        if (sums == nullptr || length == 0) return;
        for (Index i = group.rank(); i < heads; i += group.size())
            sums[i] = logits[(s * length + length - 1) * ld + i] * static_cast<Acc>(count);
    }
};

/// Row s: the gradients (length, N) of sequence s, in place.
template <class Acc>
struct UnpoolLogits {
    Acc* gradients;              // (T, N), ld
    const std::int32_t* starts;  // (T) or null
    Index length, heads, ld;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index s) const {
        for (Index t = length; t-- > 0;) {
            Acc* row = gradients + (s * length + t) * ld;
            const Index start = starts == nullptr ? 0 : static_cast<Index>(starts[s * length + t]);
            const Acc share = Acc{1} / static_cast<Acc>(t - start + 1);
            const bool last = t + 1 == length || (starts != nullptr && starts[s * length + t + 1] == t + 1);
            for (Index i = group.rank(); i < heads; i += group.size())
                row[i] = row[i] * share + (last ? Acc{0} : row[i + ld]);
        }
    }
};

}  // namespace functor

namespace ops {

/// logits (T, N) of `sequences` of equal length, in place. starts (1, T) of packed documents: of each token, the index in its
/// sequence of its document's first; or empty. Where there are sums (1, N), they are those of the `past` tokens before, and
/// become those up to the last.
template <Backend B>
void pool_logits(B& be, AccumView<B> logits, Index sequences, ViewOf<B, const std::int32_t> starts, Index past,
                 AccumView<B> sums) {
    be.rows(sequences, functor::PoolLogits<AccumScalar<B>>{logits.data, starts.data, sums.data, logits.rows / sequences,
                                                           logits.cols, logits.ld, past});
}

/// dlogits (T, N) in place, from the gradient of the pooled ones. For tokens without a past.
template <Backend B>
void unpool_logits(B& be, AccumView<B> dlogits, Index sequences, ViewOf<B, const std::int32_t> starts) {
    be.rows(sequences, functor::UnpoolLogits<AccumScalar<B>>{dlogits.data, starts.data, dlogits.rows / sequences,
                                                             dlogits.cols, dlogits.ld});
}

}  // namespace ops

}  // namespace hydralora
