// How work is cut on a GPU. No CUDA is included: plans of memory ask too.
#pragma once

#include "../backend/compose/attention.hpp"

namespace hydralora::cuda_cuts {

/// Few launches of large products, with scores of bfloat16 that the second cache (50 MB) still holds when they are read
/// again. Blocks of more queries would compute more scores that nothing sees.
inline constexpr AttentionCut attention{.queries = 512, .scores = Index{1} << 24};

/// Behind the output head: products of some thousand tokens, or each reads the whole head for too little.
inline constexpr Index logits = Index{1} << 26;

}  // namespace hydralora::cuda_cuts
