// The tokens of a template one after another, and the tree that grows from them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/enum_names.hpp"
#include "lexer.hpp"
#include "tree.hpp"

namespace hydralora::text::jinja::parser_detail {

/// What a token is called in messages: names, numbers and signs are told as they are written.
inline std::string in_words(const Token& token) {
    const bool written = token.kind == Lexeme::name || token.kind == Lexeme::integer || token.kind == Lexeme::real ||
                         token.kind == Lexeme::sign;
    return written ? token.text.substr(0, 40) : std::string(enum_name(token.kind, lexeme_names));
}

class TokenStream {
protected:
    TokenStream(std::vector<Token> tokens, const Limits& limits) : tokens_(std::move(tokens)), limits_(limits) {}

    [[nodiscard]] const Token& now() const { return tokens_[at_]; }
    [[nodiscard]] const Token& after() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
    const Token& next() {
        const Token& token = tokens_[at_];
        if (at_ + 1 < tokens_.size()) ++at_;
        return token;
    }
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) const {
        fail_at(now().place, Fault::syntax, parts...);
    }
    template <class... Parts>
    [[noreturn]] void refuse(const Parts&... parts) const {
        fail_at(now().place, Fault::unknown, parts...);
    }
    [[nodiscard]] bool is_sign(std::string_view text) const { return now().kind == Lexeme::sign && now().text == text; }
    [[nodiscard]] bool is_name(std::string_view text) const { return now().kind == Lexeme::name && now().text == text; }
    bool skip(std::string_view sign) {
        if (!is_sign(sign)) return false;
        next();
        return true;
    }
    bool skip_name(std::string_view name) {
        if (!is_name(name)) return false;
        next();
        return true;
    }
    void expect(std::string_view sign) {
        if (!skip(sign)) fail("expected ", sign, ", found ", in_words(now()));
    }
    void expect(Lexeme kind) {
        if (now().kind != kind) fail("expected ", enum_name(kind, lexeme_names), ", found ", in_words(now()));
        next();
    }
    /// The name that stands here; `what` it is to be is for the message.
    std::string name(std::string_view what) {
        if (now().kind != Lexeme::name) fail("expected ", what, ", found ", in_words(now()));
        return next().text;
    }

    [[nodiscard]] NodePtr node(Kind kind) const {
        auto result = std::make_unique<Node>();
        result->kind = kind;
        result->place = now().place;
        return result;
    }
    /// The same of the token that is stepped over.
    [[nodiscard]] NodePtr begun(Kind kind) {
        NodePtr result = node(kind);
        next();
        return result;
    }
    void add(Node& to, NodePtr part) const {
        if (part != nullptr) to.depth = std::max(to.depth, part->depth + 1);
        if (to.depth > limits_.nesting)
            fail_at(to.place, Fault::limit, "the template is nested more than ", limits_.nesting, " deep");
        to.parts.push_back(std::move(part));
    }
    template <class... Parts>
    [[nodiscard]] NodePtr made(NodePtr result, Parts... parts) const {
        (add(*result, std::move(parts)), ...);
        return result;
    }

    /// Holds how deep the parser is in itself.
    class Descent {
    public:
        explicit Descent(TokenStream& parser) : depth_(parser.depth_) {
            if (++depth_ > parser.limits_.nesting)
                fail_at(parser.now().place, Fault::limit, "the template is nested more than ", parser.limits_.nesting,
                        " deep");
        }
        ~Descent() { --depth_; }
        Descent(const Descent&) = delete;
        Descent& operator=(const Descent&) = delete;

    private:
        std::uint32_t& depth_;
    };

private:
    std::vector<Token> tokens_;
    const Limits limits_;
    std::size_t at_ = 0;
    std::uint32_t depth_ = 0;
};

}  // namespace hydralora::text::jinja::parser_detail
