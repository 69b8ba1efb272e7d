// A template as tokens, with white space around blocks taken off as transformers sets Jinja up: trim_blocks and
// lstrip_blocks both on, the last newline dropped.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../unicode.hpp"
#include "../white_space.hpp"
#include "error.hpp"

namespace hydralora::text::jinja {

enum class Lexeme { data, block_begin, block_end, output_begin, output_end, name, string, integer, real, sign, end };
/// In words, for messages.
inline constexpr std::array<std::string_view, 11> lexeme_names{
    "text", "{%", "%}", "{{", "}}", "a name", "a string", "a number", "a number", "a sign", "the end of the template"};

struct Token {
    Lexeme kind = Lexeme::end;
    std::string text{};  ///< of a string what it means, of all others as it is written
    Place place{};
};

namespace lexer_detail {

inline bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_name(char c) { return is_name_start(c) || is_digit(c); }
/// Of a hexadecimal digit; -1 of all else.
inline int hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
inline constexpr std::size_t longest_name = 256;

class Lexer {
public:
    explicit Lexer(std::string_view source) {
        for (std::size_t i = 0; i < source.size(); ++i) {
            if (source[i] == '\r') {
                if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
                source_ += '\n';
            } else {
                source_ += source[i];
            }
        }
        if (!source_.empty() && source_.back() == '\n') source_.pop_back();
    }

    std::vector<Token> tokens() {
        while (at_ < source_.size()) data();
        add(Lexeme::end, "");
        return std::move(tokens_);
    }

private:
    [[nodiscard]] std::string_view rest() const { return std::string_view(source_).substr(at_); }
    [[nodiscard]] bool starts(std::string_view word) const { return rest().substr(0, word.size()) == word; }

    /// Of `at_`, counted on from the last one asked for.
    Place place() {
        for (; counted_ < at_; ++counted_) {
            if (source_[counted_] == '\n')
                place_ = {place_.line + 1, 1};
            else
                ++place_.column;
        }
        return place_;
    }
    void add(Lexeme kind, std::string text) { tokens_.push_back({kind, std::move(text), place()}); }
    template <class... Parts>
    [[noreturn]] void fail(const Parts&... parts) {
        fail_at(place(), Fault::syntax, parts...);
    }

    /// Text up to the next mark, and what the mark begins.
    void data() {
        std::size_t mark = at_;
        const auto is_mark = [&](std::size_t i) {
            return source_[i] == '{' && i + 1 < source_.size() &&
                   (source_[i + 1] == '%' || source_[i + 1] == '{' || source_[i + 1] == '#');
        };
        while (mark < source_.size() && !is_mark(mark)) ++mark;
        std::string_view text = std::string_view(source_).substr(at_, mark - at_);
        if (mark == source_.size()) {
            if (!text.empty()) add(Lexeme::data, std::string(text));
            at_ = mark;
            return;
        }
        const char kind = source_[mark + 1];
        const char control = mark + 2 < source_.size() ? source_[mark + 2] : ' ';
        text = before_mark(text, kind, control);
        if (!text.empty()) add(Lexeme::data, std::string(text));
        at_ = mark;
        line_starting_ = false;
        if (kind == '#') return comment();
        const Place begin = place();
        at_ += control == '-' || control == '+' ? 3 : 2;
        if (kind == '%' && raw()) return;
        tokens_.push_back({kind == '%' ? Lexeme::block_begin : Lexeme::output_begin, "", begin});
        inside(kind == '%' ? "%}" : "}}");
    }

    /// What is left of the text before a mark.
    std::string_view before_mark(std::string_view text, char kind, char control) const {
        if (control == '-') return without_trailing_space(text);
        if (control == '+' || kind == '{') return text;
        const std::size_t newline = text.rfind('\n');
        const std::size_t line = newline == std::string_view::npos ? 0 : newline + 1;
        if (line == 0 && !line_starting_) return text;
        return without_trailing_space(text.substr(line)).empty() ? text.substr(0, line) : text;
    }

