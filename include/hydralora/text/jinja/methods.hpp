// The methods of texts, dicts, lists and loops that templates call, as Python has them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "text_functions.hpp"

namespace hydralora::text::jinja {

namespace methods_detail {

using namespace arguments_detail;
using namespace text_functions;

inline bool has_edge(Context& cx, const Text& text, const Text& part, bool prefix) {
    cx.step(1 + part.size() / 64);
    if (part.size() > text.size()) return false;
    return text.bytes().compare(prefix ? 0 : text.size() - part.size(), part.size(), part.bytes()) == 0;
}
/// Python's startswith and endswith: of a text or one of a tuple of texts.
inline bool begins_or_ends(Context& cx, const std::string& name, const Text& text, const Value& with) {
    const auto fits = [&](const Value& part) {
        return has_edge(cx, text, text_of(cx, name, part), name == "startswith");
    };
    const List* several = with.list();
    if (several == nullptr || !several->tuple) return fits(with);
    return std::any_of(several->items.begin(), several->items.end(), fits);
}

inline Value place_in(Context& cx, const Text& text, const Text& part, bool last) {
    search_cost(cx, text, part);
    const std::size_t at = last ? text.bytes().rfind(part.bytes()) : text.bytes().find(part.bytes());
    if (at == std::string::npos) return std::int64_t{-1};
    return character_count(cx, text.slice(0, at));
}

inline Value partition(Context& cx, const Text& text, const Text& by, bool last) {
    if (by.empty()) cx.fail(Fault::value, "partition: expected a separator, found an empty text");
    cx.write(text.memory());
    search_cost(cx, text, by);
    const std::size_t at = last ? text.bytes().rfind(by.bytes()) : text.bytes().find(by.bytes());
    const Value whole = text, empty = Text();
    if (at == std::string::npos)
        return make_list(cx, last ? std::vector<Value>{empty, empty, whole} : std::vector<Value>{whole, empty, empty},
                         true);
    return make_list(cx,
                     {Value(text.slice(0, at)), Value(text.slice(at, at + by.size())),
                      Value(text.slice(at + by.size(), text.size()))},
                     true);
}

inline Value counted(Context& cx, const Text& text, const Text& part) {
    search_cost(cx, text, part);
    if (part.empty()) return character_count(cx, text) + 1;
    std::int64_t count = 0;
    for (std::size_t at = text.bytes().find(part.bytes()); at != std::string::npos;
         at = text.bytes().find(part.bytes(), at + part.size()))
        ++count;
    return count;
}

inline std::optional<Value> is_all(Context& cx, const std::string& name, const Text& text) {
    look_cost(cx, text);
    bool all = !text.empty(), cased = false;
    for (std::size_t i = 0; i < text.size();) {
        const Character c = character_at(text.bytes(), i);
        const std::uint32_t p = properties(c.code);
        const bool upper_letter = c.code < 0x80 && is_upper(static_cast<char>(c.code));
        const bool lower_letter = c.code < 0x80 && is_lower(static_cast<char>(c.code));
        cased = cased || upper_letter || lower_letter;
        if (name == "isdigit" || name == "isdecimal" || name == "isnumeric")
            all = all && (p & (name == "isdecimal" ? digit : number)) != 0;
        else if (name == "isalpha")
            all = all && (p & letter) != 0;
        else if (name == "isalnum")
            all = all && (p & (letter | number)) != 0;
        else if (name == "isspace")
            all = all && without_outer_space(std::string_view(text.bytes()).substr(i, c.bytes)).empty();
        else if (name == "isupper")
            all = all && !lower_letter;
        else if (name == "islower")
            all = all && !upper_letter;
        else
            return std::nullopt;
        i += c.bytes;
    }
    if (name == "isupper" || name == "islower") return Value(all && cased);
    const bool known = name == "isdigit" || name == "isdecimal" || name == "isnumeric" || name == "isalpha" ||
                       name == "isalnum" || name == "isspace";
    return known ? std::optional(Value(all)) : std::nullopt;
}

/// A method of a text, with its arguments.
struct TextCall {
    Context& cx;
    const Text& text;
    const std::string& name;
    const Arguments& arguments;

