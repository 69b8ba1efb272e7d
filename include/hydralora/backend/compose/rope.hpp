// Rotary position embedding (Su et al., arXiv 2104.09864) in the half-split order of Hugging Face's Llama: element i of
// a head turns with element i + head_dim / 2 (transformers, models/llama/modeling_llama.py, rotate_half,
// apply_rotary_pos_emb).
#pragma once

#include <cstdint>

#include "../concept.hpp"
#include "row_loops.hpp"

namespace hydralora {

/// Which way a head is turned: back is the transpose, for gradients.
enum class Turn { forth, back };

namespace functor {

/// x (T, heads * head_dim) in place: each pair (a, b) becomes (a cos - b sin, b cos + a sin); sign = -1 turns back.
template <class T, class A>
struct Rope {
    T* x;
    const A* cosine;  // (positions, half)
    const A* sine;
    Index heads, half, ldx, ld_cosine, ld_sine, sequence_length, first_position;
    A sign;
    const std::int32_t* starts;  // (1, T) or null

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        const Index position = first_position + t % sequence_length - (starts == nullptr ? 0 : starts[t]);
        const A* cs = cosine + position * ld_cosine;
        const A* sn = sine + position * ld_sine;
        const auto turn = [way = sign](A& low, A& high, A c, A sine_of) {
            const A a = low, b = high, s = way * sine_of;
            low = a * c - b * s;
            high = b * c + a * s;
        };
        // A head is too short to share: the runs of all heads are.
        T* const low = x + t * ldx;
        row_map_pieces<A>(group, heads, half, turn, Pieces{low, 2 * half}, Pieces{low + half, 2 * half},
                          Pieces{cs, Index{0}}, Pieces{sn, Index{0}});
    }
};

}  // namespace functor

namespace ops {

/// Turns each head of x (T, heads * head_dim) in place. cosine and sine are (positions, head_dim / 2); token t stands
/// at position first_position + t % sequence_length, less starts(0, t) where there are any.
template <Backend B>
void rope(B& be, View<B> x, ConstAccumView<B> cosine, ConstAccumView<B> sine, Index sequence_length,
          Index first_position, Turn turn, ViewOf<B, const std::int32_t> starts = {}) {
    if constexpr (requires { be.rope(x, cosine, sine, sequence_length, first_position, turn, starts); }) {
        be.rope(x, cosine, sine, sequence_length, first_position, turn, starts);
    } else {
        using A = AccumScalar<B>;
        const Index half = cosine.cols;
        be.rows(x.rows, functor::Rope<Scalar<B>, A>{x.data, cosine.data, sine.data, x.cols / (2 * half), half, x.ld,
                                                    cosine.ld, sine.ld, sequence_length, first_position,
                                                    turn == Turn::forth ? A{1} : A{-1}, starts.data});
    }
}

}  // namespace ops

}  // namespace hydralora
