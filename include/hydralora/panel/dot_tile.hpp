// The micro-kernel of products of bfloat16: two terms of a sum in one instruction, the sums in float. As tile.hpp it is one
// text for whoever has such an instruction; kernel.hpp includes it for AVX512_BF16.
//
//   HYDRALORA_DOT_NAMESPACE            a namespace
//   HYDRALORA_DOT_TARGET               the attribute, or nothing
//   HYDRALORA_DOT_LANES                floats a vector holds, a literal
//   HYDRALORA_DOT(sums, left, right)   sums[l] += left[l].lower * right[l].lower + left[l].upper * right[l].upper
#if defined(HYDRALORA_DOT_NAMESPACE)

namespace hydralora::panel::HYDRALORA_DOT_NAMESPACE {

/// As multiply_tile; an element of the left block is a word of two bfloat16, of depths 2k and 2k + 1.
template <int Rows>
HYDRALORA_DOT_TARGET void multiply_dots(const Tile<bfloat16>& tile) {
    constexpr int Lanes = HYDRALORA_DOT_LANES;
    typedef float Vector __attribute__((vector_size(HYDRALORA_DOT_LANES * 4)));
    typedef float Loose __attribute__((vector_size(HYDRALORA_DOT_LANES * 4), aligned(4), may_alias));  // at any address
    typedef std::uint32_t Words __attribute__((vector_size(HYDRALORA_DOT_LANES * 4)));
    typedef std::uint32_t LooseWords __attribute__((vector_size(HYDRALORA_DOT_LANES * 4), aligned(2), may_alias));
    typedef std::uint32_t Word __attribute__((may_alias));

    Vector sums[Rows][2];
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) {
            sums[i][v] = Vector{};
            __builtin_prefetch(tile.to + i * tile.ld_to + v * Lanes, 1);
        }
    }
    const Word* left = reinterpret_cast<const Word*>(tile.left);
    const bfloat16* right = tile.right;
    for (Index k = 0; k < tile.depth; k += 2) {
        const Words line[2] = {*reinterpret_cast<const LooseWords*>(right),
                               *reinterpret_cast<const LooseWords*>(right + 2 * Lanes)};
#pragma GCC unroll 16
        for (int i = 0; i < Rows; ++i) {
            const Words factor = left[i * left_ld] + Words{};
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v) HYDRALORA_DOT(sums[i][v], factor, line[v]);
        }
        ++left;
        right += 4 * Lanes;
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

}  // namespace hydralora::panel::HYDRALORA_DOT_NAMESPACE

#endif
