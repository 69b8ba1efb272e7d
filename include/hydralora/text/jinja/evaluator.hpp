// Renders a template's tree. Only text comes out: there is no file, no include, no import and no attribute of the machine
// in it, and what it may cost is bounded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "filters.hpp"
#include "tree.hpp"

namespace hydralora::text::jinja {

struct Macro;

/// Names of one block. Those of the blocks around it are `outer`.
struct Scope {
    Scope* outer = nullptr;
    std::vector<std::pair<std::string, Value>> names{};
    bool kept = false;  ///< a macro may still look into it
};

/// A macro, or the body of a call block, with the names around it.
struct Macro {
    const Node* node = nullptr;
    Scope* scope = nullptr;
    std::size_t body = 0;  ///< which of the node's parts; the defaults follow
};

using Variables = std::vector<std::pair<std::string, Value>>;

/// One rendering. The tree must outlive it.
class Evaluator {
public:
    Evaluator(const Limits& limits, const std::tm& now) : now_(now) { cx_.limits = limits; }

    /// For values that are made for this rendering.
    [[nodiscard]] Context& context() { return cx_; }

    [[nodiscard]] Text render(const Node& root, Variables variables) {
        Scope& globals = open_scope(nullptr);
        globals.names = std::move(variables);
        const std::pair<const char*, Builtin> functions[] = {{"range", Builtin::range},
                                                             {"dict", Builtin::dict},
                                                             {"namespace", Builtin::make_namespace},
                                                             {"raise_exception", Builtin::raise_exception},
                                                             {"strftime_now", Builtin::strftime_now}};
        for (const auto& [name, function] : functions)
            if (find(globals, name) == nullptr) globals.names.emplace_back(name, function);
        Text out;
        run(root, open_scope(&globals), out);
        return out;
    }

private:
    enum class Flow { on, leave_loop, next_turn };

    /// Holds how deep the evaluation is in itself: the tree's nesting, macro by macro.
    class Descent {
    public:
        explicit Descent(Evaluator& evaluator) : depth_(evaluator.depth_) {
            if (++depth_ > evaluator.cx_.limits.descent)
                evaluator.cx_.fail(Fault::limit, "the template is nested more than ", evaluator.cx_.limits.descent,
                                   " deep, its macros in one another");
        }
        ~Descent() { --depth_; }
        Descent(const Descent&) = delete;
        Descent& operator=(const Descent&) = delete;

    private:
        std::uint32_t& depth_;
    };

    // Scopes and names.

    Scope& open_scope(Scope* outer) {
        scopes_.push_back(std::make_unique<Scope>(Scope{outer}));
        return *scopes_.back();
    }
    /// The last one opened, unless a macro needs it.
    void close_scope() {
        if (!scopes_.back()->kept) scopes_.pop_back();
    }
    [[nodiscard]] static const Value* find(const Scope& scope, std::string_view name) {
        for (const auto& [each, value] : scope.names)
            if (each == name) return &value;
        return nullptr;
    }
    static void set(Scope& scope, const std::string& name, Value value) {
        for (auto& [each, held] : scope.names)
            if (each == name) {
                held = std::move(value);
                return;
            }
        scope.names.emplace_back(name, std::move(value));
    }
    [[nodiscard]] Value look_up(const Scope& scope, const std::string& name) {
        for (const Scope* s = &scope; s != nullptr; s = s->outer) {
            cx_.step();
            if (const Value* value = find(*s, name)) return *value;
        }
        return undefined(io::in_quotes(name, 40) + " is undefined");
    }
    void assign(const Node& target, Value value, Scope& scope) {
        if (target.kind == Kind::variable) return set(scope, target.name, std::move(value));
        cx_.at = target.place;
        if (target.kind == Kind::attribute) {
            const Value space = evaluate(*target.parts[0], scope);
            if (!space.is<Namespace*>())
                cx_.fail(Fault::value, "expected a namespace to set ", target.name, " of, found ", found(space));
            for (auto& [name, held] : (*space.get<Namespace*>())->members)
                if (name == target.name) {
                    held = std::move(value);
                    return;
                }
            (*space.get<Namespace*>())->members.emplace_back(target.name, std::move(value));
            return;
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
                loop(node, scope, out);
                return Flow::on;
            case Kind::leave_loop:
                return Flow::leave_loop;
            case Kind::next_turn:
                return Flow::next_turn;
            default:
                return inner_block(node, scope, out);
        }
    }

