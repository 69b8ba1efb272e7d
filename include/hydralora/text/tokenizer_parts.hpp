// What a tokenizer is made of, once its file is read.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "../core/view.hpp"
#include "added_tokens.hpp"
#include "bpe.hpp"
#include "decode.hpp"
#include "join_symbols.hpp"
#include "normalise.hpp"
#include "pre_tokenise.hpp"
#include "scored_merges.hpp"
#include "vocabulary.hpp"

namespace hydralora::text {

/// How a word becomes tokens: by merges of a rank or by tokens of a score.
class TokenModel {
public:
    TokenModel() = default;
    TokenModel(Bpe model) : model_(std::move(model)) {}
    TokenModel(ScoredMerges model) : model_(std::move(model)) {}

    [[nodiscard]] const Vocabulary& vocabulary() const {
        return std::visit([](const auto& model) -> const Vocabulary& { return model.vocabulary(); }, model_);
    }
    /// Appends the ids of a word. Merges by score make no special token, whatever `specials` says.
    void encode(std::string_view text, std::vector<std::int32_t>& ids, JoinScratch& scratch, Specials specials) const {
        if (const auto* bpe = std::get_if<Bpe>(&model_))
            bpe->encode(text, ids, scratch, specials);
        else
            std::get<ScoredMerges>(model_).encode(text, ids, scratch);
    }

private:
    std::variant<Bpe, ScoredMerges> model_;
};

struct TokenizerParts {
    std::vector<AddedToken> added;  // by id
    AddedTokens verbatim;           // found in the text as it comes
    AddedTokens normalised;         // found in the normalised text
    Normaliser normaliser;
    PreTokeniser pre_tokeniser;
    TokenModel model;
    Decoder decoder;
    std::vector<std::int32_t> prefix, suffix;
    Index size = 0;
};

}  // namespace hydralora::text
