// From tokens back to text.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "byte_alphabet.hpp"
#include "growth_limit.hpp"
#include "normalise.hpp"

namespace hydralora::text {

/// Tokens of the form <0xHH> become their bytes, and those that follow each other one token.
struct ByteFallback {};
struct Fuse {};
/// Takes up to so many `content` from either end of each token.
struct Strip {
    std::string content;
    std::size_t start, stop;
};
/// Bytes of a byte-level vocabulary.
struct FromByteLevel {};
/// The replacement becomes a space, but in the first token, which was prepended to, nothing.
struct FromMetaspace {
    std::string replacement;
    bool prepended;
};
using DecodeStep = std::variant<Replace, ReplacePattern, ByteFallback, Fuse, Strip, FromByteLevel, FromMetaspace>;

namespace decode_detail {

using Tokens = std::vector<std::string>;

inline void fuse(Tokens& tokens) {
    std::string all;
    for (const std::string& token : tokens) all += token;
    tokens.assign(1, std::move(all));
}

/// The only steps that can make their tokens longer.
template <class Rule>
requires(std::same_as<Rule, Replace> || std::same_as<Rule, ReplacePattern>) void apply(const Rule& step, Tokens& tokens,
                                                                                       GrowthLimit& limit) {
    limit.next_step();
    for (std::string& token : tokens) token = replaced(token, step, limit);
}

/// The byte of <0xHH>, -1 for other tokens.
[[nodiscard]] inline int byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
    const auto digit = [](char c) {
        return c >= '0' && c <= '9'   ? c - '0'
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                      : -1;
    };
    const int high = digit(token[3]), low = digit(token[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

inline void apply(const ByteFallback&, Tokens& tokens, GrowthLimit&) {
    Tokens result;
    bool in_bytes = false;
    for (std::string& token : tokens) {
        const int byte = byte_of(token);
        if (byte >= 0 && in_bytes)
            result.back() += static_cast<char>(static_cast<unsigned char>(byte));
        else
            result.push_back(byte >= 0 ? std::string(1, static_cast<char>(static_cast<unsigned char>(byte)))
                                       : std::move(token));
        in_bytes = byte >= 0;
    }
    tokens = std::move(result);
}

inline void apply(const Fuse&, Tokens& tokens, GrowthLimit&) { fuse(tokens); }

inline void apply(const Strip& step, Tokens& tokens, GrowthLimit&) {
    for (std::string& token : tokens) {
        std::string_view text = token;
        for (std::size_t n = 0; n < step.start && text.starts_with(step.content); ++n)
            text.remove_prefix(step.content.size());
        for (std::size_t n = 0; n < step.stop && text.ends_with(step.content); ++n)
            text.remove_suffix(step.content.size());
        token = std::string(text);
    }
}

inline void apply(const FromByteLevel&, Tokens& tokens, GrowthLimit&) {
    for (std::string& token : tokens) token = from_byte_alphabet(token);
    fuse(tokens);
}

inline void apply(const FromMetaspace& step, Tokens& tokens, GrowthLimit&) {
    for (std::size_t i = 0; i < tokens.size(); ++i)
        tokens[i] = replaced(tokens[i], {step.replacement, i == 0 && step.prepended ? "" : " "});
}

}  // namespace decode_detail

/// The steps of a file's decoder, in order; a file without one puts spaces between the tokens.
struct Decoder {
    std::vector<DecodeStep> steps;
    std::string separator;

    [[nodiscard]] std::string operator()(std::vector<std::string> tokens) const {
        std::size_t bytes = 0;
        for (const std::string& token : tokens) bytes += token.size();
        GrowthLimit limit("the decoder", "decode", bytes);
        for (const DecodeStep& step : steps)
            std::visit([&](const auto& s) { decode_detail::apply(s, tokens, limit); }, step);
        std::string text;
        for (std::size_t i = 0; i < tokens.size(); ++i) text += (i > 0 ? separator : "") + tokens[i];
        return text;
    }
};

}  // namespace hydralora::text
