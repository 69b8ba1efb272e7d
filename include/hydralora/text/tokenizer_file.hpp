// Reading tokenizer.json: the model, the added tokens, the post-processor, and all of it together.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "../io/file.hpp"
#include "../io/json.hpp"
#include "../io/json_view.hpp"
#include "../io/quote.hpp"
#include "tokenizer_parts.hpp"
#include "tokenizer_steps.hpp"

namespace hydralora::text {

namespace tokenizer_file {

using io::Json;

// A vocabulary of 262,144 tokens with 515,000 merges is a file of 33 MB with two million values. Values cost 80 bytes
// each while the file is read.
inline constexpr io::JsonLimits limits{.bytes = std::size_t{256} << 20, .depth = 64, .values = std::size_t{1} << 22};
inline constexpr Index most_ids = Index{1} << 24;
inline constexpr std::size_t longest_token = std::size_t{1} << 16;
inline constexpr std::size_t most_added = std::size_t{1} << 16, most_added_bytes = std::size_t{1} << 20;

[[nodiscard]] inline Vocabulary read_vocabulary(const JsonView& json) {
    Vocabulary vocabulary;
    for (const auto& [content, value] : json.object()) {
        if (content.size() > longest_token)
            fail(json.where(), ": the token ", in_quotes(content), " has ", content.size(), " bytes, expected at most ",
                 longest_token);
        const auto id = value.whole();
        if (!id || *id < 0 || *id >= most_ids) static_cast<void>(json[content].integer(0, most_ids - 1));
        vocabulary.add(content, static_cast<std::int32_t>(*id));
    }
    vocabulary.finish();
    for (std::uint32_t slot = 1; slot < vocabulary.size(); ++slot)
        if (vocabulary.id(slot) == vocabulary.id(slot - 1))
            fail(json.where(), ": expected each id once, found ", vocabulary.id(slot), " for ",
                 in_quotes(vocabulary.content(slot - 1)), " and ", in_quotes(vocabulary.content(slot)));
    return vocabulary;
}

/// The two tokens of a merge: "a b" or ["a", "b"].
[[nodiscard]] inline std::pair<std::string_view, std::string_view> merge_pair(const JsonView& merges, std::size_t i) {
    const Json& merge = merges.array()[i];
    if (const auto* text = merge.get_if<std::string>()) {
        const std::size_t gap = text->find(' ');
        if (gap != std::string::npos && text->find(' ', gap + 1) == std::string::npos)
            return {std::string_view(*text).substr(0, gap), std::string_view(*text).substr(gap + 1)};
    } else if (const auto* pair = merge.get_if<Json::Array>(); pair != nullptr && pair->size() == 2) {
        const auto *left = (*pair)[0].get_if<std::string>(), *right = (*pair)[1].get_if<std::string>();
        if (left != nullptr && right != nullptr) return {*left, *right};
    }
    merges.element(i).refuse("two tokens, as \"a b\" or [\"a\", \"b\"]");
}

[[nodiscard]] inline std::vector<Merge> read_merges(const JsonView& json, const Vocabulary& vocabulary) {
    std::vector<Merge> merges;
    std::string joined;
    for (std::size_t i = 0; i < json.array().size(); ++i) {
        // merges.txt begins with such a line, and files made from one have kept it.
        if (const auto* text = json.array()[i].get_if<std::string>(); text != nullptr && text->starts_with("#version"))
            continue;
        const auto [left, right] = merge_pair(json, i);
        joined.assign(left).append(right);
        const auto slot = [&](std::string_view token) {
            const std::uint32_t found = vocabulary.find(token);
            if (found == Vocabulary::none)
                fail(json.element(i).where(), ": ", in_quotes(token), " is not in the vocabulary");
            return found;
        };
        merges.push_back({slot(left), slot(right), static_cast<std::uint32_t>(i), slot(joined)});
    }
    return merges;
}

[[nodiscard]] inline Bpe read_model(const JsonView& json) {
    if (json["type"].exists() && !is(json, "BPE")) refuse(json, "model", in_quotes("BPE"));
    if (!json["type"].exists() && !json["merges"].exists()) json["type"].refuse(in_quotes("BPE"));
    if (json["dropout"].exists() && json["dropout"].number(0, 1) > 0)
        json["dropout"].refuse("null: random merges are not supported");
    for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"})
        if (json[affix].exists() && !json[affix].string().empty()) json[affix].refuse("null or \"\"");
    Bpe::Options options;
    if (json["unk_token"].exists()) options.unknown = json["unk_token"].string();
    options.unknowns = flag(json["fuse_unk"], false) ? Bpe::Unknown::fused : Bpe::Unknown::each;
    options.byte_fallback = flag(json["byte_fallback"], false);
    options.whole_words_first = flag(json["ignore_merges"], false);
    Vocabulary vocabulary = read_vocabulary(json["vocab"]);
    std::vector<Merge> merges = read_merges(json["merges"], vocabulary);
    return Bpe(std::move(vocabulary), std::move(merges), std::move(options));
}

/// Says both readings of an added token's id, and what makes them one.
[[noreturn]] inline void refuse_id(const JsonView& json, const AddedToken& token, std::int32_t id, bool in_model) {
    const std::string name = in_quotes(token.content);
    const std::string given =
        in_model ? concat("the id that the model's vocabulary gives ", name) : concat("the next free id, for ", name);
    const std::string remedy =
        in_model || token.id < id
            ? std::string()
            : concat("; if it was with ", token.id, ", put tokens that no text has, such as ",
                     in_quotes(concat("<unused_", id, ">")), ", before it for the ids ", id, " to ", token.id - 1);
    fail(json.where(), ": expected ", id, ", ", given, ", found ", token.id,
         ": the package tokenizers up to 0.23.3 passes over the number in the file and makes it ", id,
         ", later readers take ", token.id, "; if the model was trained with ", id, ", write ", id, " here", remedy);
}

/// The added tokens in the order of the file. The package gives a token the id that its content has in the model, else
/// the next free one, whatever the file says; where the two differ there is no right answer.
[[nodiscard]] inline std::vector<AddedToken> read_added_tokens(const JsonView& json, const Vocabulary& vocabulary) {
    std::vector<AddedToken> tokens;
    if (!json.exists()) return tokens;
    if (json.size() > most_added) json.refuse(concat("at most ", most_added, " tokens"));
    auto next = static_cast<std::int32_t>(vocabulary.size());
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < json.array().size(); ++i) {
        const JsonView item = json.element(i);
        AddedToken token;
        token.content = item["content"].string();
        token.single_word = item["single_word"].boolean();
        token.lstrip = item["lstrip"].boolean();
        token.rstrip = item["rstrip"].boolean();
        token.normalized = item["normalized"].boolean();
        token.special = item["special"].boolean();
        token.id = static_cast<std::int32_t>(item["id"].integer(0, most_ids - 1));
        if (token.content.empty()) continue;
        bytes += token.content.size();
        check(bytes <= most_added_bytes, item.where(), ": the added tokens have more than ", most_added_bytes,
              " bytes");

        const std::uint32_t slot = vocabulary.find(token.content);
        const std::int32_t id = slot == Vocabulary::none ? next : vocabulary.id(slot);
        if (token.id != id) refuse_id(item["id"], token, id, slot != Vocabulary::none);
        if (slot == Vocabulary::none && vocabulary.slot_of(id) != Vocabulary::none)
            item["id"].refuse("an id that the model's vocabulary does not use: its ids have gaps");
        if (id >= next) next = id + 1;
        tokens.push_back(std::move(token));
    }
    std::vector<std::string_view> contents;
    for (const AddedToken& token : tokens) contents.push_back(token.content);
    std::sort(contents.begin(), contents.end());
    const auto twice = std::adjacent_find(contents.begin(), contents.end());
    if (twice != contents.end()) fail(json.where(), ": expected each token once, found ", in_quotes(*twice), " twice");
    return tokens;
}

/// Puts the tokens where they are looked for; special ones come first where two look the same.
inline void place_added_tokens(std::vector<AddedToken> tokens, const JsonView& json, TokenizerParts& parts) {
    std::stable_sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.special > b.special; });
    std::vector<AddedToken> verbatim, normalised;
    std::size_t bytes = 0;
    for (AddedToken& token : tokens) {
        token.pattern = token.normalized ? parts.normaliser(token.content) : token.content;
        if (token.pattern.empty())
            fail(json.where(), ": the normalizer leaves nothing of the token ", in_quotes(token.content));
        bytes += token.pattern.size();
        check(bytes <= most_added_bytes, json.where(), ": the added tokens have more than ", most_added_bytes,
              " bytes after the normalizer");
        (token.normalized ? normalised : verbatim).push_back(token);
    }
    parts.verbatim = AddedTokens(std::move(verbatim));
    parts.normalised = AddedTokens(std::move(normalised));
    std::sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    parts.added = std::move(tokens);
}

