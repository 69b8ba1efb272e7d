// Reading the steps of a tokenizer.json: normalizer, pre_tokenizer, decoder. What is not known is refused by name: a
// tokenizer that is nearly right trains a wrong model.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "../io/json_view.hpp"
#include "../io/quote.hpp"
#include "decode.hpp"
#include "normalise.hpp"
#include "pre_tokenise.hpp"
#include "unicode.hpp"

namespace hydralora::text {

namespace tokenizer_file {

using io::in_quotes;
using io::JsonView;

inline constexpr std::size_t longest_affix = 256, most_steps = 32;

/// Whether the value is an object of that type; all parts carry one.
[[nodiscard]] inline bool is(const JsonView& part, std::string_view type) { return part["type"].string() == type; }

[[noreturn]] inline void refuse(const JsonView& part, std::string_view kind, std::string_view known) {
    fail(part.where(), ": ", kind, " ", in_quotes(part["type"].string()), " is not supported, expected ", known);
}

[[nodiscard]] inline std::string short_text(const JsonView& json, std::size_t least = 1) {
    const std::string& text = json.string();
    if (text.size() < least || text.size() > longest_affix)
        json.refuse(concat("a string of ", least, " to ", longest_affix, " bytes"));
    return text;
}

[[nodiscard]] inline std::string one_character(const JsonView& json) {
    const std::string text = short_text(json);
    if (character_at(text, 0).bytes != text.size()) json.refuse("one character");
    return text;
}

[[nodiscard]] inline bool flag(const JsonView& json, bool when_absent) {
    return json.exists() ? json.boolean() : when_absent;
}

/// Calls `read` for a part, or for the parts of a `Sequence` in order. Levels are as bounded as those of the document.
template <class Read>
void each_step(const JsonView& part, std::string_view list, Read&& read) {
    if (!part.exists()) return;
    if (!is(part, "Sequence")) return read(part);
    const JsonView steps = part[list];
    if (steps.array().size() > most_steps) steps.refuse(concat("at most ", most_steps, " steps"));
    for (std::size_t i = 0; i < steps.size(); ++i) each_step(steps.element(i), list, read);
}

[[nodiscard]] inline Replace replacement(const JsonView& part) {
    const JsonView pattern = part["pattern"];
    if (pattern["Regex"].exists())
        fail(pattern.where(), ": the regular expression ", in_quotes(pattern["Regex"].string()), " of a ",
             in_quotes("Replace"), " is not supported, expected a ", in_quotes("String"));
    return {short_text(pattern["String"]), short_text(part["content"], 0)};
}

[[nodiscard]] inline Normaliser read_normaliser(const JsonView& json) {
    Normaliser result;
    each_step(json, "normalizers", [&](const JsonView& part) {
        if (is(part, "NFC"))
            result.steps.push_back(Nfc{});
        else if (is(part, "Prepend"))
            result.steps.push_back(Prepend{short_text(part["prepend"], 0)});
        else if (is(part, "Replace"))
            result.steps.push_back(replacement(part));
        else
            refuse(part, "normalizer", "NFC, Prepend, Replace or a Sequence of them");
        check(result.steps.size() <= most_steps, part.where(), ": expected at most ", most_steps, " steps, found more");
    });
    return result;
}

[[nodiscard]] inline Pattern read_pattern(const JsonView& split) {
    const JsonView pattern = split["pattern"];
    if (!pattern["Regex"].exists())
        fail(pattern.where(), ": expected ", in_quotes("Regex"), " with a known regular expression, found none");
    // Every character is part of a match, so that these two say the same.
    const std::string& behaviour = split["behavior"].one_of({"Isolated", "Removed"});
    if (split["invert"].boolean() != (behaviour == "Removed"))
        split["invert"].refuse(behaviour == "Removed" ? "true with Removed" : "false with Isolated");
    const std::string& text = pattern["Regex"].string();
    for (const NamedPattern& known : known_patterns)
        if (known.text == text) return known.pattern;
    fail(pattern.where(), ": the regular expression ", in_quotes(text, 300),
         " is not known, expected that of GPT-2, Llama 3 or Qwen2");
}

[[nodiscard]] inline std::pair<std::string, Metaspace::Prepend> read_metaspace(const JsonView& part) {
    using Scheme = Metaspace::Prepend;
    Scheme scheme = Scheme::always;
    if (part["prepend_scheme"].exists()) {
        const std::string& name = part["prepend_scheme"].one_of({"always", "first", "never"});
        scheme = name == "always" ? Scheme::always : name == "first" ? Scheme::first : Scheme::never;
    }
    // The older key, which must not say something else.
    if (!flag(part["add_prefix_space"], true) && scheme != Scheme::never)
        part["add_prefix_space"].refuse(concat("true, or ", in_quotes("prepend_scheme"), " ", in_quotes("never")));
    return {one_character(part["replacement"]), scheme};
}

[[nodiscard]] inline PreTokeniser read_pre_tokeniser(const JsonView& json) {
    PreTokeniser result;
    each_step(json, "pretokenizers", [&](const JsonView& part) {
        auto& steps = result.steps;
        if (is(part, "Split")) {
            steps.push_back(SplitByPattern{read_pattern(part)});
        } else if (is(part, "Digits")) {
            steps.push_back(part["individual_digits"].boolean() ? Digits::single : Digits::together);
        } else if (is(part, "ByteLevel")) {
            if (part["add_prefix_space"].boolean()) steps.push_back(PrefixSpace{});
            if (flag(part["use_regex"], true)) steps.push_back(SplitByPattern{Pattern::gpt2});
            steps.push_back(ToByteLevel{});
        } else if (is(part, "Metaspace")) {
            auto [character, prepend] = read_metaspace(part);
            steps.push_back(Metaspace{std::move(character), prepend, flag(part["split"], true)});
        } else {
            refuse(part, "pre_tokenizer", "ByteLevel, Digits, Metaspace, Split or a Sequence of them");
        }
        check(steps.size() <= most_steps, part.where(), ": expected at most ", most_steps, " steps, found more");
    });
    return result;
}

[[nodiscard]] inline Decoder read_decoder(const JsonView& json) {
    Decoder result{{}, json.exists() ? "" : " "};
    each_step(json, "decoders", [&](const JsonView& part) {
        auto& steps = result.steps;
        if (is(part, "Replace")) {
            steps.push_back(replacement(part));
        } else if (is(part, "ByteFallback")) {
            steps.push_back(ByteFallback{});
        } else if (is(part, "Fuse")) {
            steps.push_back(Fuse{});
        } else if (is(part, "Strip")) {
            constexpr Index most = 1 << 16;
            steps.push_back(Strip{one_character(part["content"]),
                                  static_cast<std::size_t>(part["start"].integer(0, most)),
                                  static_cast<std::size_t>(part["stop"].integer(0, most))});
        } else if (is(part, "ByteLevel")) {
            steps.push_back(FromByteLevel{});
        } else if (is(part, "Metaspace")) {
            const auto [character, prepend] = read_metaspace(part);
            steps.push_back(FromMetaspace{character, prepend != Metaspace::Prepend::never});
        } else {
            refuse(part, "decoder", "ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Strip or a Sequence of them");
        }
        check(steps.size() <= most_steps, part.where(), ": expected at most ", most_steps, " steps, found more");
    });
    return result;
}

}  // namespace tokenizer_file
}  // namespace hydralora::text
