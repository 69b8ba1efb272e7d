// From a template's text to its tree: Jinja's statements, and its expressions by expression_parser.hpp.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "expression_parser.hpp"

namespace hydralora::text::jinja {

namespace parser_detail {

class Parser : private ExpressionParser {
public:
    Parser(std::vector<Token> tokens, const Limits& limits) : ExpressionParser(std::move(tokens), limits) {}

    NodePtr whole() {
        NodePtr root = body({});
        if (now().kind != Lexeme::end) fail("found ", in_words(now()), " where nothing is open that it ends");
        return root;
    }

private:
    using Words = std::vector<std::string_view>;

    /// Statements up to a block that begins with one of `ends`, whose mark and word are stepped over; `end_` is the word.
    NodePtr body(const Words& ends) {
        const Descent descent(*this);
        NodePtr all = node(Kind::body);
        while (now().kind != Lexeme::end) {
            if (now().kind == Lexeme::data) {
                NodePtr data = node(Kind::data);
                data->value = Value(Text(next().text));
                add(*all, std::move(data));
            } else if (now().kind == Lexeme::output_begin) {
                NodePtr output = begun(Kind::output);
                add(*output, tuple());
                expect(Lexeme::output_end);
                add(*all, std::move(output));
            } else {
                expect(Lexeme::block_begin);
                const Token word = now();
                if (word.kind != Lexeme::name) fail("expected the word of a block, found ", in_words(word));
                for (const std::string_view end : ends)
                    if (word.text == end) {
                        next();
                        end_ = word.text;
                        return all;
                    }
                add(*all, statement());
            }
        }
        if (!ends.empty()) fail("expected {% ", ends.back(), " %}, found the end of the template");
        return all;
    }
    NodePtr last_body(std::string_view end) {
        NodePtr result = body({end});
        close();
        return result;
    }
    void close() { expect(Lexeme::block_end); }

    NodePtr statement() {
        const Token word = now();
        if (word.text == "set") return set();
        if (word.text == "if") return branches();
        if (word.text == "for") return loop();
        if (word.text == "macro") return macro();
        if (word.text == "call") return call_block();
        if (word.text == "filter") return filter_block();
        if (word.text == "with") return with();
        if (word.text == "generation") {
            NodePtr result = begun(Kind::generation);
            close();
            add(*result, inner_body("endgeneration"));
            return result;
        }
        if (word.text == "break" || word.text == "continue") {
            if (loops_ == 0) fail(word.text, " stands outside of a loop");
            NodePtr result = begun(word.text == "break" ? Kind::leave_loop : Kind::next_turn);
            close();
            return result;
        }
        for (const std::string_view foreign : {"include", "import", "from", "extends", "block"})
            if (word.text == foreign)
                refuse("{% ", foreign, " %} is of templates in several files; a model's template is one");
        if (word.text.substr(0, 3) == "end" || word.text == "else" || word.text == "elif")
            fail("found {% ", word.text, " %} where nothing is open that it belongs to");
        refuse("the block {% ", word.text, " %} is not known here");
    }

    NodePtr set() {
        NodePtr result = begun(Kind::set);
        NodePtr to = target(Namespaces::may_be);
        if (skip("=")) {
            add(*result, std::move(to));
            add(*result, tuple());
            close();
            return result;
        }
        result->kind = Kind::set_block;
        std::vector<NodePtr> filters;
        while (skip("|")) filters.push_back(filter(nullptr));
        close();
        add(*result, std::move(to));
        add(*result, last_body("endset"));
        for (NodePtr& each : filters) add(*result, std::move(each));
        return result;
    }

    NodePtr branches() {
        NodePtr result = begun(Kind::branches);
        for (;;) {
            add(*result, tuple(Conditionals::no));
            close();
            add(*result, body({"elif", "else", "endif"}));
            if (end_ == "elif") continue;
            const bool more = end_ == "else";
            close();
            if (more) add(*result, last_body("endif"));
            return result;
        }
    }

    NodePtr loop() {
        NodePtr result = begun(Kind::loop);
        add(*result, target(Namespaces::no));
        if (!skip_name("in")) fail("expected in, found ", in_words(now()));
        add(*result, tuple(Conditionals::no));
        add(*result, skip_name("if") ? expression() : nullptr);
        if (skip_name("recursive")) refuse("a recursive loop is not known here");
        close();
        ++loops_;
        add(*result, body({"else", "endfor"}));
        --loops_;
        const bool more = end_ == "else";
        close();
        add(*result, more ? last_body("endfor") : nullptr);
        return result;
    }

    /// (a, b=1): the names into `names`; for each its default or null.
    std::vector<NodePtr> parameters(Node& of) {
        std::vector<NodePtr> defaults;
        expect("(");
        while (!skip(")")) {
            if (!of.names.empty()) expect(",");
            of.names.push_back(name("the name of a parameter"));
            defaults.push_back(skip("=") ? expression() : nullptr);
        }
        return defaults;
    }

    /// Of what Jinja makes a function of: no loop around it can be left from inside.
    NodePtr inner_body(std::string_view end) {
        const int loops = std::exchange(loops_, 0);
        NodePtr result = last_body(end);
        loops_ = loops;
        return result;
    }

    NodePtr macro() {
        NodePtr result = begun(Kind::macro);
        result->name = name("the name of a macro");
        std::vector<NodePtr> defaults = parameters(*result);
        close();
        add(*result, inner_body("endmacro"));
        for (NodePtr& each : defaults) add(*result, std::move(each));
        return result;
    }

    NodePtr call_block() {
        NodePtr result = begun(Kind::call_block);
        std::vector<NodePtr> defaults;
        if (is_sign("(")) defaults = parameters(*result);
        NodePtr call = expression();
        if (call->kind != Kind::call) fail("expected a call of a macro");
        close();
        add(*result, std::move(call));
        add(*result, inner_body("endcall"));
        for (NodePtr& each : defaults) add(*result, std::move(each));
        return result;
    }

    NodePtr filter_block() {
        NodePtr result = begun(Kind::filter_block);
        NodePtr chain = filter(nullptr);
        while (skip("|")) chain = filter(std::move(chain));
        close();
        add(*result, std::move(chain));
        add(*result, last_body("endfilter"));
        return result;
    }

    NodePtr with() {
        NodePtr result = begun(Kind::with);
        while (now().kind != Lexeme::block_end) {
            if (!result->parts.empty()) expect(",");
            add(*result, target(Namespaces::no));
            expect("=");
            add(*result, expression());
        }
        close();
        add(*result, last_body("endwith"));
        return result;
    }

    std::string end_;
    int loops_ = 0;
};

}  // namespace parser_detail

/// The tree of a template. Throws TemplateError.
[[nodiscard]] inline NodePtr parse(std::string_view source, const Limits& limits = {}) {
    if (source.size() > limits.template_bytes)
        fail_at({}, Fault::limit, "expected a template of at most ", limits.template_bytes, " bytes, found ",
                source.size());
    return parser_detail::Parser(tokens_of(source), limits).whole();
}

}  // namespace hydralora::text::jinja
