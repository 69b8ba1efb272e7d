// The micro-kernel of packed products. One text, which kernel.hpp includes once for each kind of processor: a target
// attribute takes nothing but a literal, and a template without it is lowered to the build's own instructions before it
// could be inlined into a function that has it. Hence no guard; included by itself the file is empty.
//
//   HYDRALORA_TILE_ISA     a namespace, named for the instructions
//   HYDRALORA_TILE_TARGET  the attribute, or nothing
//   HYDRALORA_TILE_LANES   floats a vector holds, a literal
#if defined(HYDRALORA_TILE_ISA)

namespace hydralora::panel::HYDRALORA_TILE_ISA {

inline constexpr int lanes = HYDRALORA_TILE_LANES;
typedef float Vector __attribute__((vector_size(HYDRALORA_TILE_LANES * 4)));
typedef float Loose __attribute__((vector_size(HYDRALORA_TILE_LANES * 4), aligned(4), may_alias));  // at any address
typedef std::uint32_t Words __attribute__((vector_size(HYDRALORA_TILE_LANES * 4)));
typedef std::uint32_t LooseWords __attribute__((vector_size(HYDRALORA_TILE_LANES * 4), aligned(2), may_alias));

/// Sums of a tile of Rows x (2 * lanes), at 0; where they will be stored is fetched meanwhile.
template <int Rows, class S>
HYDRALORA_TILE_TARGET [[gnu::always_inline]] inline void start_sums(const Tile<S>& tile, Vector (&sums)[Rows][2]) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) {
            sums[i][v] = Vector{};
            __builtin_prefetch(tile.to + i * tile.ld_to + v * lanes, 1);
        }
    }
}

/// to = start + sums, in the rows that there are.
template <int Rows, class S>
HYDRALORA_TILE_TARGET [[gnu::always_inline]] inline void store_sums(const Tile<S>& tile,
                                                                    const Vector (&sums)[Rows][2]) {
    const Index rows = tile.rows, ld_start = tile.ld_start, ld_to = tile.ld_to;
    const float* start = tile.start;
    float* to = tile.to;
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
        if (i >= rows) break;
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v)
            *reinterpret_cast<Loose*>(to + v * lanes) = sums[i][v] + *reinterpret_cast<const Loose*>(start + v * lanes);
        start += ld_start;
        to += ld_to;
    }
}

/// A tile of Rows x (2 * lanes) sums, all in registers while the depth is run through. Each sum starts at 0, takes its terms
/// in order and is added to `start` at the end, so it does not depend on the tile it is part of.
template <int Rows, class S>
HYDRALORA_TILE_TARGET void multiply_tile(const Tile<S>& tile) {
    Vector sums[Rows][2];
    start_sums(tile, sums);
    constexpr int pair = sizeof(S) == 2 ? 2 : 1;  // depths in a word, each the upper half of a float
    const Index ld = tile.ld_left;
    const float* left[(Rows + 2) / 3];  // every third row: those between are addressed from it without an instruction
#pragma GCC unroll 4
    for (int i = 0; i < (Rows + 2) / 3; ++i) left[i] = tile.left + 3 * i * ld;
    const S* right = tile.right;
    for (Index k = 0; k < tile.depth; k += pair) {
#pragma GCC unroll 2
        for (int p = 0; p < pair; ++p) {
            Vector line[2];
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v) {
                if constexpr (pair == 2) {
                    const Words words = *reinterpret_cast<const LooseWords*>(right + v * 2 * lanes);
                    line[v] = (Vector)(p == 0 ? words << 16 : words & 0xffff0000u);
                } else {
                    line[v] = *reinterpret_cast<const Loose*>(right + v * lanes);
                }
            }
#pragma GCC unroll 16
            for (int i = 0; i < Rows; ++i) {
                // x - 0 is x, and no instruction; 0 + x is one
                const Vector factor = left[i / 3][i % 3 * ld + p] - Vector{};
#pragma GCC unroll 2
                for (int v = 0; v < 2; ++v) sums[i][v] += factor * line[v];
            }
        }
#pragma GCC unroll 4
        for (int i = 0; i < (Rows + 2) / 3; ++i) left[i] += pair;
        right += pair * tile.ld_right;
    }
    store_sums(tile, sums);
}

}  // namespace hydralora::panel::HYDRALORA_TILE_ISA

#endif
