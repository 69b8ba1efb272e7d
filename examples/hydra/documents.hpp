// Texts and conversations as tokens, with what is trained of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/text/chat_format.hpp>

#include "packing.hpp"
#include "vocabulary.hpp"

namespace hydra {

struct Document {
    std::vector<std::int32_t> ids;
    std::vector<bool> trained;  ///< as a label
    std::vector<bool> words;    ///< made from text; not: put in as a control token

    /// What the assistant said in a row: the tokens [begin, end) with those that end it, and the text.
    struct Said {
        std::size_t begin = 0, end = 0;
        std::string text;
    };
    std::vector<Said> said;
};

/// start text eos, all trained.
[[nodiscard]] Document document_of(const Vocabulary& vocabulary, std::string_view text);

/// A rendered conversation. Text between control tokens is encoded as a whole, as a tokenizer run over the whole
/// conversation would; a token that has bytes of both sides of a border of the mask is trained.
[[nodiscard]] Document document_of(const Vocabulary& vocabulary, const Chat& chat,
                                   const std::vector<hydralora::text::Segment>& segments);

/// The tokens to generate an answer from.
[[nodiscard]] std::vector<std::int32_t> prompt_of(const Vocabulary& vocabulary, const Chat& chat,
                                                  const hydralora::text::Conversation& turns);

/// Throws if the vocabulary lacks a token that the format needs.
void check_chat_format(const Vocabulary& vocabulary, const Chat& chat);

/// The tokens [begin, begin + length] of a document, the last as a label only.
[[nodiscard]] Example example_of(const Vocabulary& vocabulary, const Document& document, std::size_t begin,
                                 std::size_t length);

}  // namespace hydra