    [[nodiscard]] Bound bound(std::initializer_list<std::string_view> names, std::size_t least = 0) const {
        Bound values = arguments.bound(cx, name, names);
        for (std::size_t i = 0; i < least; ++i)
            if (!values[i]) cx.fail(Fault::value, name, ": expected at least ", least, " arguments, found ", i);
        return values;
    }
    void none() const { static_cast<void>(bound({})); }
    /// Its one argument, a text, which the arguments own.
    [[nodiscard]] const Text& part(std::string_view called) const { return text_of(cx, name, *bound({called}, 1)[0]); }
};

inline std::optional<Value> of_edges(const TextCall& call) {
    const auto& [cx, text, name, arguments] = call;
    if (name == "strip" || name == "lstrip" || name == "rstrip") {
        const Bound a = call.bound({"chars"});
        const Edge edge = name == "strip" ? Edge::both : name == "lstrip" ? Edge::left : Edge::right;
        return stripped(cx, text, edge, optional_text(cx, name, a[0]));
    }
    if (name == "startswith" || name == "endswith") return begins_or_ends(cx, name, text, *call.bound({"part"}, 1)[0]);
    if (name != "removeprefix" && name != "removesuffix") return std::nullopt;
    const bool prefix = name == "removeprefix";
    const Text& edge = call.part("part");
    const std::size_t cut = has_edge(cx, text, edge, prefix) ? edge.size() : 0;
    return make_text(cx, prefix ? text.slice(cut, text.size()) : text.slice(0, text.size() - cut));
}

inline std::optional<Value> of_parts(const TextCall& call) {
    const auto& [cx, text, name, arguments] = call;
    if (name == "split" || name == "rsplit") {
        const Bound a = call.bound({"sep", "maxsplit"});
        return split(cx, text, optional_text(cx, name, a[0]), optional_integer(cx, name, a[1], -1), name == "rsplit");
    }
    if (name == "splitlines") return call.none(), lines(cx, text);
    if (name == "partition" || name == "rpartition") return partition(cx, text, call.part("sep"), name == "rpartition");
    if (name == "count") return counted(cx, text, call.part("sub"));
    if (name == "find" || name == "rfind") return place_in(cx, text, call.part("sub"), name == "rfind");
    if (name == "index" || name == "rindex") {
        const Value at = place_in(cx, text, call.part("sub"), name == "rindex");
        if (at.integer() < 0) cx.fail(Fault::value, name, ": the part is not in the text");
        return at;
    }
    return std::nullopt;
}

inline std::optional<Value> of_forms(const TextCall& call) {
    const auto& [cx, text, name, arguments] = call;
    if (name == "upper") return call.none(), Value(upper(cx, text));
    if (name == "lower") return call.none(), Value(lower(cx, text));
    if (name == "title") return call.none(), Value(titled(cx, text, false));
    if (name == "capitalize") return call.none(), Value(capitalised(cx, text));
    if (name == "join") return joined(cx, text, items_of(cx, *call.bound({"iterable"}, 1)[0]), true);
    if (name == "replace") {
        const Bound a = call.bound({"old", "new", "count"}, 2);
        return replaced(cx, text, text_of(cx, name, *a[0]), text_within(cx, text, text_of(cx, name, *a[1])),
                        optional_integer(cx, name, a[2], -1))
            .as_markup(text.is_markup());
    }
    if (name != "format") return std::nullopt;
    return formatted(cx, text, call.arguments.placed, [&](const std::string& field) {
        call.cx.step(1 + call.arguments.named.size() / 8);
        for (const auto& [key, value] : call.arguments.named)
            if (key == field) return value;
        call.cx.fail(Fault::value, "format: expected an argument ", field);
    });
}

inline Value call_of_text(Context& cx, const Text& text, const std::string& name, const Arguments& arguments) {
    const TextCall call{cx, text, name, arguments};
    if (auto result = of_edges(call)) return *std::move(result);
    if (auto result = of_parts(call)) return *std::move(result);
    if (auto result = of_forms(call)) return *std::move(result);
    if (const auto answer = is_all(cx, name, text)) return *answer;
    cx.fail(Fault::unknown, "the method ", name, " of a text is not known here");
}

inline Value call_of_dict(Context& cx, const Dict& dict, const std::string& name, const Arguments& arguments) {
    if (name == "get") {
        const Bound a = arguments.bound(cx, name, {"key", "default"});
        if (!a[0]) cx.fail(Fault::value, "get: expected a key, found none");
        cx.step(dict.members.size() / 8);
        for (const auto& [key, member] : dict.members)
            if (equal(cx, key, *a[0])) return member;
        return a[1] ? *a[1] : Value(None{});
    }
    if (name != "items" && name != "keys" && name != "values" && name != "copy")
        cx.fail(Fault::unknown, "the method ", name, " changes a dict, which a template may not");
    static_cast<void>(arguments.bound(cx, name, {}));
    if (name == "copy") return make_dict(cx, dict.members);
    std::vector<Value> items;
    for (const auto& [key, member] : dict.members)
        items.push_back(name == "keys" ? key : name == "values" ? member : make_pair_of(cx, key, member));
    return make_list(cx, std::move(items));
}

inline Value call_of_list(Context& cx, const List& list, const std::string& name, const Arguments& arguments) {
    if (name == "copy") return make_list(cx, list.items);
    if (name != "count" && name != "index")
        cx.fail(Fault::unknown, "the method ", name, " changes a list, which a template may not");
    const Bound a = arguments.bound(cx, name, {"value"});
    if (!a[0]) cx.fail(Fault::value, name, ": expected a value, found none");
    std::int64_t count = 0;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
        if (!equal(cx, list.items[i], *a[0])) continue;
        if (name == "index") return static_cast<std::int64_t>(i);
        ++count;
    }
    if (name == "index") cx.fail(Fault::value, "index: the value is not in the list");
    return count;
}

inline Value call_of_loop(Context& cx, LoopState& loop, const std::string& name, const Arguments& arguments) {
    if (arguments.placed.empty() || !arguments.named.empty())
        cx.fail(Fault::value, name, ": expected values, found none");
    if (name == "cycle") return arguments.placed[loop.index % arguments.placed.size()];
    // What holds a loop may hold this one, which would then never be given back.
    for (const Value& value : arguments.placed)
        if (!value.is_number() && value.text() == nullptr && !value.is_none() && !value.is_undefined())
            cx.fail(Fault::unknown, "changed: expected texts and numbers, found ", found(value));
    Value values = make_list(cx, arguments.placed, true);
    const bool same = loop.last_changed && equal(cx, *loop.last_changed, values);
    if (!same) loop.last_changed = values;
    return !same;
}

}  // namespace methods_detail

[[nodiscard]] inline Value call_method(Context& cx, const Method& method, const Arguments& arguments) {
    using namespace methods_detail;
    cx.step();
    if (const Text* text = method.self.text()) return call_of_text(cx, *text, method.name, arguments);
    if (const Dict* dict = method.self.dict()) return call_of_dict(cx, *dict, method.name, arguments);
    if (const List* list = method.self.list()) return call_of_list(cx, *list, method.name, arguments);
    return call_of_loop(cx, *method.self.loop(), method.name, arguments);
}

}  // namespace hydralora::text::jinja
