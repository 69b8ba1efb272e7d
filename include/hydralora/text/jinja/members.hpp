// Keys and attributes of values, as Jinja looks them up.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../../io/quote.hpp"
#include "operators.hpp"

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
        cx.step((1 + dict->members.size() / 8) * (1 + name.size() / 64));
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

}  // namespace hydralora::text::jinja
