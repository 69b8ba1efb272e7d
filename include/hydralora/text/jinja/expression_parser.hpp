// Expressions of a template, in Jinja's order of precedence.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "token_stream.hpp"

namespace hydralora::text::jinja::parser_detail {

enum class Conditionals { yes, no };   ///< whether `a if b` may stand without brackets
enum class Namespaces { no, may_be };  ///< whether a target may be an attribute

class ExpressionParser : protected TokenStream {
protected:
    using TokenStream::TokenStream;

    NodePtr expression(Conditionals conditionals = Conditionals::yes) {
        const Descent descent(*this);
        NodePtr value = disjunction();
        while (conditionals == Conditionals::yes && is_name("if")) {
            NodePtr result = begun(Kind::conditional);
            NodePtr condition = disjunction();
            add(*result, std::move(condition));
            add(*result, std::move(value));
            if (skip_name("else")) add(*result, expression());
            value = std::move(result);
        }
        return value;
    }

    /// One expression, or a tuple of several without brackets.
    NodePtr tuple(Conditionals conditionals = Conditionals::yes) {
        NodePtr first = expression(conditionals);
        if (!is_sign(",")) return first;
        NodePtr all = made(node(Kind::tuple), std::move(first));
        while (skip(",")) {
            if (ends_tuple()) break;
            add(*all, expression(conditionals));
        }
        return all;
    }
    [[nodiscard]] bool ends_tuple() const {
        return now().kind == Lexeme::output_end || now().kind == Lexeme::block_end || is_sign(")") || is_name("in");
    }

    /// a, or a, b; with `may_be` a.b too.
    NodePtr target(Namespaces namespaces) {
        NodePtr first = target_name();
        if (namespaces == Namespaces::may_be && is_sign(".")) {
            NodePtr result = begun(Kind::attribute);
            result->name = name("a name after the point");
            return made(std::move(result), std::move(first));
        }
        if (!is_sign(",")) return first;
        NodePtr all = made(node(Kind::tuple), std::move(first));
        while (skip(",")) {
            if (is_name("in") || is_sign("=")) break;
            add(*all, target_name());
        }
        return all;
    }
    NodePtr target_name() {
        if (skip("(")) {
            NodePtr inner = target(Namespaces::no);
            expect(")");
            return inner;
        }
        NodePtr result = node(Kind::variable);
        if (now().kind == Lexeme::name && constant(now().text)) fail("expected a name to set, found ", now().text);
        result->name = name("a name to set");
        return result;
    }

    /// The filter after "|", on `value`; arguments in brackets.
    NodePtr filter(NodePtr value) {
        NodePtr result = node(Kind::filter);
        result->name = name("the name of a filter");
        add(*result, std::move(value));
        if (is_sign("(")) arguments(*result);
        return result;
    }

private:
    using Level = NodePtr (ExpressionParser::*)();

    static bool constant(std::string_view name) {
        return name == "true" || name == "True" || name == "false" || name == "False" || name == "none" ||
               name == "None";
    }

    /// Operands of the next level with signs or words between, from the left.
    NodePtr binary(Level operand, Kind kind, std::initializer_list<std::string_view> signs) {
        NodePtr left = (this->*operand)();
        while (std::any_of(signs.begin(), signs.end(),
                           [&](std::string_view sign) { return is_sign(sign) || is_name(sign); })) {
            NodePtr result = node(kind);
            result->name = next().text;
            left = made(std::move(result), std::move(left), (this->*operand)());
        }
        return left;
    }
    NodePtr disjunction() { return binary(&ExpressionParser::conjunction, Kind::disjunction, {"or"}); }
    NodePtr conjunction() { return binary(&ExpressionParser::negation, Kind::conjunction, {"and"}); }
    NodePtr negation() {
        const Descent descent(*this);
        if (!is_name("not")) return comparison();
        NodePtr result = begun(Kind::negation);
        return made(std::move(result), negation());
    }

    NodePtr comparison() {
        NodePtr left = sum();
        NodePtr result;
        for (;;) {
            std::string sign;
            for (const std::string_view each : {"==", "!=", "<", "<=", ">", ">="})
                if (is_sign(each)) sign = each;
            if (is_name("in")) sign = "in";
            const bool not_in = is_name("not") && after().kind == Lexeme::name && after().text == "in";
            if (not_in) sign = "not in";
            if (sign.empty()) return result != nullptr ? std::move(result) : std::move(left);
            if (result == nullptr) result = made(node(Kind::comparison), std::move(left));
            next();
            if (not_in) next();
            result->names.push_back(sign);
            add(*result, sum());
        }
    }

    NodePtr sum() { return binary(&ExpressionParser::concatenation, Kind::binary, {"+", "-"}); }
    NodePtr concatenation() {
        NodePtr first = product();
        if (!is_sign("~")) return first;
        NodePtr all = made(node(Kind::concatenate), std::move(first));
        while (skip("~")) add(*all, product());
        return all;
    }
    NodePtr product() { return binary(&ExpressionParser::power, Kind::binary, {"*", "/", "//", "%"}); }
    NodePtr power() { return binary(&ExpressionParser::filtered, Kind::binary, {"**"}); }
    NodePtr filtered() { return unary(true); }

    NodePtr unary(bool with_filters) {
        const Descent descent(*this);
        NodePtr value;
        if (is_sign("-") || is_sign("+")) {
            NodePtr result = begun(is_sign("-") ? Kind::minus : Kind::plus);
            value = made(std::move(result), unary(false));
        } else {
            value = primary();
        }
        value = postfix(std::move(value));
        while (with_filters) {
            if (skip("|"))
                value = filter(std::move(value));
            else if (is_name("is"))
                value = test(std::move(value));
            else if (is_sign("("))
                value = call(std::move(value));
            else
                break;
        }
        return value;
    }

