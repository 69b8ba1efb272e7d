// The micro-kernel of packed products. One text, which kernel.hpp includes once for each kind of processor: a target
// attribute takes nothing but a literal, and a template without it is lowered to the build's own instructions before it
// could be inlined into a function that has it. Hence no guard; included by itself the file is empty.
//
//   HYDRALORA_TILE_ISA     a namespace, named for the instructions
//   HYDRALORA_TILE_TARGET  the attribute, or nothing
//   HYDRALORA_TILE_LANES   floats a vector holds, a literal
#if defined(HYDRALORA_TILE_ISA)

namespace hydralora::panel::HYDRALORA_TILE_ISA {

/// A tile of Rows x (2 * HYDRALORA_TILE_LANES) sums, all in registers while the depth is run through. Each sum starts at 0, takes its
/// terms in order and is added to `start` at the end, so it does not depend on the tile it is part of.
template <int Rows, class S>
HYDRALORA_TILE_TARGET void multiply_tile(const Tile<S>& tile) {
    typedef float Vector __attribute__((vector_size(HYDRALORA_TILE_LANES * 4)));
    typedef float Loose
        __attribute__((vector_size(HYDRALORA_TILE_LANES * 4), aligned(4), may_alias));  // at any address
    typedef std::uint32_t Words __attribute__((vector_size(HYDRALORA_TILE_LANES * 4), aligned(2), may_alias));

    constexpr int Lanes = HYDRALORA_TILE_LANES;

    Vector sums[Rows][2];
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) {
            sums[i][v] = Vector{};
            __builtin_prefetch(tile.to + i * tile.ld_to + v * Lanes, 1);
        }
    }
    constexpr int pair = sizeof(S) == 2 ? 2 : 1;  // depths in a word, each the upper half of a float
    const float* left = tile.left;
    const S* right = tile.right;
    for (Index k = 0; k < tile.depth; k += pair) {
#pragma GCC unroll 2
        for (int p = 0; p < pair; ++p) {
            Vector line[2];
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v) {
                if constexpr (pair == 2) {
                    const Words words = *reinterpret_cast<const Words*>(right + v * 2 * Lanes);
                    line[v] = (Vector)(p == 0 ? words << 16 : words & 0xffff0000u);
                } else {
                    line[v] = *reinterpret_cast<const Loose*>(right + v * Lanes);
                }
            }
#pragma GCC unroll 16
            for (int i = 0; i < Rows; ++i) {
                const Vector factor = left[i * left_ld + p] - Vector{};  // x - 0 is x, and no instruction; 0 + x is one
#pragma GCC unroll 2
                for (int v = 0; v < 2; ++v) sums[i][v] += factor * line[v];
            }
        }
        left += pair;
        right += pair * 2 * Lanes;
    }
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
        if (i >= tile.rows) break;
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v)
            *reinterpret_cast<Loose*>(tile.to + i * tile.ld_to + v * Lanes) =
                sums[i][v] + *reinterpret_cast<const Loose*>(tile.start + i * tile.ld_start + v * Lanes);
    }
}

}  // namespace hydralora::panel::HYDRALORA_TILE_ISA

#endif
