// Renders a template's tree. Only text comes out: there is no file, no include, no import and no attribute of the machine
// in it, and what it may cost is bounded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "expressions.hpp"

namespace hydralora::text::jinja {

/// One rendering. The tree must outlive it.
class Evaluator final : private Expressions {
public:
    Evaluator(const Limits& limits, const std::tm& now) : Expressions(limits, now) {}

    /// For values that are made for this rendering.
    [[nodiscard]] Context& context() { return cx_; }

    /// The text of the tree, in which the variables have their names beside Jinja's functions.
    [[nodiscard]] Text render(const Node& root, Names variables) {
        Scope& globals = open_scope(nullptr);
        globals.names = std::move(variables);
        const std::pair<std::string_view, Builtin> functions[] = {{"range", Builtin::range},
                                                                  {"dict", Builtin::dict},
                                                                  {"namespace", Builtin::make_namespace},
                                                                  {"raise_exception", Builtin::raise_exception},
                                                                  {"strftime_now", Builtin::strftime_now}};
        for (const auto& [name, function] : functions)
            if (globals.names.find(cx_, name) == nullptr) globals.names.set(cx_, name, function);
        Text out;
        run(root, open_scope(&globals), out);
        return out;
    }

private:
    enum class Flow { on, leave_loop, next_turn };

    // Scopes and names.

    Scope& open_scope(Scope* outer) {
        scopes_.push_back(std::make_unique<Scope>(Scope{outer}));
        return *scopes_.back();
    }
    /// The last one opened, unless a macro needs it.
    void close_scope() {
        if (!scopes_.back()->kept) scopes_.pop_back();
    }
    void assign(const Node& target, Value value, Scope& scope) {
        if (target.kind == Kind::variable) return scope.names.set(cx_, target.name, std::move(value));
        cx_.at = target.place;
        if (target.kind == Kind::attribute) {
            const Value holder = evaluate(*target.parts[0], scope);
            const auto* space = holder.get<Namespace*>();
            if (space == nullptr)
                cx_.fail(Fault::value, "expected a namespace to set ", target.name, " of, found ", found(holder));
            return (*space)->members.set(cx_, target.name, std::move(value));
        }
        const std::vector<Value> items = items_of(cx_, value);
        if (items.size() != target.parts.size())
            cx_.fail(Fault::value, "expected ", target.parts.size(), " values to set names to, found ", items.size());
        for (std::size_t i = 0; i < items.size(); ++i) assign(*target.parts[i], items[i], scope);
    }

    // Statements.

    Flow run(const Node& node, Scope& scope, Text& out) {
        const Descent descent(*this);
        cx_.at = node.place;
        cx_.step();
        switch (node.kind) {
            case Kind::body:
                for (const NodePtr& each : node.parts)
                    if (const Flow flow = run(*each, scope, out); flow != Flow::on) return flow;
                return Flow::on;
            case Kind::data:
                emit(*node.value.text(), out);
                return Flow::on;
            case Kind::output: {
                const Value value = evaluate(*node.parts[0], scope);
                cx_.at = node.place;
                emit(to_text(cx_, value), out);
                return Flow::on;
            }
            case Kind::set:
                assign(*node.parts[0], evaluate(*node.parts[1], scope), scope);
                return Flow::on;
            case Kind::branches:
                return branches(node, scope, out);
            case Kind::loop:
                return loop(node, scope, out);
            case Kind::leave_loop:
                return Flow::leave_loop;
            case Kind::next_turn:
                return Flow::next_turn;
            default:
                return inner_block(node, scope, out);
        }
    }

    /// Blocks with names of their own. What leaves a loop from inside of them leaves them too, and what they were to make
    /// is lost with it, but for `with`.
    Flow inner_block(const Node& node, Scope& scope, Text& out) {
        Text inner;
        switch (node.kind) {
            case Kind::set_block: {
                if (const Flow flow = in_scope(*node.parts[1], scope, inner); flow != Flow::on) return flow;
                Value value = std::move(inner);
                for (std::size_t i = 2; i < node.parts.size(); ++i) value = filter(*node.parts[i], scope, value);
                assign(*node.parts[0], std::move(value), scope);
                return Flow::on;
            }
            case Kind::macro:
                scope.names.set(cx_, node.name, &make_macro(node, scope, 0));
                return Flow::on;
            case Kind::call_block: {
                const Node& call = *node.parts[0];
                const Value callee = evaluate(*call.parts[0], scope);
                Arguments arguments = arguments_of(call, 1, scope);
                arguments.named.emplace_back("caller", Value(&make_macro(node, scope, 1)));
                cx_.at = call.place;
                emit(to_text(cx_, this->call(callee, arguments)), out);
                return Flow::on;
            }
            case Kind::filter_block:
                if (const Flow flow = in_scope(*node.parts[1], scope, inner); flow != Flow::on) return flow;
                emit(to_text(cx_, filter(*node.parts[0], scope, Value(std::move(inner)))), out);
                return Flow::on;
            case Kind::generation:
                in_scope(*node.parts[0], scope, inner);
                inner.mark_generated();
                emit(inner, out);
                return Flow::on;
            default: {  // with: the values are those of outside
                Scope& names = open_scope(&scope);
                for (std::size_t i = 0; i + 1 < node.parts.size(); i += 2)
                    assign(*node.parts[i], evaluate(*node.parts[i + 1], scope), names);
                const Flow flow = run(*node.parts.back(), names, out);
                close_scope();
                return flow;
            }
        }
    }