    NodePtr primary() {
        NodePtr result = node(Kind::literal);
        if (now().kind == Lexeme::string) {
            std::string text;
            while (now().kind == Lexeme::string) text += next().text;
            result->value = Value(Text(std::move(text)));
        } else if (now().kind == Lexeme::integer || now().kind == Lexeme::real) {
            result->value = number(now());
            next();
        } else if (now().kind == Lexeme::name) {
            result->name = next().text;
            const char first = result->name.front();
            if (!constant(result->name))
                result->kind = Kind::variable;
            else
                result->value = first == 'n' || first == 'N' ? Value(None{}) : Value(first == 't' || first == 'T');
        } else {
            return bracketed(std::move(result));
        }
        return result;
    }
    /// (a), (a, b), [a, b] or {a: b}.
    NodePtr bracketed(NodePtr result) {
        if (skip("(")) {
            result->kind = Kind::tuple;
            if (skip(")")) return result;
            result = tuple();
            expect(")");
        } else if (skip("[")) {
            result->kind = Kind::list;
            elements(*result, "]", [&] { add(*result, expression()); });
        } else if (skip("{")) {
            result->kind = Kind::dict;
            elements(*result, "}", [&] {
                add(*result, expression());
                expect(":");
                add(*result, expression());
            });
        } else {
            fail("expected an expression, found ", in_words(now()));
        }
        return result;
    }
    /// With commas between and perhaps one behind, up to `end`.
    template <class Read>
    void elements(const Node& of, std::string_view end, Read&& read) {
        while (!skip(end)) {
            if (!of.parts.empty()) expect(",");
            if (skip(end)) break;
            read();
        }
    }

    Value number(const Token& token) const {
        std::string digits;
        for (const char c : token.text)
            if (c != '_') digits += c;
        const char* const end = digits.data() + digits.size();
        if (token.kind == Lexeme::real) {
            double real = 0;
            const auto read = std::from_chars(digits.data(), end, real);
            if (read.ec != std::errc() || read.ptr != end)
                fail("the number ", token.text.substr(0, 40), " is no double");
            return real;
        }
        std::int64_t whole = 0;
        const auto read = std::from_chars(digits.data(), end, whole);
        if (read.ec != std::errc() || read.ptr != end)
            fail("the number ", token.text.substr(0, 40), " is beyond 64 bits");
        return whole;
    }

    NodePtr postfix(NodePtr value) {
        for (;;) {
            if (is_sign("."))
                value = member(std::move(value));
            else if (is_sign("["))
                value = item(std::move(value));
            else if (is_sign("("))
                value = call(std::move(value));
            else
                return value;
        }
    }
    NodePtr member(NodePtr value) {
        NodePtr result = begun(Kind::attribute);
        if (now().kind == Lexeme::integer) {
            NodePtr key = node(Kind::literal);
            key->value = number(now());
            next();
            result->kind = Kind::item;
            return made(std::move(result), std::move(value), std::move(key));
        }
        result->name = name("a name after the point");
        return made(std::move(result), std::move(value));
    }
    NodePtr item(NodePtr value) {
        NodePtr result = begun(Kind::item);
        NodePtr bounds[3];
        std::size_t colons = 0;
        if (!is_sign(":")) bounds[0] = expression();
        while (colons < 2 && skip(":")) {
            ++colons;
            if (!is_sign(":") && !is_sign("]")) bounds[colons] = expression();
        }
        expect("]");
        if (colons == 0) return made(std::move(result), std::move(value), std::move(bounds[0]));
        result->kind = Kind::slice;
        return made(std::move(result), std::move(value), std::move(bounds[0]), std::move(bounds[1]),
                    std::move(bounds[2]));
    }

    /// (a, b, name=c) after the parts there are.
    void arguments(Node& to) {
        expect("(");
        while (!skip(")")) {
            if (!to.names.empty()) expect(",");
            if (skip(")")) break;
            if (is_sign("*") || is_sign("**")) refuse("arguments unpacked by ", now().text, " are not known here");
            std::string by_name;
            if (now().kind == Lexeme::name && after().kind == Lexeme::sign && after().text == "=") {
                by_name = next().text;
                next();
            } else if (!to.names.empty() && !to.names.back().empty()) {
                fail("an argument without a name stands after one with a name");
            }
            to.names.push_back(by_name);
            add(to, expression());
        }
    }
    NodePtr call(NodePtr callee) {
        NodePtr result = made(node(Kind::call), std::move(callee));
        arguments(*result);
        return result;
    }

    NodePtr test(NodePtr value) {
        NodePtr result = begun(Kind::test);
        const bool negated = skip_name("not");
        result->name = name("the name of a test");
        add(*result, std::move(value));
        const Lexeme kind = now().kind;
        const bool value_follows = kind == Lexeme::string || kind == Lexeme::integer || kind == Lexeme::real ||
                                   is_sign("[") || is_sign("{") ||
                                   (kind == Lexeme::name && !is_name("else") && !is_name("or") && !is_name("and"));
        if (is_sign("(")) {
            arguments(*result);
        } else if (value_follows) {
            if (is_name("is")) fail("tests cannot stand in a row");
            // "x is defined if y", "x is string not in z": a word that goes on is no argument.
            if (!is_name("if") && !is_name("in") && !is_name("not") && !is_name("recursive")) {
                result->names.emplace_back();
                add(*result, postfix(primary()));
            }
        }
        if (!negated) return result;
        NodePtr negation = node(Kind::negation);
        negation->place = result->place;
        return made(std::move(negation), std::move(result));
    }
};

}  // namespace hydralora::text::jinja::parser_detail
