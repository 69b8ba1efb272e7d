// Patterns of module names, as the keys of PEFT's rank_pattern and alpha_pattern are: regular expressions of Python that must
// match a name from its beginning, or from behind one of its dots, to its end (peft/utils/other.py, get_pattern_key).
//
// Read is what is regular and plain: characters, `.`, classes, \d \w \s and their opposites, groups without captures' use,
// `|`, `*`, `+`, `?`, `{m,n}`, lazy or not, `^`, `$`. All ways are followed at once, so time is bounded by pattern times name.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "quote.hpp"

namespace hydralora::io {

class ModulePattern {
public:
    /// `where`: for messages.
    ModulePattern(std::string_view pattern, std::string_view where) {
        Parser parser{*this, pattern, where};
        start_ = parser.all();
    }

    [[nodiscard]] bool matches(std::string_view name) const {
        std::vector<std::uint32_t> now, next, stack;
        std::vector<std::size_t> seen(states_.size(), 0);  // the round that a state was added in
        for (std::size_t at = 0;; ++at) {
            if (at == 0 || name[at - 1] == '.') add(start_, at, name, now, stack, seen);
            if (at == name.size()) break;
            next.clear();
            for (const std::uint32_t s : now)
                if (states_[s].kind == Kind::character && states_[s].set[static_cast<unsigned char>(name[at])])
                    add(states_[s].out, at + 1, name, next, stack, seen);
            now.swap(next);
        }
        for (const std::uint32_t s : now)
            if (states_[s].kind == Kind::accept) return true;
        return false;
    }

private:
    enum class Kind : std::uint8_t { character, split, begin, end, accept };
    using Set = std::bitset<256>;
    struct State {
        Kind kind = Kind::accept;
        std::uint32_t out = 0, other = 0;
        Set set = {};
    };
    static constexpr std::size_t most_states = 4096;

    /// Whatever is reached from `state` without a character.
    void add(std::uint32_t state, std::size_t at, std::string_view name, std::vector<std::uint32_t>& list,
             std::vector<std::uint32_t>& stack, std::vector<std::size_t>& seen) const {
        stack.push_back(state);
        while (!stack.empty()) {
            const std::uint32_t s = stack.back();
            stack.pop_back();
            if (seen[s] == at + 1) continue;
            seen[s] = at + 1;
            const State& here = states_[s];
            if (here.kind == Kind::split) {
                stack.push_back(here.other);
                stack.push_back(here.out);
            } else if (here.kind == Kind::begin || here.kind == Kind::end) {
                if (here.kind == Kind::begin ? at == 0 : at == name.size()) stack.push_back(here.out);
            } else {
                list.push_back(s);
            }
        }
    }

    /// Builds states from the end of the pattern's parts on: each part is made for the state that follows it. So that a part
    /// can be repeated it is kept as a small tree first.
    struct Node {
        enum class Kind : std::uint8_t { character, begin, end, sequence, either, repeat } kind = Kind::sequence;
        Set set = {};
        std::vector<Node> parts = {};
        int least = 0, most = 0;  // of repeat; most -1: no limit
    };

    struct Parser {
        ModulePattern& made;
        std::string_view pattern, where;
        std::size_t at = 0;
        int depth = 0;
        std::size_t built = 0;

        std::uint32_t all() {
            const Node tree = either();
            if (at != pattern.size()) refuse("brackets that belong together");
            return build(tree, state({Kind::accept}));
        }

        [[noreturn]] void refuse(std::string_view expected) const {
            fail(where, ": the pattern ", in_quotes(pattern, 200), ", character ", at + 1, ": expected ", expected,
                 "; write names of modules instead, as \"model.layers.0.self_attn.q_proj\"");
        }
        [[nodiscard]] bool more() const { return at < pattern.size(); }
        [[nodiscard]] bool take(char c) {
            if (!more() || pattern[at] != c) return false;
            ++at;
            return true;
        }

