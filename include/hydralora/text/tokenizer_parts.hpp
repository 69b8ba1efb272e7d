// What a tokenizer is made of, once its file is read.
#pragma once

#include <cstdint>
#include <vector>

#include "../core/view.hpp"
#include "added_tokens.hpp"
#include "bpe.hpp"
#include "decode.hpp"
#include "normalise.hpp"
#include "pre_tokenise.hpp"

namespace hydralora::text {

struct TokenizerParts {
    std::vector<AddedToken> added;  // by id
    AddedTokens verbatim;           // found in the text as it comes
    AddedTokens normalised;         // found in the normalised text
    Normaliser normaliser;
    PreTokeniser pre_tokeniser;
    Bpe model;
    Decoder decoder;
    std::vector<std::int32_t> prefix, suffix;
    Index size = 0;
};

}  // namespace hydralora::text