/// The ids around a single text (A) in the template, if there is one.
inline void read_post_processor(const JsonView& json, TokenizerParts& parts) {
    bool found = false;
    each_step(json, "processors", [&](const JsonView& part) {
        if (is(part, "ByteLevel")) return;  // changes offsets only
        if (!is(part, "TemplateProcessing"))
            refuse(part, "post_processor", "ByteLevel, TemplateProcessing or a Sequence of them");
        check(!std::exchange(found, true), part.where(), ": expected one TemplateProcessing, found a second");
        const JsonView single = part["single"];
        // Each piece is looked up in a list as long.
        constexpr std::size_t most_pieces = 2 * most_steps + 1;
        if (single.array().size() > most_pieces) single.refuse(concat("at most ", most_pieces, " pieces"));
        bool before = true;
        for (std::size_t i = 0; i < single.array().size(); ++i) {
            const JsonView piece = single.element(i);
            if (const JsonView text = piece["Sequence"]; text.exists()) {
                static_cast<void>(text["id"].one_of({"A"}));
                check(std::exchange(before, false), piece.where(), ": expected the text once, found it again");
                continue;
            }
            const JsonView ids = part["special_tokens"][piece["SpecialToken"]["id"].string()]["ids"];
            auto& list = before ? parts.prefix : parts.suffix;
            if (ids.array().size() > most_steps - list.size())
                fail(ids.where(), ": expected at most ", most_steps, " ids on either side of a text, found ",
                     list.size() + ids.size());
            for (std::size_t k = 0; k < ids.size(); ++k)
                list.push_back(static_cast<std::int32_t>(ids.element(k).integer(0, parts.size - 1)));
        }
        check(!before, single.where(), ": expected a Sequence with the id ", in_quotes("A"), ", found none");
    });
}

}  // namespace tokenizer_file

