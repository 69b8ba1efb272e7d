// Evaluates the expressions of a template's tree, and calls what they call.
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

/// Names of one block. Those of the blocks around it are `outer`.
struct Scope {
    Scope* outer = nullptr;
    Names names{};
    bool kept = false;  ///< a macro may still look into it
};

/// A macro, or the body of a call block, with the names around it.
struct Macro {
    const Node* node = nullptr;
    Scope* scope = nullptr;
    std::size_t body = 0;  ///< which of the node's parts; the defaults follow
};

/// What may be used up in one rendering, the values that live as long as it does, and the expressions of its tree.
class Expressions {
protected:
    Expressions(const Limits& limits, const std::tm& now) : now_(now) { cx_.limits = limits; }
    ~Expressions() = default;
    Expressions(const Expressions&) = delete;
    Expressions& operator=(const Expressions&) = delete;

    /// What the body of a macro writes.
    [[nodiscard]] virtual Text call_macro(const Macro& macro, const Arguments& arguments) = 0;

    /// Holds how deep the evaluation is in itself: the tree's nesting, macro by macro.
    class Descent {
    public:
        explicit Descent(Expressions& of) : depth_(of.depth_) {
            if (++depth_ > of.cx_.limits.descent)
                of.cx_.fail(Fault::limit, "the template is nested more than ", of.cx_.limits.descent,
                            " deep, its macros in one another");
        }
        ~Descent() { --depth_; }
        Descent(const Descent&) = delete;
        Descent& operator=(const Descent&) = delete;

    private:
        std::uint32_t& depth_;
    };

    [[nodiscard]] Value look_up(const Scope& scope, const std::string& name) {
        for (const Scope* s = &scope; s != nullptr; s = s->outer)
            if (const Value* value = s->names.find(cx_, name)) return *value;
        return undefined(io::in_quotes(name, 40) + " is undefined");
    }

    [[nodiscard]] Value evaluate(const Node& node, Scope& scope) {
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

    Value call(const Value& callee, const Arguments& arguments) {
        if (const auto* macro = callee.get<const Macro*>()) return call_macro(**macro, arguments);
        if (const Method* method = callee.method()) return call_method(cx_, *method, arguments);
        if (const auto* function = callee.get<Builtin>()) return call_builtin(*function, arguments);
        cx_.fail(callee.is_undefined() ? Fault::unknown : Fault::value, "expected a function to call, found ",
                 found(callee));
    }

    Context cx_;

private:
    using Members = std::vector<std::pair<Value, Value>>;

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
        if (node.kind == Kind::test || node.kind == Kind::call) {
            const Value of = evaluate(*node.parts[0], scope);
            const Arguments arguments = arguments_of(node, 1, scope);
            cx_.at = node.place;
            return node.kind == Kind::call ? call(of, arguments) : Value(passes(cx_, node.name, of, arguments));
        }
        std::vector<Value> values;
        for (const NodePtr& each : node.parts)
            values.push_back(each != nullptr ? evaluate(*each, scope) : Value(None{}));
        cx_.at = node.place;
        return of_values(node, std::move(values));
    }

    /// An operation on the values of its parts.
    Value of_values(const Node& node, std::vector<Value> values) {
        switch (node.kind) {
            case Kind::list:
            case Kind::tuple:
                return make_list(cx_, std::move(values), node.kind == Kind::tuple);
            case Kind::dict:
                return dict_of(values);
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

    /// Of keys and values by turns.
    Value dict_of(const std::vector<Value>& values) {
        Members members;
        for (std::size_t i = 0; i < values.size(); i += 2) {
            if (values[i].list() != nullptr || values[i].dict() != nullptr)
                cx_.fail(Fault::unknown, "a ", type_name(values[i]), " as a key is not known here");
            put(members, values[i], values[i + 1]);
        }
        return make_dict(cx_, std::move(members));
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
        Members members;
        if (arguments.placed.size() > 1 || (arguments.placed.size() == 1 && arguments.placed[0].dict() == nullptr))
            cx_.fail(Fault::value, "expected names with values or a dict");
        if (!arguments.placed.empty()) members = arguments.placed[0].dict()->members;
        cx_.step(members.size());
        for (const auto& [name, value] : arguments.named) put(members, Value(Text(name)), value);
        if (function == Builtin::dict) return make_dict(cx_, std::move(members));
        spaces_.push_back(std::make_unique<Namespace>());
        cx_.write(sizeof(Namespace));
        for (const auto& [key, value] : members)
            spaces_.back()->members.set(cx_, arguments_detail::text_of(cx_, "namespace", key).bytes(), value);
        return spaces_.back().get();
    }
    void put(Members& members, const Value& key, Value value) {
        for (auto& [each, held] : members)
            if (equal(cx_, each, key)) {
                held = std::move(value);
                return;
            }
        members.emplace_back(key, std::move(value));
    }

    const std::tm now_;
    std::vector<std::unique_ptr<Namespace>> spaces_;
    std::uint32_t depth_ = 0;
};

}  // namespace hydralora::text::jinja
