// Values of a template: those of Python that chat templates use. Nothing in them changes but namespaces, which the
// evaluator owns, so no value holds itself.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "error.hpp"
#include "text.hpp"

namespace hydralora::text::jinja {

class Value;
struct List;
struct Dict;
struct LoopState;
struct Namespace;  // owned by the evaluator
struct Macro;      // owned by the evaluator
struct Method;     // a function of a value, with the value

struct None {};
/// What a name or key stands for that is not there; `what` is for messages.
struct Undefined {
    std::shared_ptr<const std::string> what = nullptr;
};
enum class Builtin { range, dict, make_namespace, raise_exception, strftime_now };

class Value {
public:
    Value() : value_(Undefined{}) {}
    Value(None) : value_(None{}) {}
    Value(Undefined undefined) : value_(std::move(undefined)) {}
    Value(bool truth) : value_(truth) {}
    Value(std::int64_t number) : value_(number) {}
    Value(double number) : value_(number) {}
    Value(Text text) : value_(std::make_shared<const Text>(std::move(text))) {}
    Value(const char* text) : Value(Text(text)) {}
    Value(std::shared_ptr<const List> list) : value_(std::move(list)) {}
    Value(std::shared_ptr<const Dict> dict) : value_(std::move(dict)) {}
    Value(std::shared_ptr<LoopState> loop) : value_(std::move(loop)) {}
    Value(std::shared_ptr<const Method> method) : value_(std::move(method)) {}
    Value(Namespace* space) : value_(space) {}
    Value(const Macro* macro) : value_(macro) {}
    Value(Builtin function) : value_(function) {}
    /// A truth value is what is asked for by name; other pointers are none.
    template <class T>
    Value(T*) = delete;

    [[nodiscard]] bool is_undefined() const { return is<Undefined>(); }
    [[nodiscard]] bool is_none() const { return is<None>(); }
    [[nodiscard]] bool is_integer() const { return is<std::int64_t>() || is<bool>(); }  // as Python has it
    [[nodiscard]] bool is_number() const { return is_integer() || is<double>(); }
    [[nodiscard]] bool is_callable() const {
        return is<const Macro*>() || is<Builtin>() || is<std::shared_ptr<const Method>>();
    }
    template <class T>
    [[nodiscard]] bool is() const {
        return std::holds_alternative<T>(value_);
    }
    template <class T>
    [[nodiscard]] const T* get() const {
        return std::get_if<T>(&value_);
    }
    [[nodiscard]] const Text* text() const { return pointed<Text>(); }
    [[nodiscard]] const List* list() const { return pointed<List>(); }
    [[nodiscard]] const Dict* dict() const { return pointed<Dict>(); }
    [[nodiscard]] const Method* method() const { return pointed<Method>(); }
    [[nodiscard]] LoopState* loop() const {
        const auto* held = get<std::shared_ptr<LoopState>>();
        return held == nullptr ? nullptr : held->get();
    }
    /// Of a number; a truth value is 0 or 1.
    [[nodiscard]] std::int64_t integer() const { return is<bool>() ? *get<bool>() : *get<std::int64_t>(); }
    [[nodiscard]] double real() const { return is<double>() ? *get<double>() : static_cast<double>(integer()); }

private:
    template <class T>
    [[nodiscard]] const T* pointed() const {
        const auto* held = get<std::shared_ptr<const T>>();
        return held == nullptr ? nullptr : held->get();
    }

    std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const Text>, std::shared_ptr<const List>,
                 std::shared_ptr<const Dict>, std::shared_ptr<LoopState>, std::shared_ptr<const Method>, Namespace*,
                 const Macro*, Builtin>
        value_;
};

struct List {
    std::vector<Value> items;
    bool tuple = false;
    std::uint32_t depth = 1;
};
struct Dict {
    std::vector<std::pair<Value, Value>> members;  // in the order of insertion, keys differ
    std::uint32_t depth = 1;

    [[nodiscard]] const Value* find(std::string_view key) const {
        for (const auto& [name, value] : members)
            if (const Text* text = name.text(); text != nullptr && text->bytes() == key) return &value;
        return nullptr;
    }
};
/// Names with values, each name once, in the order in which they were set. To look through them costs steps.
class Names {
public:
    /// Null where the name is not there.
    [[nodiscard]] const Value* find(Context& cx, std::string_view name) const {
        const std::size_t i = place(cx, name);
        return i < all_.size() ? &all_[i].second : nullptr;
    }
    void set(Context& cx, std::string_view name, Value value) {
        const std::size_t i = place(cx, name);
        if (i < all_.size()) {
            all_[i].second = std::move(value);
        } else {
            cx.write(name.size());
            all_.emplace_back(name, std::move(value));
        }
    }
    void clear() { all_.clear(); }

private:
    [[nodiscard]] std::size_t place(Context& cx, std::string_view name) const {
        cx.step((1 + all_.size() / 8) * (1 + name.size() / 64));
        std::size_t i = 0;
        while (i < all_.size() && all_[i].first != name) ++i;
        return i;
    }