/// The parts that a tokenizer.json describes; `file` is for messages.
[[nodiscard]] inline TokenizerParts parse_tokenizer_file(std::string_view text, std::string_view file) {
    using namespace tokenizer_file;
    const Json document = io::parse_json(text, file, limits);
    const JsonView json(document, file);
    static_cast<void>(json.object());
    if (json["version"].exists()) static_cast<void>(json["version"].one_of({"1.0"}));
    TokenizerParts parts;
    parts.normaliser = read_normaliser(json["normalizer"]);
    parts.pre_tokeniser = read_pre_tokeniser(json["pre_tokenizer"]);
    parts.decoder = read_decoder(json["decoder"]);
    Bpe model = read_model(json["model"]);
    std::vector<AddedToken> added = read_added_tokens(json["added_tokens"], model.vocabulary());
    std::vector<std::uint32_t> specials;
    for (const AddedToken& token : added)
        if (const std::uint32_t slot = model.vocabulary().find(token.content);
            token.special && slot != Vocabulary::none)
            specials.push_back(slot);
    model.set_specials(std::move(specials));
    parts.model = std::move(model);
    const Vocabulary& vocabulary = parts.model.vocabulary();
    place_added_tokens(std::move(added), json["added_tokens"], parts);
    if (vocabulary.size() > 0) parts.size = vocabulary.id(static_cast<std::uint32_t>(vocabulary.size() - 1)) + 1;
    if (!parts.added.empty()) parts.size = std::max<Index>(parts.size, parts.added.back().id + 1);
    read_post_processor(json["post_processor"], parts);
    return parts;
}

[[nodiscard]] inline TokenizerParts read_tokenizer_file(const std::filesystem::path& path) {
    const io::MappedFile file = io::MappedFile::open(path);
    return parse_tokenizer_file(file.text(), file.path());
}

}  // namespace hydralora::text
