// How text becomes tokens: bytes, so that every file can be read and no table is needed, or a model's own tokenizer.
#pragma once

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

#include <hydralora/core/check.hpp>
#include <hydralora/core/view.hpp>
#include <hydralora/io/gguf.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/text/chat_format.hpp>
#include <hydralora/text/control_tokens.hpp>
#include <hydralora/text/tokenizer.hpp>

#include "chat.hpp"

namespace hydra {

/// Of the vocabulary of bytes (ids 0..255 are the bytes): stands before and after every document, and between a prompt and
/// its answer.
inline constexpr std::int32_t end_of_text = 256;
inline constexpr hydralora::Index byte_vocabulary = 257;
/// As a label: nothing is learned at this position.
inline constexpr std::int32_t ignored = -100;

/// What the places are called where a vocabulary comes from, for messages.
struct VocabularyPlaces {
    std::string_view tokens, size, bos, eos;
};
inline constexpr VocabularyPlaces directory_places{"tokenizer.json", "config.json has vocab_size",
                                                   "bos_token in tokenizer_config.json",
                                                   "eos_token in tokenizer_config.json or eos_token_id in config.json"};
inline constexpr VocabularyPlaces gguf_places{"tokenizer.ggml.tokens", "the rows of the embedding",
                                              "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"};

/// What the files beside a tokenizer, or the fields beside its tokens, say about them.
struct ModelTokens {
    std::optional<std::int32_t> bos, eos;
    std::vector<std::int32_t> stops{};           ///< of config.json and generation_config.json; of the fields
    std::optional<std::string> chat_template{};  ///< as the model has it
    std::string template_place{};                ///< where it stands, for messages
    std::string why_no_template{};               ///< why none of several is taken; "" elsewhere
    std::vector<std::pair<std::string, std::string>> spellings{};  ///< for it: "bos_token" and others
    hydralora::Index model_size = byte_vocabulary;                 ///< vocab_size: rows of the embedding
    std::string directory{};                                       ///< or file, for messages
    VocabularyPlaces places = directory_places;                    ///< in it
    std::string note{};  ///< how transformers reads it otherwise, "" if it does not
};

class Vocabulary {
public:
    /// Bytes and end_of_text.
    Vocabulary() = default;
    Vocabulary(hydralora::text::Tokenizer tokenizer, ModelTokens tokens);

    /// Of a model without a tokenizer: every use throws `why`.
    [[nodiscard]] static Vocabulary absent(std::string why);

    /// For the user: what others read otherwise than this does; "" if nothing.
    [[nodiscard]] const std::string& note() const { return tokens_.note; }
    [[nodiscard]] bool is_bytes() const { return !tokenizer_ && absent_.empty(); }
    [[nodiscard]] bool is_present() const { return absent_.empty(); }
    /// Throws if there is none.
    void check_present() const { hydralora::check(absent_.empty(), absent_); }
    /// Ids are below it.
    [[nodiscard]] hydralora::Index size() const { return tokens_.model_size; }

    /// Appends the tokens of a text, in which nothing is a control token. Every id is one that the model has.
    void encode(std::string_view text, std::vector<std::int32_t>& ids,
                hydralora::text::Position position = hydralora::text::Position::first) const;
    [[nodiscard]] std::vector<std::int32_t> encode(
        std::string_view text, hydralora::text::Position position = hydralora::text::Position::first) const;
    /// The text of the tokens; control tokens leave nothing.
    [[nodiscard]] std::string decode(std::span<const std::int32_t> ids) const;

    /// The same with control tokens spelt, for people to look at.
    [[nodiscard]] std::string spelt(std::span<const std::int32_t> ids) const;

    /// Control tokens that a text spells; encode() takes them as text.
    struct SpeltControls {
        hydralora::Index count = 0;
        std::size_t first = 0, length = 0;  ///< where the first begins, and its bytes
    };
    [[nodiscard]] SpeltControls spelt_controls(std::string_view text) const;

    /// Whether the token leaves nothing in a decoded text.
    [[nodiscard]] bool is_control(std::int32_t id) const;

    /// What stands before every text; may be nothing.
    [[nodiscard]] std::span<const std::int32_t> start() const;
    /// Ends a text, and the answers of chat formats that have no token of their own for it.
    [[nodiscard]] std::int32_t eos() const;
    [[nodiscard]] std::optional<std::int32_t> bos() const { return tokens_.bos; }
    /// The token of a control segment, which must be there: `chat` is for the message. None where the segment is to be
    /// spelt: all but bos and eos in a vocabulary of bytes, marks that the tokenizer does not have.
    [[nodiscard]] std::optional<std::int32_t> control(const hydralora::text::Segment& segment, const Chat& chat) const;
    /// What the model's template wrote, cut at the control tokens that are the template's own.
    [[nodiscard]] std::vector<hydralora::text::Segment> segments(const hydralora::text::jinja::Text& text) const;

    /// Tokens that end a generated text; with a chat format, its end of turn too.
    [[nodiscard]] std::vector<std::int32_t> stops(const std::optional<Chat>& chat = std::nullopt) const;

    /// How the format's end of turn is spelt where no token ends it; "" where one does.
    [[nodiscard]] std::string spelt_end_of_turn(const Chat& chat) const;

    /// The chat format asked for by `name`; "": the model's own template, or hydralora where it has none. None where it has
    /// one that cannot be rendered here: texts can be read, conversations not.
    [[nodiscard]] std::optional<Chat> chat_format(std::string_view name) const;
    /// Why chat_format("") found none, and the remedy.
    [[nodiscard]] std::string why_no_chat_format() const;
    [[nodiscard]] bool has_chat_template() const { return tokens_.chat_template.has_value(); }

private:
    std::int32_t known(std::int32_t id) const;
    /// The token that ends a turn of the assistant; none where the end is spelt.
    [[nodiscard]] std::optional<std::int32_t> end_token(const Chat& chat) const;

    std::string absent_;
    std::optional<hydralora::text::Tokenizer> tokenizer_;
    hydralora::text::ControlTokens controls_;
    std::shared_ptr<const OwnTemplate> own_;
    std::string why_no_template_;
    ModelTokens tokens_{.bos = end_of_text, .eos = end_of_text, .stops = {end_of_text}};
};

/// Of a model directory: bytes where config.json says "tokens": "bytes", else tokenizer.json with the files beside it.
[[nodiscard]] Vocabulary load_vocabulary(const std::filesystem::path& directory, const hydralora::io::JsonView& config);

/// Of a GGUF file, whose embedding has `model_size` rows. Its template is taken as that of a directory is.
[[nodiscard]] Vocabulary load_vocabulary(const hydralora::io::GgufFile& file, hydralora::Index model_size);

}  // namespace hydra