    std::vector<std::pair<std::string, Value>> all_;
};
struct Namespace {
    Names members{};
};
struct LoopState {
    std::vector<Value> items;
    std::uint32_t depth = 1;
    std::size_t index = 0;
    std::optional<Value> last_changed{};
};
struct Method {
    Value self;
    std::string name;
};

[[nodiscard]] inline std::uint32_t depth_of(const Value& value) {
    if (const List* list = value.list()) return list->depth;
    if (const Dict* dict = value.dict()) return dict->depth;
    if (const LoopState* loop = value.loop()) return loop->depth;
    if (const Method* method = value.method()) return depth_of(method->self) + 1;
    return 0;
}

namespace value_detail {
inline std::uint32_t deeper(Context& cx, std::uint32_t depth, const Value& value) {
    const std::uint32_t found = std::max(depth, depth_of(value) + 1);
    if (found > cx.limits.nesting) cx.fail(Fault::limit, "values are nested more than ", cx.limits.nesting, " deep");
    return found;
}
}  // namespace value_detail

[[nodiscard]] inline Value make_list(Context& cx, std::vector<Value> items, bool tuple = false) {
    cx.step(items.size());
    std::uint32_t depth = 1;
    for (const Value& item : items) depth = value_detail::deeper(cx, depth, item);
    return std::make_shared<const List>(List{std::move(items), tuple, depth});
}
[[nodiscard]] inline Value make_pair_of(Context& cx, const Value& first, const Value& second) {
    return make_list(cx, {first, second}, true);
}
/// Of members whose keys differ.
[[nodiscard]] inline Value make_dict(Context& cx, std::vector<std::pair<Value, Value>> members) {
    cx.step(members.size());
    std::uint32_t depth = 1;
    for (const auto& [key, value] : members)
        depth = value_detail::deeper(cx, value_detail::deeper(cx, depth, key), value);
    return std::make_shared<const Dict>(Dict{std::move(members), depth});
}
/// Of items that are counted.
[[nodiscard]] inline std::shared_ptr<LoopState> make_loop(std::vector<Value> items) {
    std::uint32_t depth = 0;
    for (const Value& item : items) depth = std::max(depth, depth_of(item));
    return std::make_shared<LoopState>(LoopState{std::move(items), depth + 1});
}
/// Before all bytes of a text are looked at.
inline void look_cost(Context& cx, const Text& text) { cx.step(1 + text.size() / 16); }
/// Before a part is looked for in a text, once or from place to place: std::string compares as much as all of it at each.
inline void search_cost(Context& cx, const Text& text, const Text& part) {
    const std::size_t places = text.size() < part.size() ? 0 : text.size() - part.size() + 1;
    cx.step(1 + places / 16 + places * part.size() / 4096);
}

/// The text, which was not counted yet.
[[nodiscard]] inline Text charged(Context& cx, Text text) {
    cx.write(text.memory());
    return text;
}
[[nodiscard]] inline Value make_text(Context& cx, Text text) { return charged(cx, std::move(text)); }
[[nodiscard]] inline Value undefined(std::string what) {
    return Undefined{std::make_shared<const std::string>(std::move(what))};
}

/// As Python calls the type.
[[nodiscard]] inline std::string_view type_name(const Value& value) {
    if (value.is_undefined()) return "undefined";
    if (value.is_none()) return "None";
    if (value.is<bool>()) return "bool";
    if (value.is<std::int64_t>()) return "int";
    if (value.is<double>()) return "float";
    if (value.text() != nullptr) return "str";
    if (const List* list = value.list()) return list->tuple ? "tuple" : "list";
    if (value.dict() != nullptr) return "dict";
    if (value.is<Namespace*>()) return "namespace";
    if (value.loop() != nullptr) return "loop";
    return "function";
}
/// "'x' is undefined" or "str", for messages.
[[nodiscard]] inline std::string found(const Value& value) {
    const auto* undefined = value.get<Undefined>();
    return undefined != nullptr && undefined->what ? *undefined->what : std::string(type_name(value));
}

[[nodiscard]] inline bool truth(const Value& value) {
    if (const bool* b = value.get<bool>()) return *b;
    if (const auto* i = value.get<std::int64_t>()) return *i != 0;
    if (const double* d = value.get<double>()) return *d != 0;
    if (const Text* text = value.text()) return !text->empty();
    if (const List* list = value.list()) return !list->items.empty();
    if (const Dict* dict = value.dict()) return !dict->members.empty();
    return !value.is_undefined() && !value.is_none();
}

}  // namespace hydralora::text::jinja