    /// Steps over the end of a block or comment.
    void close(std::string_view end, char control, bool trims) {
        at_ += end.size();
        if (control == '-') {
            at_ += rest().size() - without_leading_space(rest()).size();
            line_starting_ = at_ > 0 && source_[at_ - 1] == '\n';
        } else {
            line_starting_ = trims && control != '+' && starts("\n");
            if (line_starting_) ++at_;
        }
    }

    void comment() {
        const std::size_t end = source_.find("#}", at_ + 2);
        if (end == std::string::npos) fail("a comment begins here and does not end: expected #}");
        const char control = end > at_ + 2 ? source_[end - 1] : ' ';
        at_ = end;
        close("#}", control, true);
    }

    /// {% raw %} up to {% endraw %} is data. Whether it was one.
    bool raw() {
        const std::size_t begin = at_;
        std::size_t i = skip_space(at_);
        if (std::string_view(source_).substr(i, 3) != "raw") return false;
        i = skip_space(i + 3);
        const bool strips = i < source_.size() && source_[i] == '-';
        if (strips) ++i;
        if (std::string_view(source_).substr(i, 2) != "%}") return false;
        at_ = i + 2;
        if (strips) at_ += rest().size() - without_leading_space(rest()).size();
        for (std::size_t mark = source_.find("{%", at_); mark != std::string::npos;
             mark = source_.find("{%", mark + 2)) {
            std::size_t k = mark + 2;
            const char before = k < source_.size() ? source_[k] : ' ';
            k = skip_space(before == '-' || before == '+' ? k + 1 : k);
            if (std::string_view(source_).substr(k, 6) != "endraw") continue;
            k = skip_space(k + 6);
            const char after = k < source_.size() ? source_[k] : ' ';
            if (after == '-' || after == '+') ++k;
            if (std::string_view(source_).substr(k, 2) != "%}") continue;
            const std::string_view text = before_mark(std::string_view(source_).substr(at_, mark - at_), '%', before);
            if (!text.empty()) add(Lexeme::data, std::string(text));
            at_ = k;
            close("%}", after, true);
            return true;
        }
        at_ = begin;
        fail("raw begins here and does not end: expected {% endraw %}");
    }

    [[nodiscard]] std::size_t skip_space(std::size_t i) const {
        const std::string_view from = std::string_view(source_).substr(std::min(i, source_.size()));
        return i + from.size() - without_leading_space(from).size();
    }

    void inside(std::string_view end) {
        std::string open;  // brackets that wait for their ends
        for (;;) {
            at_ = skip_space(at_);
            if (at_ >= source_.size()) fail("expected ", end, ", found the end of the template");
            const char control = source_[at_];
            if (open.empty() && (starts(end) || ((control == '-' || control == '+') && rest().substr(1, 2) == end))) {
                // "-" before a closing mark belongs to it.
                const bool signed_end = !starts(end);
                if (!(signed_end && control == '+' && end == "}}")) {
                    add(end == "%}" ? Lexeme::block_end : Lexeme::output_end, "");
                    if (signed_end) ++at_;
                    close(end, signed_end ? control : ' ', end == "%}");
                    return;
                }
            }
            if (is_name_start(source_[at_]))
                name();
            else if (is_digit(source_[at_]))
                number();
            else if (source_[at_] == '"' || source_[at_] == '\'')
                string();
            else
                sign(open);
        }
    }

    void name() {
        std::size_t end = at_;
        while (end < source_.size() && is_name(source_[end])) ++end;
        if (end - at_ > longest_name)
            fail_at(place(), Fault::limit, "expected a name of at most ", longest_name, " bytes, found ", end - at_);
        take(Lexeme::name, end);
    }
    void take(Lexeme kind, std::size_t end) {
        add(kind, source_.substr(at_, end - at_));
        at_ = end;
    }

