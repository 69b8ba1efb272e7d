// The micro-kernel of products of bfloat16: two terms of a sum in one instruction, the sums in float. As tile.hpp, behind
// which it is included, it is one text for whoever has such an instruction; kernel.hpp includes it for AVX512_BF16.
//
//   HYDRALORA_DOT_ISA                  the namespace of the tiles of those vectors
//   HYDRALORA_DOT_TARGET               the attribute, or nothing
//   HYDRALORA_DOT(sums, left, right)   sums[l] += left[l].lower * right[l].lower + left[l].upper * right[l].upper
#if defined(HYDRALORA_DOT_ISA)

namespace hydralora::panel::HYDRALORA_DOT_ISA {

/// As multiply_tile; an element of the left block is a word of two bfloat16, of depths 2k and 2k + 1.
template <int Rows>
HYDRALORA_DOT_TARGET void multiply_dots(const Tile<bfloat16>& tile) {
    typedef std::uint32_t Word __attribute__((may_alias));

    Vector sums[Rows][2];
    start_sums(tile, sums);
    const Index ld = tile.ld_left;
    const Word* left = reinterpret_cast<const Word*>(tile.left);
    const bfloat16* right = tile.right;
    for (Index k = 0; k < tile.depth; k += 2) {
        const Words line[2] = {*reinterpret_cast<const LooseWords*>(right),
                               *reinterpret_cast<const LooseWords*>(right + 2 * lanes)};
#pragma GCC unroll 16
        for (int i = 0; i < Rows; ++i) {
            const Words factor = left[i * ld] + Words{};
#pragma GCC unroll 2
            for (int v = 0; v < 2; ++v) HYDRALORA_DOT(sums[i][v], factor, line[v]);
        }
        ++left;
        right += 2 * tile.ld_right;
    }
    store_sums(tile, sums);
}

}  // namespace hydralora::panel::HYDRALORA_DOT_ISA

#endif
