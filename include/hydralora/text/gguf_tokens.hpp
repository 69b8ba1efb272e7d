// What a GGUF file says about its tokens beside their texts: which begin and end a text, and the chat template.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "../io/gguf.hpp"
#include "../io/quote.hpp"
#include "vocabulary.hpp"

namespace hydralora::text {

struct GgufTokens {
    std::optional<std::int32_t> bos{}, eos{}, eot{}, unknown{}, padding{};
    /// Whether a text begins with `bos` and ends with `eos`; then these are there.
    bool add_bos = false, add_eos = false;
    /// Tokens that end a generated text: eos, eot, end of message, and those whose spelling says so.
    std::vector<std::int32_t> ends{};
    std::optional<std::string> chat_template{};  ///< as it stands
};

namespace gguf_tokenizer {

using io::GgufFile;
using io::in_quotes;

// llama.cpp (src/llama-vocab.cpp) takes tokens of these texts for control tokens whatever their type, because many files
// have it wrong: those that end a text, and those of fill-in-the-middle.
inline constexpr std::string_view ending_texts[] = {"<|eot_id|>",
                                                    "<|im_end|>",
                                                    "<|end|>",
                                                    "<|return|>",
                                                    "<|call|>",
                                                    "<|flush|>",
                                                    "<|calls|>",
                                                    "<end_of_turn>",
                                                    "<|endoftext|>",
                                                    "</s>",
                                                    "<|eom_id|>",
                                                    "<EOT>",
                                                    "_<EOT>",
                                                    "[EOT]",
                                                    "[EOS]",
                                                    "<|end_of_text|>",
                                                    "<end_of_utterance>",
                                                    "<eos>",
                                                    "<turn|>",
                                                    "<|tool_response>",
                                                    "[e~[",
                                                    "<\uff5cend\u2581of\u2581sentence\uff5c>"};
inline constexpr std::string_view middle_texts[] = {
    "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<PRE>",         "\u2581<PRE>",    "<|fim_suffix|>",
    "<fim-suffix>",   "<fim_suffix>", "<SUF>",        "\u2581<SUF>",   "<|fim_middle|>", "<fim-middle>",
    "<fim_middle>",   "<MID>",        "\u2581<MID>",  "<|fim_pad|>",   "<fim-pad>",      "<fim_pad>",
    "<PAD>",          "[PAD]",        "<|fim_repo|>", "<|repo_name|>", "<fim-repo>",     "<REPO>",
    "<reponame>",     "<|file_sep|>"};

template <class Use>
void each_control_text(Use&& use) {
    for (const std::string_view text : ending_texts) use(text);
    for (const std::string_view text : middle_texts) use(text);
}

/// The id at that key, which a token must have; `otherwise` where there is no such key.
[[nodiscard]] inline std::optional<std::int32_t> token_id(const GgufFile& file, std::string_view key,
                                                          const Vocabulary& vocabulary,
                                                          std::optional<std::int32_t> otherwise = std::nullopt) {
    const io::GgufField* field = file.find_field(key);
    if (field == nullptr)
        return otherwise && vocabulary.slot_of(*otherwise) != Vocabulary::none ? otherwise : std::nullopt;
    const auto id = file.value<std::uint32_t>(key);
    check(id < vocabulary.size(), file.where(*field), ": expected the id of a token, less than ", vocabulary.size(),
          ", found ", id, "; set it to the right one, or take the field out");
    return static_cast<std::int32_t>(id);
}

[[nodiscard]] inline bool flag(const GgufFile& file, std::string_view key, bool when_absent) {
    return file.find_field(key) != nullptr ? file.value<bool>(key) : when_absent;
}

/// What stands before or after every text must be there.
inline void check_added(const GgufFile& file, bool added, const std::optional<std::int32_t>& id,
                        std::string_view flag_key, std::string_view id_key) {
    check(!added || id.has_value(), file.name(), ": ", in_quotes(flag_key), " is ",
          file.find_field(flag_key) != nullptr ? "true" : "true unless a file says otherwise", ", expected a field ",
          in_quotes(id_key), " with the token to add, found none; set it, or set ", in_quotes(flag_key), " to false");
}

struct TokenDefaults {
    std::optional<std::int32_t> bos{}, eos{}, unknown{};
    bool add_bos = false;
};

/// The fields beside the tokens, with what llama.cpp takes where one is absent. Not its default of 11 for begin and end
/// of a byte-level vocabulary, which is Falcon's.
[[nodiscard]] inline GgufTokens read_tokens(const GgufFile& file, const Vocabulary& vocabulary,
                                            const TokenDefaults& defaults) {
    constexpr std::size_t longest_template = std::size_t{1} << 20;
    GgufTokens tokens;
    tokens.bos = token_id(file, "tokenizer.ggml.bos_token_id", vocabulary, defaults.bos);
    tokens.eos = token_id(file, "tokenizer.ggml.eos_token_id", vocabulary, defaults.eos);
    tokens.unknown = token_id(file, "tokenizer.ggml.unknown_token_id", vocabulary, defaults.unknown);
    tokens.padding = token_id(file, "tokenizer.ggml.padding_token_id", vocabulary);
    tokens.eot = token_id(file, "tokenizer.ggml.eot_token_id", vocabulary);
    tokens.add_bos = flag(file, "tokenizer.ggml.add_bos_token", defaults.add_bos);
    tokens.add_eos = flag(file, "tokenizer.ggml.add_eos_token", false);
    check_added(file, tokens.add_bos, tokens.bos, "tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id");
    check_added(file, tokens.add_eos, tokens.eos, "tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id");

    const auto ends = [&](const std::optional<std::int32_t>& id) {
        if (id && std::find(tokens.ends.begin(), tokens.ends.end(), *id) == tokens.ends.end())
            tokens.ends.push_back(*id);
    };
    ends(tokens.eos);
    ends(tokens.eot);
    ends(token_id(file, "tokenizer.ggml.eom_token_id", vocabulary));
    for (const std::string_view text : ending_texts)
        if (const std::uint32_t slot = vocabulary.find(text); slot != Vocabulary::none) ends(vocabulary.id(slot));

    constexpr std::string_view template_key = "tokenizer.chat_template";
    if (const io::GgufField* field = file.find_field(template_key)) {
        const auto text = file.value<std::string_view>(template_key);
        check(text.size() <= longest_template, file.where(*field), ": expected a chat template of at most ",
              longest_template, " bytes, found ", text.size());
        if (!text.empty()) tokens.chat_template = std::string(text);
    }
    return tokens;
}

}  // namespace gguf_tokenizer
}  // namespace hydralora::text
