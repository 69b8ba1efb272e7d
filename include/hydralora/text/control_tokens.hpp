// The control tokens of a rendered template. Only what the template itself writes makes one: what a turn says stays text,
// whatever it spells.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "added_tokens.hpp"
#include "chat_format.hpp"
#include "jinja/text.hpp"

namespace hydralora::text {

/// The special tokens of a tokenizer, as they are spelt.
class ControlTokens {
public:
    ControlTokens() = default;
    explicit ControlTokens(std::span<const AddedToken> added) {
        std::vector<AddedToken> special;
        for (const AddedToken& token : added) {
            if (!token.special || token.content.empty()) continue;
            special.push_back(token);
            special.back().pattern = token.content;
        }
        tokens_ = AddedTokens(std::move(special));
    }

    /// Where the text spells them.
    [[nodiscard]] std::vector<LongestMatch::Match> spelt(std::string_view text) const { return tokens_.matches(text); }

    /// The text cut at the control tokens in it; trained is what is marked as generated, a token if any byte of it is.
    [[nodiscard]] std::vector<Segment> segments(const jinja::Text& text) const {
        chat_detail::Script script;
        const auto said = [&](const AddedToken&, std::size_t begin, std::size_t end) {
            return has(text, begin, end, [](jinja::Origin origin) { return jinja::source_of(origin) != 0; });
        };
        for (const AddedTokens::Piece& piece : tokens_.split(text.bytes(), said)) {
            if (piece.token == nullptr) {
                text.slice(piece.begin, piece.end)
                    .each_run([&](std::size_t begin, std::size_t end, jinja::Origin origin) {
                        script.text(std::string_view(text.bytes()).substr(piece.begin + begin, end - begin),
                                    loss_of(origin));
                    });
                continue;
            }
            const bool trained = has(text, piece.begin, piece.end,
                                     [](jinja::Origin origin) { return loss_of(origin) == Loss::trained; });
            script.token(piece.token->content, trained ? Loss::trained : Loss::masked);
        }
        return script.take();
    }

private:
    static Loss loss_of(jinja::Origin origin) {
        return (origin & jinja::generated) != 0 ? Loss::trained : Loss::masked;
    }
    template <class Asks>
    static bool has(const jinja::Text& text, std::size_t begin, std::size_t end, Asks&& asks) {
        for (std::size_t i = begin; i < end; ++i)
            if (asks(text.origin_at(i))) return true;
        return false;
    }

    AddedTokens tokens_;
};

}  // namespace hydralora::text
