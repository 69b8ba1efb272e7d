// The tokenizer in a GGUF file: its metadata say what tokenizer.json says in a model directory.
//
//     tokenizer.ggml.model       "gpt2": byte-level BPE by merges; "llama": SentencePiece's BPE by scores
//     tokenizer.ggml.pre         how "gpt2" cuts words (gguf_pre_tokenisers.hpp)
//     tokenizer.ggml.tokens      strings, by id; .token_type, i32 a token; .merges "left right" of "gpt2"; .scores of "llama"
//     tokenizer.ggml.add_space_prefix, .add_bos_token, .add_eos_token, .bos_token_id, ... (gguf_tokens.hpp)
//
// Sources: ggml-org/ggml, docs/gguf.md; what it leaves open is as llama.cpp has it (src/llama-vocab.cpp).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "../io/gguf.hpp"
#include "../io/quote.hpp"
#include "gguf_pre_tokenisers.hpp"
#include "gguf_tokens.hpp"
#include "tokenizer.hpp"
#include "tokenizer_file.hpp"
#include "tokenizer_parts.hpp"

namespace hydralora::text {

/// A tokenizer, whose prefix and suffix are what the file puts around every text, and what the file says beside it.
struct GgufTokenizer {
    Tokenizer tokenizer;
    GgufTokens tokens;
};

namespace gguf_tokenizer {

inline constexpr std::string_view tokens_key = "tokenizer.ggml.tokens", types_key = "tokenizer.ggml.token_type",
                                  scores_key = "tokenizer.ggml.scores", merges_key = "tokenizer.ggml.merges",
                                  model_key = "tokenizer.ggml.model", pre_key = "tokenizer.ggml.pre";
inline constexpr std::string_view way_out =
    "; take the model's Hugging Face directory, whose tokenizer.json says all of it";

/// As in the files.
enum class TokenType : std::int32_t { normal = 1, unknown, control, user_defined, unused, byte };

[[nodiscard]] inline std::string element(const GgufFile& file, std::string_view key, std::size_t i) {
    return concat(file.where(file.field(key)), ": element ", i);
}

/// An array with an element a token.
template <class T>
[[nodiscard]] std::vector<T> values_of_tokens(const GgufFile& file, std::string_view key, std::size_t tokens) {
    std::vector<T> values = file.values<T>(key);
    check(values.size() == tokens, file.where(file.field(key)), ": expected ", tokens, " elements, one for each of ",
          in_quotes(tokens_key), ", found ", values.size());
    return values;
}

[[nodiscard]] inline Vocabulary read_vocabulary(const GgufFile& file) {
    const std::vector<std::string_view> texts = file.values<std::string_view>(tokens_key);
    const std::string where = file.where(file.field(tokens_key));
    check(!texts.empty() && texts.size() <= static_cast<std::size_t>(tokenizer_file::most_ids), where,
          ": expected 1 to ", tokenizer_file::most_ids, " tokens, found ", texts.size());
    if (const io::GgufField* architecture = file.find_field("general.architecture");
        architecture != nullptr && architecture->type == io::GgufType::string) {
        const std::string size_key = std::string(file.value<std::string_view>("general.architecture")) + ".vocab_size";
        if (file.find_field(size_key) != nullptr)
            check(file.value<std::uint32_t>(size_key) == texts.size(), where, ": expected ",
                  file.value<std::uint32_t>(size_key), " tokens, which is ", in_quotes(size_key), ", found ",
                  texts.size());
    }
    Vocabulary vocabulary;
    std::uint64_t bytes = 0;
    for (std::size_t id = 0; id < texts.size(); ++id) {
        check(texts[id].size() <= tokenizer_file::longest_token, where, ": element ", id, " has ", texts[id].size(),
              " bytes, expected at most ", tokenizer_file::longest_token);
        bytes += texts[id].size();
        check(bytes <= std::numeric_limits<std::uint32_t>::max(), where, ": the tokens have more than 4 GiB");
        vocabulary.add(texts[id], static_cast<std::int32_t>(id));
    }
    vocabulary.finish();
    // Tokens without text are no text's; all others are looked up by theirs.
    if (const auto twice = vocabulary.find_double())
        fail(where, ": expected each token once, found ", in_quotes(vocabulary.content(twice->first)), " as ids ",
             vocabulary.id(twice->first), " and ", vocabulary.id(twice->second));
    return vocabulary;
}

/// All tokens are normal where the field is absent, but for those whose text says what they are.
[[nodiscard]] inline std::vector<TokenType> read_types(const GgufFile& file, const Vocabulary& vocabulary) {
    std::vector<TokenType> types(vocabulary.size(), TokenType::normal);
    if (file.find_field(types_key) != nullptr) {
        const auto values = values_of_tokens<std::int32_t>(file, types_key, types.size());
        for (std::size_t i = 0; i < types.size(); ++i) {
            if (values[i] < 1 || values[i] > 6)
                fail(element(file, types_key, i), ": expected a type of token from 1 to 6, found ", values[i]);
            types[i] = static_cast<TokenType>(values[i]);
        }
    }
    each_control_text([&](std::string_view text) {
        if (const std::uint32_t slot = vocabulary.find(text); slot != Vocabulary::none)
            types[slot] = TokenType::control;
    });
    return types;
}

[[nodiscard]] inline std::vector<Merge> read_merges(const GgufFile& file, const Vocabulary& vocabulary) {
    const std::vector<std::string_view> texts = file.values<std::string_view>(merges_key);
    std::vector<Merge> merges;
    merges.reserve(texts.size());
    std::string joined;
    for (std::size_t i = 0; i < texts.size(); ++i) {
        const std::size_t gap = texts[i].find(' ', 1);  // a token may be a space
        if (gap == std::string_view::npos || gap + 1 == texts[i].size())
            fail(element(file, merges_key, i), ": expected two tokens with a space between, found ",
                 in_quotes(texts[i]));
        const std::string_view left = texts[i].substr(0, gap), right = texts[i].substr(gap + 1);
        joined.assign(left).append(right);
        const auto slot = [&](std::string_view token) {
            const std::uint32_t found = vocabulary.find(token);
            if (found == Vocabulary::none)
                fail(element(file, merges_key, i), ": ", in_quotes(texts[i]), " needs the token ", in_quotes(token),
                     ", found none of that text in ", in_quotes(tokens_key));
            return found;
        };
        merges.push_back({slot(left), slot(right), static_cast<std::uint32_t>(i), slot(joined)});
    }
    return merges;
}

[[nodiscard]] inline Bpe read_ranked(const GgufFile& file, Vocabulary vocabulary, const std::vector<TokenType>& types,
                                     GgufPreTokeniser::Family family) {
    std::vector<Merge> merges = read_merges(file, vocabulary);
    Bpe::Options options;
    options.unknowns = Bpe::Unknown::gap;
    options.whole_words_first = family == GgufPreTokeniser::Family::llama3;
    const std::size_t count = merges.size();
    Bpe model(std::move(vocabulary), std::move(merges), std::move(options));
    check(model.merges() == count, file.where(file.field(merges_key)), ": expected each merge once, found ",
          count - model.merges(), " of ", count, " again: of equal ones readers take different ranks");
    std::vector<std::uint32_t> specials;
    for (std::uint32_t slot = 0; slot < types.size(); ++slot)
        if (types[slot] == TokenType::control || types[slot] == TokenType::unknown) specials.push_back(slot);
    model.set_specials(std::move(specials));
    return model;
}

[[nodiscard]] inline ScoredMerges read_scored(const GgufFile& file, Vocabulary vocabulary,
                                              const std::vector<TokenType>& types,
                                              const std::optional<std::int32_t>& unknown) {
    const auto scores = values_of_tokens<float>(file, scores_key, vocabulary.size());
    for (std::size_t i = 0; i < scores.size(); ++i)
        if (std::isnan(scores[i])) fail(element(file, scores_key, i), ": expected a number, found NaN");
    ScoredMerges::Options options;
    for (std::uint32_t slot = 0; slot < types.size(); ++slot) {
        const bool is_byte = types[slot] == TokenType::byte;
        if (is_byte && decode_detail::byte_of(vocabulary.content(slot)) < 0)
            fail(element(file, tokens_key, slot),
                 ": expected <0x00> to <0xFF>, as a token of type byte is written, found ",
                 in_quotes(vocabulary.content(slot)));
        if (is_byte || types[slot] == TokenType::control || types[slot] == TokenType::unknown)
            options.apart.push_back(slot);
    }
    if (unknown) options.unknown = vocabulary.slot_of(*unknown);
    return ScoredMerges(std::move(vocabulary), scores, options);
}

/// Control and unknown tokens are found where special tokens are asked for, user-defined ones in any text. Where they
/// overlap the leftmost counts, as in SentencePiece (llama.cpp: the longest of the whole text first). A token of type
/// unused is found nowhere, but it is no text either. `decode_form` makes of a token's text what the decoder turns back.
template <class DecodeForm>
void place_tokens(const GgufFile& file, const std::vector<TokenType>& types, TokenizerParts& parts,
                  DecodeForm&& decode_form) {
    const Vocabulary& vocabulary = parts.model.vocabulary();
    std::vector<AddedToken> verbatim;
    std::size_t bytes = 0;
    for (std::uint32_t slot = 0; slot < types.size(); ++slot) {
        const TokenType type = types[slot];
        if (type == TokenType::normal || type == TokenType::byte) continue;
        AddedToken token;
        token.content = vocabulary.content(slot);
        token.id = vocabulary.id(slot);
        token.special = type != TokenType::user_defined;
        if (type != TokenType::unused && !token.content.empty()) {
            token.pattern = token.content;
            bytes += token.pattern.size();
            if (verbatim.size() == tokenizer_file::most_added || bytes > tokenizer_file::most_added_bytes)
                fail(element(file, types_key, slot), ": expected at most ", tokenizer_file::most_added,
                     " control and user-defined tokens of ", tokenizer_file::most_added_bytes,
                     " bytes together, found more");
            verbatim.push_back(token);
        }
        token.pattern = decode_form(token.content);
        parts.added.push_back(std::move(token));
    }
    parts.verbatim = AddedTokens(std::move(verbatim));
}

}  // namespace gguf_tokenizer

/// The tokenizer that the file's metadata describe. Ids are llama.cpp's, with these exceptions: no text is joined to a
/// control token, a byte or the unknown token; of user-defined tokens that overlap the leftmost counts; characters newer
/// than Unicode 15, and the long s in contractions, are what the Python package `tokenizers` takes them for.
///
///     const auto file = hydralora::io::GgufFile::open("model.gguf");
///     const auto [tokenizer, tokens] = hydralora::text::tokenizer_from_gguf(file);
[[nodiscard]] inline GgufTokenizer tokenizer_from_gguf(const io::GgufFile& file) {
    using namespace gguf_tokenizer;
    const auto kind = file.value<std::string_view>(model_key);
    const bool by_rank = kind == "gpt2";
    check(by_rank || kind == "llama", file.where(file.field(model_key)), ": tokenizer ", in_quotes(kind),
          " is not supported, expected \"gpt2\" or \"llama\"", way_out);
    TokenizerParts parts;
    Vocabulary vocabulary = read_vocabulary(file);
    const std::vector<TokenType> types = read_types(file, vocabulary);
    parts.size = static_cast<Index>(vocabulary.size());
    GgufTokens tokens;
    if (by_rank) {
        check(file.find_field(pre_key) != nullptr, file.name(), ": expected a field ", in_quotes(pre_key),
              ", which says how words are cut, found none; convert the model again", way_out);
        const auto name = file.value<std::string_view>(pre_key);
        const GgufPreTokeniser* pre = find_gguf_pre_tokeniser(name);
        check(pre != nullptr, file.where(file.field(pre_key)), ": ", in_quotes(name), " is not known, expected one of ",
              gguf_pre_tokeniser_list(), way_out);
        tokens = read_tokens(file, vocabulary, {.add_bos = pre->family == GgufPreTokeniser::Family::llama3});
        parts.pre_tokeniser = gguf_pre_tokeniser(pre->split);
        parts.decoder.steps.push_back(FromByteLevel{});
        parts.model = read_ranked(file, std::move(vocabulary), types, pre->family);
        place_tokens(file, types, parts, [](std::string_view text) { return to_byte_alphabet(text); });
    } else {
        constexpr std::string_view extra_key = "tokenizer.ggml.remove_extra_whitespaces";
        check(!flag(file, extra_key, false), file.name(), ": field ", in_quotes(extra_key),
              ": expected false, found true, which llama.cpp passes over and SentencePiece does not", way_out);
        tokens = read_tokens(file, vocabulary, {.bos = 1, .eos = 2, .unknown = 0, .add_bos = true});
        const std::string mark = "\u2581";
        const bool prefixed = flag(file, "tokenizer.ggml.add_space_prefix", true);
        if (prefixed) parts.normaliser.steps.push_back(Prepend{mark});
        parts.normaliser.steps.push_back(Replace{" ", mark});
        parts.decoder.steps = {Replace{mark, " "}, ByteFallback{}, Fuse{}};
        if (prefixed) parts.decoder.steps.push_back(Strip{" ", 1, 0});
        parts.model = read_scored(file, std::move(vocabulary), types, tokens.unknown);
        place_tokens(file, types, parts, [](std::string_view text) { return std::string(text); });
    }
    if (tokens.add_bos) parts.prefix.push_back(*tokens.bos);
    if (tokens.add_eos) parts.suffix.push_back(*tokens.eos);
    return {Tokenizer(std::move(parts)), std::move(tokens)};
}

}  // namespace hydralora::text