        Node either() {
            if (++depth > 64) refuse("at most 64 groups in one another");
            Node node{Node::Kind::either};
            do node.parts.push_back(sequence());
            while (take('|'));
            --depth;
            return node;
        }
        Node sequence() {
            Node node{Node::Kind::sequence};
            while (more() && pattern[at] != '|' && pattern[at] != ')') node.parts.push_back(repeated());
            return node;
        }
        Node repeated() {
            Node node = one();
            for (bool again = false; more(); again = true) {
                int least = 0, most = -1;
                const std::size_t before = at;
                if (take('*')) {
                } else if (take('+')) {
                    least = 1;
                } else if (take('?')) {
                    most = 1;
                } else if (!counts(least, most)) {
                    break;
                }
                if (again || (most >= 0 && most < least)) {
                    at = before;
                    refuse("one repetition of a part");
                }
                static_cast<void>(take('?'));  // lazy: the same names
                if (more() && pattern[at] == '+') refuse("no possessive repetition");
                Node outer{Node::Kind::repeat};
                outer.least = least, outer.most = most;
                outer.parts.push_back(std::move(node));
                node = std::move(outer);
            }
            return node;
        }
        /// {m}, {m,}, {,n}, {m,n}; what is none of these is text, as in Python.
        bool counts(int& least, int& most) {
            const std::size_t before = at;
            const auto number = [&](int& n) {
                const std::size_t begin = at;
                for (n = 0; more() && pattern[at] >= '0' && pattern[at] <= '9'; ++at)
                    if ((n = n * 10 + (pattern[at] - '0')) > 1000) refuse("at most 1000 repetitions");
                return at > begin;
            };
            if (!take('{')) return false;
            int low = 0, high = 0;
            const bool has_low = number(low);
            bool has_high = false, comma = false;
            if (take(',')) {
                comma = true;
                has_high = number(high);
            }
            if (!take('}') || (!has_low && !has_high)) {
                at = before;
                return false;
            }
            least = low;
            most = !comma ? low : has_high ? high : -1;
            return true;
        }
        Node one() {
            Node node{Node::Kind::character};
            const char c = pattern[at];
            if (c == '(') {
                ++at;
                if (take('?') && !take(':')) {
                    if (!take('P') || !take('<')) refuse("a group without conditions, (...) or (?:...)");
                    while (more() && pattern[at] != '>') ++at;
                    if (!take('>')) refuse("a name that ends");
                }
                node = either();
                if (!take(')')) refuse("a bracket that closes the group");
                return node;
            }
            if (c == '*' || c == '+' || c == '?') refuse("a part to repeat");
            ++at;
            if (c == '^' || c == '$')
                node.kind = c == '^' ? Node::Kind::begin : Node::Kind::end;
            else if (c == '.')
                node.set.set().reset('\n');
            else if (c == '[')
                node.set = character_class();
            else if (c == '\\')
                node.set = escaped();
            else
                node.set.set(static_cast<unsigned char>(c));
            return node;
        }
        Set escaped() {
            if (!more()) refuse("a character behind the backslash");
            const char c = pattern[at++];
            const auto is_letter = [](char x) { return (x >= 'a' && x <= 'z') || (x >= 'A' && x <= 'Z'); };
            Set set;
            for (unsigned i = 0; i < 128; ++i) {
                const char x = static_cast<char>(i), low = static_cast<char>(c | 0x20);
                const bool digit = x >= '0' && x <= '9';
                const bool space = x == ' ' || (x >= '\t' && x <= '\r');
                if (low == 'd' ? digit : low == 'w' ? digit || is_letter(x) || x == '_' : low == 's' && space)
                    set.set(i);
            }
            if (c == 'd' || c == 'w' || c == 's') return set;
            if (c == 'D' || c == 'W' || c == 'S') return ~set;
            if (is_letter(c) || (c >= '0' && c <= '9')) {
                at -= 1;
                refuse("\\d, \\w, \\s, \\D, \\W, \\S or a sign behind the backslash");
            }
            return Set().set(static_cast<unsigned char>(c));
        }
        Set character_class() {
            Set set;
            const bool none_of = take('^');
            for (bool first = true;; first = false) {
                if (!more()) refuse("a bracket that closes the class");
                if (take(']')) {
                    if (!first) break;
                    set.set(']');
                    continue;
                }
                const char low = pattern[at++];
                if (low == '\\') {
                    set |= escaped();
                    continue;
                }
                if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
                    const char high = pattern[at + 1];
                    if (high == '\\' || static_cast<unsigned char>(high) < static_cast<unsigned char>(low))
                        refuse("a range from a lower to a higher character");
                    at += 2;
                    for (unsigned i = static_cast<unsigned char>(low); i <= static_cast<unsigned char>(high); ++i)
                        set.set(i);
                } else {
                    set.set(static_cast<unsigned char>(low));
                }
            }
            return none_of ? ~set : set;
        }

        std::uint32_t state(State s) {
            if (made.states_.size() >= most_states) refuse(concat("a pattern of at most ", most_states, " parts"));
            made.states_.push_back(std::move(s));
            return static_cast<std::uint32_t>(made.states_.size() - 1);
        }
        std::uint32_t build(const Node& node, std::uint32_t next) {
            if (++built > 16 * most_states) refuse("fewer repetitions");  // of what may be nothing at all
            switch (node.kind) {
                case Node::Kind::character:
                    return state({Kind::character, next, 0, node.set});
                case Node::Kind::begin:
                    return state({Kind::begin, next});
                case Node::Kind::end:
                    return state({Kind::end, next});
                case Node::Kind::sequence:
                    for (auto part = node.parts.rbegin(); part != node.parts.rend(); ++part) next = build(*part, next);
                    return next;
                case Node::Kind::either: {
                    std::uint32_t entry = build(node.parts.back(), next);
                    for (std::size_t i = node.parts.size() - 1; i-- > 0;) {
                        const std::uint32_t one = build(node.parts[i], next);
                        entry = state({Kind::split, one, entry});
                    }
                    return entry;
                }
                case Node::Kind::repeat:
                    break;
            }
            const Node& part = node.parts.front();
            if (node.most < 0) {
                const std::uint32_t loop = state({Kind::split, 0, next});
                const std::uint32_t body = build(part, loop);
                made.states_[loop].out = body;
                next = loop;
            } else {
                const std::uint32_t behind = next;
                for (int i = node.least; i < node.most; ++i) next = state({Kind::split, build(part, next), behind});
            }
            for (int i = 0; i < node.least; ++i) next = build(part, next);
            return next;
        }
    };

    std::vector<State> states_;
    std::uint32_t start_ = 0;
};

}  // namespace hydralora::io