    Flow in_scope(const Node& body, Scope& outer, Text& out) {
        const Flow flow = run(body, open_scope(&outer), out);
        close_scope();
        return flow;
    }

    void emit(const Text& text, Text& out) {
        cx_.write(text.memory());
        if (out.size() + text.size() > cx_.limits.output)
            cx_.fail(Fault::limit, "the template writes more than ", cx_.limits.output, " bytes");
        out.append(text);
    }

    Flow branches(const Node& node, Scope& scope, Text& out) {
        const std::size_t pairs = node.parts.size() / 2;
        for (std::size_t i = 0; i < pairs; ++i)
            if (truth(evaluate(*node.parts[2 * i], scope))) return run(*node.parts[2 * i + 1], scope, out);
        return node.parts.size() % 2 != 0 ? run(*node.parts.back(), scope, out) : Flow::on;
    }

    Flow loop(const Node& node, Scope& scope, Text& out) {
        const Node& target = *node.parts[0];
        std::vector<Value> items = items_of(cx_, evaluate(*node.parts[1], scope));
        Scope& inner = open_scope(&scope);
        if (node.parts[2] != nullptr) {
            std::vector<Value> chosen;
            for (Value& each : items) {
                inner.names.clear();
                assign(target, each, inner);
                if (truth(evaluate(*node.parts[2], inner))) chosen.push_back(std::move(each));
            }
            items = std::move(chosen);
        }
        if (items.empty()) {
            inner.names.clear();
            const Flow flow = node.parts[4] != nullptr ? run(*node.parts[4], inner, out) : Flow::on;
            close_scope();
            return flow;
        }
        const auto state = make_loop(std::move(items));
        for (; state->index < state->items.size(); ++state->index) {
            inner.names.clear();
            assign(target, state->items[state->index], inner);
            inner.names.set(cx_, "loop", state);
            if (run(*node.parts[3], inner, out) == Flow::leave_loop) break;
        }
        state->index = std::min(state->index, state->items.size() - 1);
        close_scope();
        return Flow::on;
    }

    // Macros.

    const Macro& make_macro(const Node& node, Scope& scope, std::size_t body) {
        for (Scope* s = &scope; s != nullptr && !s->kept; s = s->outer) s->kept = true;
        macros_.push_back(std::make_unique<Macro>(Macro{&node, &scope, body}));
        cx_.write(sizeof(Macro));
        return *macros_.back();
    }

    Text call_macro(const Macro& macro, const Arguments& arguments) override {
        if (++calls_ > cx_.limits.calls)
            cx_.fail(Fault::limit, "macros call each other more than ", cx_.limits.calls, " deep");
        Scope& scope = open_scope(macro.scope);
        bind(macro, arguments, scope);
        Text out;
        run(*macro.node->parts[macro.body], scope, out);
        close_scope();
        --calls_;
        return out;
    }

    /// Sets the names of a macro's parameters to the arguments.
    void bind(const Macro& macro, const Arguments& arguments, Scope& scope) {
        const Node& node = *macro.node;
        if (arguments.placed.size() > node.names.size())
            cx_.fail(Fault::value, node.name, ": expected at most ", node.names.size(), " arguments, found ",
                     arguments.placed.size());
        for (std::size_t i = 0; i < arguments.placed.size(); ++i)
            scope.names.set(cx_, node.names[i], arguments.placed[i]);
        for (const auto& [name, value] : arguments.named) {
            cx_.step(1 + node.names.size() / 8);
            const bool known =
                name == "caller" || std::find(node.names.begin(), node.names.end(), name) != node.names.end();
            if (!known) cx_.fail(Fault::value, node.name, ": has no argument ", name);
            if (scope.names.find(cx_, name) != nullptr)
                cx_.fail(Fault::value, node.name, ": the argument ", name, " stands twice");
            scope.names.set(cx_, name, value);
        }
        for (std::size_t i = 0; i < node.names.size(); ++i) {
            if (scope.names.find(cx_, node.names[i]) != nullptr) continue;
            const NodePtr& otherwise = node.parts[macro.body + 1 + i];
            scope.names.set(cx_, node.names[i],
                            otherwise != nullptr ? evaluate(*otherwise, scope)
                                                 : undefined("the argument " + node.names[i] + " is missing"));
        }
    }

    std::vector<std::unique_ptr<Scope>> scopes_;
    std::vector<std::unique_ptr<Macro>> macros_;
    std::uint32_t calls_ = 0;
};

}  // namespace hydralora::text::jinja
