// Text to token ids and back, as the Python package `tokenizers` does it from the same tokenizer.json. Of a GGUF file
// (tokenizer_gguf.hpp) as llama.cpp does it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/view.hpp"
#include "added_tokens.hpp"
#include "bpe.hpp"
#include "decode.hpp"
#include "join_symbols.hpp"
#include "normalise.hpp"
#include "pre_tokenise.hpp"
#include "tokenizer_file.hpp"
#include "tokenizer_parts.hpp"

namespace hydralora::text {

/// Where a piece of text stands: some tokenizers put a space before the first one only.
enum class Position { first, later };

/// Whether decode leaves the special tokens out.
enum class Decode { without_specials, with_specials };

/// Immutable: copies share one set of tables, and threads may share a tokenizer.
///
///     const auto tokenizer = hydralora::text::Tokenizer::open("model/tokenizer.json");
///     std::vector<std::int32_t> ids(tokenizer.prefix().begin(), tokenizer.prefix().end());
///     tokenizer.encode("Hello", ids);
///
/// The file's `truncation` and `padding` are not looked at: cutting and filling are the caller's. Bytes of the text
/// that are no UTF-8 are characters of their own, so nothing is lost where the vocabulary has all bytes. What the
/// package drops is dropped: characters without token where there is no unknown token, ids that no token has.
///
/// Where special tokens are text, no text makes one. The package stops looking for them then, but its model still makes
/// those that its vocabulary and its merges hold; here they are written with the tokens that they are joined from.
class Tokenizer {
public:
    [[nodiscard]] static Tokenizer open(const std::filesystem::path& tokenizer_json) {
        return Tokenizer(read_tokenizer_file(tokenizer_json));
    }
    /// `file` is for messages.
    [[nodiscard]] static Tokenizer parse(std::string_view json_text, std::string_view file) {
        return Tokenizer(parse_tokenizer_file(json_text, file));
    }
    /// What a reader of another file made.
    explicit Tokenizer(TokenizerParts parts) : parts_(std::make_shared<const TokenizerParts>(std::move(parts))) {}

    /// Appends the ids of the text, without prefix and suffix.
    void encode(std::string_view text, std::vector<std::int32_t>& ids, Specials specials = Specials::as_text,
                Position position = Position::first) const {
        const auto plain = [&](const AddedToken& token, std::size_t, std::size_t) {
            return token.special && specials == Specials::as_text;
        };
        JoinScratch scratch;
        Words words;
        GrowthLimit normal_limit = Normaliser::limit(text.size()), words_limit = PreTokeniser::limit(text.size());
        for (const auto& piece : parts_->verbatim.split(text, plain)) {
            if (piece.token != nullptr) {
                ids.push_back(piece.token->id);
                continue;
            }
            bool at_start = position == Position::first && piece.begin == 0;
            const std::string normal =
                parts_->normaliser(text.substr(piece.begin, piece.end - piece.begin), normal_limit, at_start);
            for (const auto& part : parts_->normalised.split(normal, plain)) {
                if (part.token != nullptr) {
                    ids.push_back(part.token->id);
                    continue;
                }
                words.text = normal.substr(part.begin, part.end - part.begin);
                words.ends.assign(1, words.text.size());
                words.at_start = at_start && part.begin == 0;
                parts_->pre_tokeniser(words, words_limit);
                std::size_t begin = 0;
                for (const std::size_t end : words.ends) {
                    parts_->model.encode(std::string_view(words.text).substr(begin, end - begin), ids, scratch,
                                         specials);
                    begin = end;
                }
            }
        }
    }
    [[nodiscard]] std::vector<std::int32_t> encode(std::string_view text, Specials specials = Specials::as_text) const {
        std::vector<std::int32_t> ids;
        encode(text, ids, specials);
        return ids;
    }

    /// The bytes that the ids stand for: valid UTF-8 only if the tokens make it so (the package puts U+FFFD for what is
    /// none). A special token is left out by its id; the package, which goes by content, leaves those in that its
    /// normaliser changes.
    [[nodiscard]] std::string decode(std::span<const std::int32_t> ids,
                                     Decode specials = Decode::without_specials) const {
        std::vector<std::string> tokens;
        for (const std::int32_t id : ids) {
            const AddedToken* const added = added_of(id);
            const std::uint32_t slot = vocabulary().slot_of(id);
            if (added == nullptr && slot == Vocabulary::none) continue;
            if (added != nullptr && added->special && specials == Decode::without_specials) continue;
            tokens.emplace_back(added != nullptr ? std::string_view(added->pattern) : vocabulary().content(slot));
        }
        return parts_->decoder(std::move(tokens));
    }

    /// The words that a text without added tokens is cut into, as its model sees them: normalised, in the byte alphabet where
    /// the file says so.
    [[nodiscard]] std::vector<std::string> words(std::string_view text) const {
        GrowthLimit normal_limit = Normaliser::limit(text.size()), words_limit = PreTokeniser::limit(text.size());
        Words words;
        words.text = parts_->normaliser(text, normal_limit, words.at_start);
        words.ends.assign(1, words.text.size());
        parts_->pre_tokeniser(words, words_limit);
        std::vector<std::string> result;
        std::size_t begin = 0;
        for (const std::size_t end : words.ends) {
            result.push_back(words.text.substr(begin, end - begin));
            begin = end;
        }
        return result;
    }

    /// The added tokens, by id.
    [[nodiscard]] std::span<const AddedToken> added() const { return parts_->added; }

    /// One past the greatest id.
    [[nodiscard]] Index size() const { return parts_->size; }

    /// The id of the token with that content, as it is written in the file.
    [[nodiscard]] std::optional<std::int32_t> find(std::string_view token) const {
        for (const AddedToken& added : parts_->added)
            if (added.content == token) return added.id;
        const std::uint32_t slot = vocabulary().find(token);
        return slot == Vocabulary::none ? std::nullopt : std::optional(vocabulary().id(slot));
    }

    /// The ids that the file's post-processor puts before and after a single text.
    [[nodiscard]] std::span<const std::int32_t> prefix() const { return parts_->prefix; }
    [[nodiscard]] std::span<const std::int32_t> suffix() const { return parts_->suffix; }

private:
    [[nodiscard]] const Vocabulary& vocabulary() const { return parts_->model.vocabulary(); }
    [[nodiscard]] const AddedToken* added_of(std::int32_t id) const {
        const auto found = std::lower_bound(parts_->added.begin(), parts_->added.end(), id,
                                            [](const AddedToken& token, std::int32_t i) { return token.id < i; });
        return found != parts_->added.end() && found->id == id ? &*found : nullptr;
    }

    std::shared_ptr<const TokenizerParts> parts_;
};

}  // namespace hydralora::text