    /// Blocks with names of their own. What they leave a loop with passes through.
    Flow inner_block(const Node& node, Scope& scope, Text& out) {
        Text inner;
        switch (node.kind) {
            case Kind::set_block: {
                in_scope(*node.parts[1], scope, inner);
                Value value = std::move(inner);
                for (std::size_t i = 2; i < node.parts.size(); ++i) value = filter(*node.parts[i], scope, value);
                assign(*node.parts[0], std::move(value), scope);
                return Flow::on;
            }
            case Kind::macro:
                set(scope, node.name, &make_macro(node, scope, 0));
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
            case Kind::filter_block: {
                const Flow flow = in_scope(*node.parts[1], scope, inner);
                emit(to_text(cx_, filter(*node.parts[0], scope, Value(std::move(inner)))), out);
                return flow;
            }
            case Kind::generation: {
                const Flow flow = in_scope(*node.parts[0], scope, inner);
                inner.mark_generated();
                emit(inner, out);
                return flow;
            }
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
        cx_.write(text.size());
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

    void loop(const Node& node, Scope& scope, Text& out) {
        const Node& target = *node.parts[0];
        std::vector<Value> items = items_of(cx_, evaluate(*node.parts[1], scope));
        Scope& names = open_scope(&scope);
        if (node.parts[2] != nullptr) {
            std::vector<Value> chosen;
            for (Value& each : items) {
                names.names.clear();
                assign(target, each, names);
                if (truth(evaluate(*node.parts[2], names))) chosen.push_back(std::move(each));
            }
            items = std::move(chosen);
        }
        if (items.empty()) {
            names.names.clear();
            if (node.parts[4] != nullptr) run(*node.parts[4], names, out);
            return close_scope();
        }
        const auto state = std::make_shared<LoopState>(LoopState{std::move(items)});
        for (; state->index < state->items.size(); ++state->index) {
            names.names.clear();
            assign(target, state->items[state->index], names);
            set(names, "loop", Value(std::shared_ptr<LoopState>(state)));
            if (run(*node.parts[3], names, out) == Flow::leave_loop) break;
        }
        state->index = std::min(state->index, state->items.size() - 1);
        close_scope();
    }

    // Macros and functions.

    const Macro& make_macro(const Node& node, Scope& scope, std::size_t body) {
        for (Scope* s = &scope; s != nullptr && !s->kept; s = s->outer) s->kept = true;
        macros_.push_back(std::make_unique<Macro>(Macro{&node, &scope, body}));
        cx_.write(sizeof(Macro));
        return *macros_.back();
    }

    Value call(const Value& callee, const Arguments& arguments) {
        if (const auto* macro = callee.get<const Macro*>()) return call_macro(**macro, arguments);
        if (const Method* method = callee.method()) return call_method(cx_, *method, arguments);
        if (const auto* function = callee.get<Builtin>()) return call_builtin(*function, arguments);
        cx_.fail(callee.is_undefined() ? Fault::unknown : Fault::value, "expected a function to call, found ",
                 found(callee));
    }

    Value call_macro(const Macro& macro, const Arguments& arguments) {
        const Node& node = *macro.node;
        if (++calls_ > cx_.limits.calls)
            cx_.fail(Fault::limit, "macros call each other more than ", cx_.limits.calls, " deep");
        Scope& names = open_scope(macro.scope);
        if (arguments.placed.size() > node.names.size())
            cx_.fail(Fault::value, node.name, ": expected at most ", node.names.size(), " arguments, found ",
                     arguments.placed.size());
        for (std::size_t i = 0; i < arguments.placed.size(); ++i) set(names, node.names[i], arguments.placed[i]);
        for (const auto& [name, value] : arguments.named) {
            const bool known =
                name == "caller" || std::find(node.names.begin(), node.names.end(), name) != node.names.end();
            if (!known) cx_.fail(Fault::value, node.name, ": has no argument ", name);
            if (find(names, name) != nullptr)
                cx_.fail(Fault::value, node.name, ": the argument ", name, " stands twice");
            set(names, name, value);
        }
        for (std::size_t i = 0; i < node.names.size(); ++i) {
            if (find(names, node.names[i]) != nullptr) continue;
            const NodePtr& otherwise = node.parts[macro.body + 1 + i];
            set(names, node.names[i],
                otherwise != nullptr ? evaluate(*otherwise, names)
                                     : undefined("the argument " + node.names[i] + " is missing"));
        }
        Text out;
        run(*node.parts[macro.body], names, out);
        close_scope();
        --calls_;
        return out;
    }

    Value call_builtin(Builtin function, const Arguments& arguments) {
        switch (function) {
            case Builtin::range:
                return range(arguments);
            case Builtin::dict:
            case Builtin::make_namespace:
                return named_values(function, arguments);
            case Builtin::raise_exception: {
                const auto a = arguments.bound(cx_, "raise_exception", {"message"});
                cx_.fail(Fault::raised,
                         "the template refuses: ", io::in_quotes(to_text(cx_, a[0] ? *a[0] : Value()).bytes(), 200));
            }
            case Builtin::strftime_now:
                break;
        }
        const auto a = arguments.bound(cx_, "strftime_now", {"format"});
        const std::string& format = arguments_detail::text_of(cx_, "strftime_now", a[0] ? *a[0] : Value()).bytes();
        if (format.size() > 200 || format.find('\0') != std::string::npos)
            cx_.fail(Fault::limit, "strftime_now: expected a format of at most 200 bytes");
        char text[4096];
        return make_text(cx_, Text(std::string(text, std::strftime(text, sizeof text, format.c_str(), &now_))));
    }

    Value range(const Arguments& arguments) {
        const auto a = arguments.bound(cx_, "range", {"start", "stop", "step"});
        const auto number = [&](std::size_t i) { return arguments_detail::integer_of(cx_, "range", *a[i]); };
        if (!a[0]) cx_.fail(Fault::value, "range: expected a number, found none");
        const std::int64_t from = a[1] ? number(0) : 0, to = a[1] ? number(1) : number(0), by = a[2] ? number(2) : 1;
        if (by == 0) cx_.fail(Fault::value, "range: expected a step other than 0");
        std::vector<Value> items;
        for (std::int64_t i = from; by > 0 ? i < to : i > to;) {
            if (items.size() == cx_.limits.range)
                cx_.fail(Fault::limit, "range: expected at most ", cx_.limits.range, " numbers");
            items.push_back(i);
            if (__builtin_add_overflow(i, by, &i)) break;
        }
        return make_list(cx_, std::move(items));
    }

    /// dict(a=1) and namespace(a=1), each also of a dict.
    Value named_values(Builtin function, const Arguments& arguments) {
        std::vector<std::pair<Value, Value>> members;
        if (arguments.placed.size() > 1 || (arguments.placed.size() == 1 && arguments.placed[0].dict() == nullptr))
            cx_.fail(Fault::value, "expected names with values or a dict");
        if (!arguments.placed.empty()) members = arguments.placed[0].dict()->members;
        for (const auto& [name, value] : arguments.named) put(members, Value(Text(name)), value);
        if (function == Builtin::dict) return make_dict(cx_, std::move(members));
        spaces_.push_back(std::make_unique<Namespace>());
        cx_.write(64);
        for (const auto& [key, value] : members)
            spaces_.back()->members.emplace_back(arguments_detail::text_of(cx_, "namespace", key).bytes(), value);
        return spaces_.back().get();
    }
    void put(std::vector<std::pair<Value, Value>>& members, const Value& key, Value value) {
        for (auto& [each, held] : members)
            if (equal(cx_, each, key)) {
                held = std::move(value);
                return;
            }
        members.emplace_back(key, std::move(value));
    }

    // Expressions.

    Value evaluate(const Node& node, Scope& scope) {
        const Descent descent(*this);
        cx_.step();
        switch (node.kind) {
            case Kind::literal:
                return node.value;
            case Kind::variable:
                return look_up(scope, node.name);
            case Kind::conjunction: {
                Value left = evaluate(*node.parts[0], scope);
                return truth(left) ? evaluate(*node.parts[1], scope) : left;
            }
            case Kind::disjunction: {
                Value left = evaluate(*node.parts[0], scope);
                return truth(left) ? left : evaluate(*node.parts[1], scope);
            }
            case Kind::negation:
                return !truth(evaluate(*node.parts[0], scope));
            case Kind::conditional:
                if (truth(evaluate(*node.parts[0], scope))) return evaluate(*node.parts[1], scope);
                return node.parts.size() > 2 ? evaluate(*node.parts[2], scope)
                                             : undefined("the condition does not hold, and there is no else");
            case Kind::comparison:
                return comparison(node, scope);
            default:
                return operation(node, scope);
        }
    }

    Value comparison(const Node& node, Scope& scope) {
        Value left = evaluate(*node.parts[0], scope);
        for (std::size_t i = 0; i < node.names.size(); ++i) {
            Value right = evaluate(*node.parts[i + 1], scope);
            cx_.at = node.place;
            const std::string& sign = node.names[i];
            const bool holds = sign == "=="       ? equal(cx_, left, right)
                               : sign == "!="     ? !equal(cx_, left, right)
                               : sign == "in"     ? contains(cx_, right, left)
                               : sign == "not in" ? !contains(cx_, right, left)
                               : sign == "<"      ? order(cx_, left, right) < 0
                               : sign == "<="     ? order(cx_, left, right) <= 0
                               : sign == ">"      ? order(cx_, left, right) > 0
                                                  : order(cx_, left, right) >= 0;
            if (!holds) return false;
            left = std::move(right);
        }
        return true;
    }

    Value operation(const Node& node, Scope& scope) {
        if (node.kind == Kind::filter) return filter(node, scope, Value());
        if (node.kind == Kind::test) {
            const Value value = evaluate(*node.parts[0], scope);
            const Arguments arguments = arguments_of(node, 1, scope);
            cx_.at = node.place;
            return passes(cx_, node.name, value, arguments);
        }
        if (node.kind == Kind::call) {
            const Value callee = evaluate(*node.parts[0], scope);
            const Arguments arguments = arguments_of(node, 1, scope);
            cx_.at = node.place;
            return call(callee, arguments);
        }
        std::vector<Value> values;
        for (const NodePtr& each : node.parts)
            values.push_back(each != nullptr ? evaluate(*each, scope) : Value(None{}));
        cx_.at = node.place;
        switch (node.kind) {
            case Kind::list:
            case Kind::tuple:
                return make_list(cx_, std::move(values), node.kind == Kind::tuple);
            case Kind::dict: {
                std::vector<std::pair<Value, Value>> members;
                for (std::size_t i = 0; i < values.size(); i += 2) {
                    if (values[i].list() != nullptr || values[i].dict() != nullptr)
                        cx_.fail(Fault::unknown, "a ", type_name(values[i]), " as a key is not known here");
                    put(members, values[i], values[i + 1]);
                }
                return make_dict(cx_, std::move(members));
            }
            case Kind::minus:
                return negative(cx_, values[0]);
            case Kind::plus:
                if (!values[0].is_number()) cx_.fail(Fault::value, "+: expected a number, found ", found(values[0]));
                return values[0].is<bool>() ? Value(values[0].integer()) : values[0];
            case Kind::concatenate: {
                Text text;
                for (const Value& each : values) text.append(to_text(cx_, each));
                return make_text(cx_, std::move(text));
            }
            case Kind::attribute:
                return attribute(cx_, values[0], node.name);
            case Kind::item:
                return item(cx_, values[0], values[1]);
            case Kind::slice:
                return slice(cx_, values[0], values[1], values[2], values[3]);
            default:
                break;
        }
        if (node.name == "%" && values[0].text() != nullptr) {
            const List* list = values[1].list();
            return text_functions::percent_formatted(
                cx_, *values[0].text(), list != nullptr && list->tuple ? list->items : std::vector<Value>{values[1]});
        }
        return binary(cx_, node.name, values[0], values[1]);
    }

    /// A filter of a tree; where it has no value of its own, of `given`.
    Value filter(const Node& node, Scope& scope, const Value& given) {
        const Node* of = node.parts[0].get();
        // A chain of filters on nothing, as blocks have it, ends in one without a value.
        const Value value = of == nullptr              ? given
                            : of->kind == Kind::filter ? filter(*of, scope, given)
                                                       : evaluate(*of, scope);
        const Arguments arguments = arguments_of(node, 1, scope);
        cx_.at = node.place;
        return filtered(cx_, node.name, value, arguments);
    }

    Arguments arguments_of(const Node& node, std::size_t first, Scope& scope) {
        Arguments arguments;
        for (std::size_t i = 0; i < node.names.size(); ++i) {
            Value value = evaluate(*node.parts[first + i], scope);
            if (node.names[i].empty())
                arguments.placed.push_back(std::move(value));
            else
                arguments.named.emplace_back(node.names[i], std::move(value));
        }
        return arguments;
    }

    Context cx_;
    const std::tm now_;
    std::vector<std::unique_ptr<Scope>> scopes_;
    std::vector<std::unique_ptr<Macro>> macros_;
    std::vector<std::unique_ptr<Namespace>> spaces_;
    std::uint32_t calls_ = 0, depth_ = 0;
};

}  // namespace hydralora::text::jinja