    void number() {
        std::size_t end = at_;
        const auto digits = [&] {
            while (end < source_.size() && (is_digit(source_[end]) || source_[end] == '_')) ++end;
        };
        const auto digit_at = [&](std::size_t i) { return i < source_.size() && is_digit(source_[i]); };
        digits();
        bool real = false;
        if (end < source_.size() && source_[end] == '.' && digit_at(end + 1)) {
            real = true;
            ++end;
            digits();
        }
        if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
            const std::size_t sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-');
            if (digit_at(end + 1 + sign)) {
                real = true;
                end += 1 + sign;
                digits();
            }
        }
        if (end < source_.size() && is_name_start(source_[end])) fail("a number runs into a name");
        take(real ? Lexeme::real : Lexeme::integer, end);
    }

    void string();

    void sign(std::string& open) {
        static constexpr std::string_view signs[] = {"**", "//", "==", "!=", "<=", ">=", "+", "-", "*",
                                                     "/",  "%",  "~",  "(",  ")",  "[",  "]", "{", "}",
                                                     "<",  ">",  "=",  ".",  ":",  "|",  ",", ";"};
        for (const std::string_view each : signs) {
            if (!starts(each)) continue;
            if (each == "(" || each == "[" || each == "{") open += each == "(" ? ')' : each == "[" ? ']' : '}';
            if (each == ")" || each == "]" || each == "}") {
                if (open.empty() || open.back() != each[0]) fail("found ", each, " with nothing open that it closes");
                open.pop_back();
            }
            return take(Lexeme::sign, at_ + each.size());
        }
        fail("found a character that is none of Jinja's");
    }

    std::string source_;
    std::size_t at_ = 0, counted_ = 0;
    Place place_;
    bool line_starting_ = true;
    std::vector<Token> tokens_;
};

/// A string in quotes, with Python's escapes.
inline void Lexer::string() {
    const Place begin = place();
    const char quote = source_[at_];
    std::string value;
    std::size_t i = at_ + 1;
    for (; i < source_.size() && source_[i] != quote; ++i) {
        if (source_[i] != '\\' || i + 1 >= source_.size()) {
            value += source_[i];
            continue;
        }
        const char c = source_[++i];
        static constexpr std::string_view letters = "abfnrtv\\'\"", meanings = "\a\b\f\n\r\t\v\\'\"";
        if (const std::size_t k = letters.find(c); k != std::string_view::npos) {
            value += meanings[k];
        } else if (c == '\n') {
        } else if (c == 'x' || c == 'u' || c == 'U') {
            std::uint32_t code = 0;
            const std::size_t width = c == 'x' ? 2 : c == 'u' ? 4 : 8;
            for (std::size_t n = 0; n < width; ++n) {
                const int digit = hex_digit(++i < source_.size() ? source_[i] : ' ');
                if (digit < 0) fail("a string has \\", std::string_view(&c, 1), ": expected ", width, " hex digits");
                code = code << 4 | static_cast<std::uint32_t>(digit);
            }
            if (code >= no_character || (code >= 0xd800 && code < 0xe000))
                fail("a string has a code that is no character");
            append_utf8(value, code);
        } else if (c >= '0' && c <= '7') {
            std::uint32_t code = static_cast<std::uint32_t>(c - '0');
            for (int n = 0; n < 2 && i + 1 < source_.size() && source_[i + 1] >= '0' && source_[i + 1] <= '7'; ++n)
                code = code * 8 + static_cast<std::uint32_t>(source_[++i] - '0');
            append_utf8(value, code);
        } else {
            value += '\\';
            value += c;
        }
    }
    if (i >= source_.size()) fail("a string begins here and does not end");
    at_ = i + 1;
    tokens_.push_back({Lexeme::string, std::move(value), begin});
}

}  // namespace lexer_detail

/// The tokens of a template, the last of them Lexeme::end.
[[nodiscard]] inline std::vector<Token> tokens_of(std::string_view source) {
    return lexer_detail::Lexer(source).tokens();
}

}  // namespace hydralora::text::jinja
