// Keys and attributes of values, as Jinja looks them up, and the methods among them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../io/quote.hpp"
#include "arguments.hpp"
#include "text_functions.hpp"

namespace hydralora::text::jinja {

namespace members_detail {

template <std::size_t N>
bool among(const char* const (&names)[N], std::string_view name) {
    return std::any_of(names, names + N, [&](const char* each) { return name == each; });
}
/// Of Python's methods all that are known by name, so that a key of the same name is not taken for one by `a.b`.
inline bool has_method(const Value& value, std::string_view name) {
    static constexpr const char* of_text[] = {
        "strip",      "lstrip",     "rstrip",      "split",        "rsplit",   "splitlines",   "startswith",
        "endswith",   "replace",    "upper",       "lower",        "title",    "capitalize",   "find",
        "rfind",      "index",      "count",       "join",         "format",   "removeprefix", "removesuffix",
        "partition",  "rpartition", "isdigit",     "isalpha",      "isalnum",  "isspace",      "isupper",
        "islower",    "isnumeric",  "isdecimal",   "isidentifier", "casefold", "center",       "encode",
        "expandtabs", "ljust",      "rjust",       "swapcase",     "zfill",    "translate",    "format_map",
        "istitle",    "isascii",    "isprintable", "maketrans",    "rindex"};
    static constexpr const char* of_list[] = {"append", "clear", "copy",   "count",   "extend", "index",
                                              "insert", "pop",   "remove", "reverse", "sort"};
    static constexpr const char* of_tuple[] = {"count", "index"};
    static constexpr const char* of_dict[] = {"clear", "copy",    "fromkeys",   "get",    "items", "keys",
                                              "pop",   "popitem", "setdefault", "update", "values"};
    static constexpr const char* of_loop[] = {"cycle", "changed"};
    if (value.text() != nullptr) return among(of_text, name);
    if (const List* list = value.list()) return list->tuple ? among(of_tuple, name) : among(of_list, name);
    if (value.dict() != nullptr) return among(of_dict, name);
    return value.loop() != nullptr && among(of_loop, name);
}

inline Value of_loop(const LoopState& loop, std::string_view name) {
    const auto number = [](std::size_t n) { return Value(static_cast<std::int64_t>(n)); };
    const std::size_t size = loop.items.size();
    if (name == "index") return number(loop.index + 1);
    if (name == "index0") return number(loop.index);
    if (name == "revindex") return number(size - loop.index);
    if (name == "revindex0") return number(size - loop.index - 1);
    if (name == "first") return loop.index == 0;
    if (name == "last") return loop.index + 1 == size;
    if (name == "length") return number(size);
    if (name == "depth" || name == "depth0") return number(name == "depth" ? 1 : 0);  // no loop calls itself
    if (name == "previtem") return loop.index > 0 ? loop.items[loop.index - 1] : undefined("there is no previous item");
    if (name == "nextitem")
        return loop.index + 1 < size ? loop.items[loop.index + 1] : undefined("there is no next item");
    return undefined(concat("a loop has no ", io::in_quotes(name, 40)));
}

}  // namespace members_detail

/// value.name
[[nodiscard]] inline Value attribute(Context& cx, const Value& value, const std::string& name) {
    cx.step();
    if (value.is_undefined()) cx.fail(Fault::value, found(value), ", so it has no ", io::in_quotes(name, 40));
    if (members_detail::has_method(value, name)) return std::make_shared<const Method>(Method{value, name});
    if (const auto* space = value.get<Namespace*>()) {
        if (const Value* member = (*space)->members.find(cx, name)) return *member;
    } else if (const LoopState* loop = value.loop()) {
        return members_detail::of_loop(*loop, name);
    } else if (const Dict* dict = value.dict()) {
        cx.step(dict->members.size() / 8);
        if (const Value* member = dict->find(name)) return *member;
    }
    return undefined(concat("the ", type_name(value), " has no ", io::in_quotes(name, 40)));
}

/// value[key]
[[nodiscard]] inline Value item(Context& cx, const Value& value, const Value& key) {
    cx.step();
    if (value.is_undefined()) cx.fail(Fault::value, found(value), ", so it has no items");
    if (const Dict* dict = value.dict()) {
        cx.step(dict->members.size() / 8);
        for (const auto& [name, member] : dict->members)
            if (equal(cx, name, key)) return member;
    } else if (key.is_integer() && (value.list() != nullptr || value.text() != nullptr)) {
        const Text* text = value.text();
        const auto places = text != nullptr ? character_places(cx, *text) : std::vector<std::size_t>();
        const auto size = static_cast<std::int64_t>(text != nullptr ? places.size() - 1 : value.list()->items.size());
        const std::int64_t i = key.integer() < 0 ? key.integer() + size : key.integer();
        if (i >= 0 && i < size) {
            const auto at = static_cast<std::size_t>(i);
            return text != nullptr ? make_text(cx, text->slice(places[at], places[at + 1])) : value.list()->items[at];
        }
        return undefined(
            concat("the ", type_name(value), " has ", size, " items, so [", key.integer(), "] is undefined"));
    }
    if (key.text() != nullptr) return attribute(cx, value, key.text()->bytes());
    return undefined(concat("the ", type_name(value), " has no such item"));
}

/// "a.b.0" of a value, as filters name attributes.
[[nodiscard]] inline Value path(Context& cx, Value value, const Value& names) {
    if (!names.is<std::shared_ptr<const Text>>()) return item(cx, value, names);
    const std::string& all = names.text()->bytes();
    look_cost(cx, *names.text());
    for (std::size_t begin = 0; begin <= all.size();) {
        const std::size_t end = std::min(all.find('.', begin), all.size());
        const std::string name = all.substr(begin, end - begin);
        const bool number =
            !name.empty() && name.size() < 10 && name.find_first_not_of("0123456789") == std::string::npos;
        value = number ? item(cx, value, Value(std::int64_t{std::stoi(name)})) : item(cx, value, Value(Text(name)));
        begin = end + 1;
    }
    return value;
}

namespace members_detail {

using Bound = std::vector<std::optional<Value>>;

inline const Text* optional_text(const Context& cx, std::string_view function, const std::optional<Value>& value) {
    if (!value || value->is_none()) return nullptr;
    return &arguments_detail::text_of(cx, function, *value);
}
inline std::int64_t optional_integer(const Context& cx, std::string_view function, const std::optional<Value>& value,
                                     std::int64_t otherwise) {
    return value ? arguments_detail::integer_of(cx, function, *value) : otherwise;
}

inline bool has_edge(Context& cx, const Text& text, const Text& part, bool prefix) {
    cx.step(1 + part.size() / 64);
    if (part.size() > text.size()) return false;
    return text.bytes().compare(prefix ? 0 : text.size() - part.size(), part.size(), part.bytes()) == 0;
}
/// Python's startswith and endswith: of a text or one of a tuple of texts.
inline bool begins_or_ends(Context& cx, const std::string& name, const Text& text, const Value& with) {
    const auto fits = [&](const Value& part) {
        return has_edge(cx, text, arguments_detail::text_of(cx, name, part), name == "startswith");
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

/// Python's join, of texts, where `strict`; else Jinja's, which knows no markup.
inline Value joined(Context& cx, const Text& between, const std::vector<Value>& items, bool strict) {
    Text result;
    for (std::size_t i = 0; i < items.size(); ++i) {
        if (strict && items[i].text() == nullptr)
            cx.fail(Fault::value, "join: expected texts, found ", found(items[i]));
        const Text text = strict ? text_within(cx, between, *items[i].text()) : to_text(cx, items[i]);
        cx.write(between.memory() + text.memory());
        if (i > 0) result.append(between);
        result.append(text);
    }
    return std::move(result).as_markup(strict && between.is_markup());
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
        const bool upper_letter = c.code < 0x80 && text_functions::is_upper(static_cast<char>(c.code));
        const bool lower_letter = c.code < 0x80 && text_functions::is_lower(static_cast<char>(c.code));
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

inline Value call_of_text(Context& cx, const Text& text, const std::string& name, const Arguments& arguments) {
    using namespace text_functions;
    const auto bound = [&](std::initializer_list<std::string_view> names, std::size_t least = 0) {
        Bound values = arguments.bound(cx, name, names);
        for (std::size_t i = 0; i < least; ++i)
            if (!values[i]) cx.fail(Fault::value, name, ": expected at least ", least, " arguments, found ", i);
        return values;
    };
    const auto part = [&](const Bound& values, std::size_t i) -> const Text& {
        return arguments_detail::text_of(cx, name, *values[i]);
    };
    if (name == "strip" || name == "lstrip" || name == "rstrip") {
        const Bound a = bound({"chars"});
        return stripped(cx, text,
                        name == "strip"    ? Edge::both
                        : name == "lstrip" ? Edge::left
                                           : Edge::right,
                        optional_text(cx, name, a[0]));
    }
    if (name == "split" || name == "rsplit") {
        const Bound a = bound({"sep", "maxsplit"});
        return split(cx, text, optional_text(cx, name, a[0]), optional_integer(cx, name, a[1], -1), name == "rsplit");
    }
    if (name == "startswith" || name == "endswith") return begins_or_ends(cx, name, text, *bound({"part"}, 1)[0]);
    if (name == "replace") {
        const Bound a = bound({"old", "new", "count"}, 2);
        return replaced(cx, text, part(a, 0), text_within(cx, text, part(a, 1)), optional_integer(cx, name, a[2], -1))
            .as_markup(text.is_markup());
    }
    if (name == "join") return joined(cx, text, items_of(cx, *bound({"iterable"}, 1)[0]), true);
    if (name == "find" || name == "rfind") return place_in(cx, text, part(bound({"sub"}, 1), 0), name == "rfind");
    if (name == "index" || name == "rindex") {
        const Value at = place_in(cx, text, part(bound({"sub"}, 1), 0), name == "rindex");
        if (at.integer() < 0) cx.fail(Fault::value, name, ": the part is not in the text");
        return at;
    }
    if (name == "count") return counted(cx, text, part(bound({"sub"}, 1), 0));
    if (name == "partition" || name == "rpartition")
        return partition(cx, text, part(bound({"sep"}, 1), 0), name == "rpartition");
    if (name == "removeprefix" || name == "removesuffix") {
        const Bound a = bound({"part"}, 1);
        const Text& edge = part(a, 0);
        const bool prefix = name == "removeprefix";
        const std::size_t cut = has_edge(cx, text, edge, prefix) ? edge.size() : 0;
        return make_text(cx, prefix ? text.slice(cut, text.size()) : text.slice(0, text.size() - cut));
    }
    if (name == "format")
        return formatted(cx, text, arguments.placed, [&](const std::string& field) {
            cx.step(1 + arguments.named.size() / 8);
            for (const auto& [key, value] : arguments.named)
                if (key == field) return value;
            cx.fail(Fault::value, "format: expected an argument ", field);
        });
    if (name == "upper") return static_cast<void>(bound({})), Value(upper(cx, text));
    if (name == "lower") return static_cast<void>(bound({})), Value(lower(cx, text));
    if (name == "title") return static_cast<void>(bound({})), Value(titled(cx, text, false));
    if (name == "capitalize") return static_cast<void>(bound({})), Value(capitalised(cx, text));
    if (name == "splitlines") return static_cast<void>(bound({})), lines(cx, text);
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

}  // namespace members_detail

[[nodiscard]] inline Value call_method(Context& cx, const Method& method, const Arguments& arguments) {
    using namespace members_detail;
    cx.step();
    if (const Text* text = method.self.text()) return call_of_text(cx, *text, method.name, arguments);
    if (const Dict* dict = method.self.dict()) return call_of_dict(cx, *dict, method.name, arguments);
    if (const List* list = method.self.list()) return call_of_list(cx, *list, method.name, arguments);
    return call_of_loop(cx, *method.self.loop(), method.name, arguments);
}

}  // namespace hydralora::text::jinja
