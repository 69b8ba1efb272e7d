// Reading the steps of a tokenizer.json: normalizer, pre_tokenizer, decoder. What is not known is refused by name: a
// tokenizer that is nearly right trains a wrong model.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "../io/json_view.hpp"
#include "../io/quote.hpp"
#include "decode.hpp"
#include "normalise.hpp"
#include "pre_tokenise.hpp"
#include "regex.hpp"
#include "split.hpp"
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

/// The pattern of a part; errors name it and its place.
[[nodiscard]] inline Regex read_regex(const JsonView& pattern) {
    const std::string& text = pattern["Regex"].string();
    try {
        return Regex(text);
    } catch (const Error& error) {
        fail(pattern.where(), ": the regular expression ", in_quotes(text, 300), ": ", error.what());
    }
}
/// Whether it is a regular expression; else it is a text.
[[nodiscard]] inline bool is_regex(const JsonView& pattern) {
    if (pattern["Regex"].exists() == pattern["String"].exists())
        fail(pattern.where(), ": expected ", in_quotes("Regex"), " or ", in_quotes("String"), ", found ",
             pattern["Regex"].exists() ? "both" : "neither");
    return pattern["Regex"].exists();
}

/// `Replace` of a normalizer or a decoder.
template <class Step>
[[nodiscard]] Step replacement(const JsonView& part) {
    const JsonView pattern = part["pattern"];
    std::string to = short_text(part["content"], 0);
    if (is_regex(pattern)) return ReplacePattern{read_regex(pattern), std::move(to)};
    return Replace{short_text(pattern["String"]), std::move(to)};
}

[[nodiscard]] inline NormaliserStep read_normaliser_step(const JsonView& part) {
    if (is(part, "NFC")) return UnicodeForm::c;
    if (is(part, "NFD")) return UnicodeForm::d;
    if (is(part, "NFKC")) return UnicodeForm::kc;
    if (is(part, "NFKD")) return UnicodeForm::kd;
    if (is(part, "Lowercase")) return Lowercase{};
    if (is(part, "Strip")) return StripSpace{part["strip_left"].boolean(), part["strip_right"].boolean()};
    if (is(part, "StripAccents")) return StripAccents{};
    if (is(part, "Prepend")) return Prepend{short_text(part["prepend"], 0)};
    if (is(part, "Replace")) return replacement<NormaliserStep>(part);
    refuse(part, "normalizer",
           "NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, Replace or a Sequence of them");
}
[[nodiscard]] inline Normaliser read_normaliser(const JsonView& json) {
    Normaliser result;
    each_step(json, "normalizers", [&](const JsonView& part) {
        result.steps.push_back(read_normaliser_step(part));
        check(result.steps.size() <= most_steps, part.where(), ": expected at most ", most_steps, " steps, found more");
    });
    return result;
}

[[nodiscard]] inline SplitBehaviour read_behaviour(const JsonView& json) {
    const std::string& name =
        json.one_of({"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"});
    return name == "Isolated"             ? SplitBehaviour::isolated
           : name == "Removed"            ? SplitBehaviour::removed
           : name == "MergedWithPrevious" ? SplitBehaviour::merged_with_previous
           : name == "MergedWithNext"     ? SplitBehaviour::merged_with_next
                                          : SplitBehaviour::contiguous;
}

[[nodiscard]] inline PreTokenStep read_split(const JsonView& part) {
    const JsonView pattern = part["pattern"];
    Split split{"", read_behaviour(part["behavior"]), part["invert"].boolean()};
    if (!is_regex(pattern)) {
        split.matcher = short_text(pattern["String"]);
        return split;
    }
    const std::string& text = pattern["Regex"].string();
    for (const NamedPattern& known : known_patterns)
        if (known.text == text) {
            // Every character is part of a match.
            if (split.behaviour == SplitBehaviour::isolated ||
                (split.behaviour == SplitBehaviour::removed && split.inverted))
                return SplitByPattern{known.pattern};
            split.matcher = known.pattern;
            return split;
        }
    split.matcher = read_regex(pattern);
    return split;
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

/// Appends the steps of one part.
inline void read_pre_token_steps(const JsonView& part, std::vector<PreTokenStep>& steps) {
    if (is(part, "Split")) {
        steps.push_back(read_split(part));
    } else if (is(part, "Digits")) {
        steps.push_back(part["individual_digits"].boolean() ? Digits::single : Digits::together);
    } else if (is(part, "Punctuation")) {
        const JsonView behaviour = part["behavior"];
        steps.push_back(Split{CharacterKind::punctuation,
                              behaviour.exists() ? read_behaviour(behaviour) : SplitBehaviour::isolated});
    } else if (is(part, "Whitespace")) {
        steps.push_back(Split{WordsAndSigns{}, SplitBehaviour::removed, true});
    } else if (is(part, "WhitespaceSplit")) {
        steps.push_back(Split{CharacterKind::white_space, SplitBehaviour::removed});
    } else if (is(part, "ByteLevel")) {
        if (part["add_prefix_space"].boolean()) steps.push_back(PrefixSpace{});
        if (flag(part["use_regex"], true)) steps.push_back(SplitByPattern{Pattern::gpt2});
        steps.push_back(ToByteLevel{});
    } else if (is(part, "Metaspace")) {
        auto [character, prepend] = read_metaspace(part);
        steps.push_back(Metaspace{std::move(character), prepend, flag(part["split"], true)});
    } else {
        refuse(part, "pre_tokenizer",
               "ByteLevel, Digits, Metaspace, Punctuation, Split, Whitespace, WhitespaceSplit or a Sequence of them");
    }
}
[[nodiscard]] inline PreTokeniser read_pre_tokeniser(const JsonView& json) {
    PreTokeniser result;
    each_step(json, "pretokenizers", [&](const JsonView& part) {
        read_pre_token_steps(part, result.steps);
        check(result.steps.size() <= most_steps, part.where(), ": expected at most ", most_steps, " steps, found more");
    });
    return result;
}

[[nodiscard]] inline Decoder read_decoder(const JsonView& json) {
    Decoder result{{}, json.exists() ? "" : " "};
    each_step(json, "decoders", [&](const JsonView& part) {
        auto& steps = result.steps;
        if (is(part, "Replace")) {
            steps.push_back(replacement<DecodeStep>(part));
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
