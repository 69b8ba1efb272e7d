// A template as a tree.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "value.hpp"

namespace hydralora::text::jinja {

/// What the parts of a node are, in order, stands beside its kind.
enum class Kind {
    // Expressions.
    literal,      // value
    variable,     // name
    list,         // elements
    tuple,        // elements
    dict,         // key, value, key, value ...
    negation,     // of the truth of one
    minus,        // one
    plus,         // one
    binary,       // name is the sign; two
    comparison,   // first, then one for each of `names`: ==, <, in, not in ...
    concatenate,  // two or more, by ~
    conjunction,  // two
    disjunction,  // two
    conditional,  // condition, value, and what else, which may be missing
    attribute,    // of one, name
    item,         // of one, key
    slice,        // of one, from, to, step; null where left out
    call,         // callee, arguments; `names` has each argument's, "" for those by place
    filter,       // value, arguments; name; no value in a filter block
    test,         // value, arguments; name
    // Statements.
    body,          // statements
    data,          // value
    output,        // one
    set,           // target, value
    set_block,     // target, body, filters (each on nothing)
    branches,      // condition, body, condition, body ..., and the body of else
    loop,          // target, iterable, condition or null, body, body of else or null
    macro,         // body, defaults (null: none); name; `names` of the parameters
    call_block,    // call, body, defaults; `names` of the parameters
    filter_block,  // filter of a filter ... of nothing, body
    with,          // targets and values by turns, body
    generation,    // body
    leave_loop,
    next_turn
};

struct Node {
    Kind kind = Kind::body;
    Place place{};
    std::string name{};
    Value value{};
    std::vector<std::unique_ptr<Node>> parts{};
    std::vector<std::string> names{};
    std::uint32_t depth = 1;  ///< of the tree below
};
using NodePtr = std::unique_ptr<Node>;

}  // namespace hydralora::text::jinja
