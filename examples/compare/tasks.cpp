#include "tasks.hpp"

#include <algorithm>
#include <numeric>

#include <hydralora/core/check.hpp>

namespace compare {

using hydralora::check;
using hydralora::RandomKey;
using hydralora::Seed;

namespace {

using Tokens = std::vector<std::int32_t>;

/// Random numbers of one example, or of one rule.
class Dice {
public:
    explicit Dice(RandomKey key) : key_(key) {}
    std::int32_t below(std::int32_t bound) {
        return static_cast<std::int32_t>(hydralora::uniform_below(key_, next_++, static_cast<std::uint32_t>(bound)));
    }
    Tokens draw(Index count, std::int32_t first, std::int32_t bound) {
        Tokens t(static_cast<std::size_t>(count));
        for (auto& each : t) each = first + below(bound);
        return t;
    }
    Tokens permutation(std::int32_t count) {
        Tokens p(static_cast<std::size_t>(count));
        std::iota(p.begin(), p.end(), 0);
        for (std::int32_t i = count - 1; i > 0; --i)
            std::swap(p[static_cast<std::size_t>(i)], p[static_cast<std::size_t>(below(i + 1))]);
        return p;
    }

private:
    RandomKey key_;
    std::uint64_t next_ = 0;
};

struct Pair {
    Tokens x, y;
};

/// Every token of `t`, which counts from `first`, through a permutation.
Tokens through(const Tokens& permutation, Tokens t, std::int32_t first = token::letter) {
    for (auto& each : t) each = first + permutation[static_cast<std::size_t>(each - first)];
    return t;
}
Tokens identity(std::int32_t count) {
    Tokens p(static_cast<std::size_t>(count));
    std::iota(p.begin(), p.end(), 0);
    return p;
}
Tokens some_letters(Dice& dice) { return dice.draw(input_length, token::letter, letters); }
Tokens some_digits(Dice& dice) { return dice.draw(input_length, token::digit, digits); }

Pair copy(Dice& dice, const Tokens& cipher) {
    const Tokens x = some_letters(dice);
    return {x, through(cipher, x)};
}
Pair reverse(Dice& dice, const Tokens& cipher) {
    const Tokens x = some_letters(dice);
    Tokens y = through(cipher, x);
    std::reverse(y.begin(), y.end());
    return {x, y};
}
Pair rotate(Dice& dice) {
    const Tokens x = some_letters(dice);
    Tokens y = x;
    std::rotate(y.begin(), y.begin() + 1, y.end());
    return {x, y};
}
Pair swap_neighbours(Dice& dice) {
    const Tokens x = some_letters(dice);
    Tokens y = x;
    for (std::size_t i = 0; i + 1 < y.size(); i += 2) std::swap(y[i], y[i + 1]);
    return {x, y};
}
/// In the order that `rank` gives the letters.
Pair sort(Dice& dice, const Tokens& rank) {
    const Tokens x = some_letters(dice);
    const auto rank_of = [&](std::int32_t t) { return rank[static_cast<std::size_t>(t - token::letter)]; };
    Tokens y = x;
    std::sort(y.begin(), y.end(), [&](std::int32_t a, std::int32_t b) { return rank_of(a) < rank_of(b); });
    return {x, y};
}
Pair next_letter(Dice& dice) {
    const Tokens x = some_letters(dice);
    Tokens y = x;
    for (auto& t : y) t = token::letter + (t - token::letter + 1) % letters;
    return {x, y};
}
/// The first of each two digits plus `sign` times the second, modulo 10.
Pair pairs(Dice& dice, std::int32_t sign) {
    const Tokens x = some_digits(dice);
    Tokens y;
    for (std::size_t i = 0; i < x.size(); i += 2)
        y.push_back(token::digit + (x[i] - token::digit + sign * (x[i + 1] - token::digit) + digits) % digits);
    return {x, y};
}
/// Modulo 10, from `start`; `alternating` takes every second away.
Pair running_sum(Dice& dice, std::int32_t start, bool alternating) {
    const Tokens x = some_digits(dice);
    Tokens y;
    std::int32_t sum = start, sign = 1;
    for (const auto t : x) {
        sum = (sum + sign * (t - token::digit) + digits) % digits;
        if (alternating) sign = -sign;
        y.push_back(token::digit + sum);
    }
    return {x, y};
}
Pair running_largest(Dice& dice, const Tokens& cipher) {
    const Tokens x = some_digits(dice);
    Tokens y;
    std::int32_t most = token::digit;
    for (const auto t : x) y.push_back(most = std::max(most, t));
    return {x, through(cipher, y, token::digit)};
}
/// value op value op ... end: the result so far behind each value. The changed rule is nor, xnor, nand for and, or, xor.
Pair running_logic(Dice& dice, bool changed) {
    Pair p;
    bool result = false;
    std::int32_t operation = -1;
    for (Index i = 0; i < input_length / 2; ++i) {
        const bool value = dice.below(2) == 1;
        p.x.push_back(value ? token::yes : token::no);
        if (operation == 0) result = changed ? !(result || value) : result && value;
        if (operation == 1) result = changed ? result == value : result || value;
        if (operation == 2) result = changed ? !(result && value) : result != value;
        if (operation < 0) result = value;
        p.y.push_back(result ? token::yes : token::no);
        operation = dice.below(3);
        p.x.push_back(i + 1 == input_length / 2 ? token::end : token::operation + operation);
    }
    return p;
}
/// What closes the brackets that stay open; the changed rule closes each kind with the next one's.
Pair close_brackets(Dice& dice, std::int32_t shift) {
    Pair p;
    Tokens open;
    for (Index i = 0; i < input_length; ++i) {
        const bool last = i + 1 == input_length;
        if (open.size() > 1 && !last && dice.below(2) == 1) {
            p.x.push_back(token::closing + open.back());
            open.pop_back();
        } else {
            open.push_back(dice.below(bracket_kinds));
            p.x.push_back(token::opening + open.back());
        }
    }
    for (std::size_t i = open.size(); i-- > 0;) p.y.push_back(token::closing + (open[i] + shift) % bracket_kinds);
    return p;
}
/// How often each of the first four letters stands there.
Pair count_letters(Dice& dice) {
    Pair p{dice.draw(input_length, token::letter, 4), {}};
    for (std::int32_t k = 0; k < 4; ++k)
        p.y.push_back(token::digit +
                      static_cast<std::int32_t>(std::count(p.x.begin(), p.x.end(), token::letter + k)) % digits);
    return p;
}
/// Four objects, then four swaps of two places.
Pair swap_objects(Dice& dice, const Tokens& cipher) {
    Pair p{dice.draw(4, token::letter, letters), {}};
    Tokens objects = p.x;
    for (int i = 0; i < 4; ++i) {
        const auto a = dice.below(4), b = (a + 1 + dice.below(3)) % 4;
        p.x.push_back(token::digit + a);
        p.x.push_back(token::digit + b);
        std::swap(objects[static_cast<std::size_t>(a)], objects[static_cast<std::size_t>(b)]);
    }
    p.y = through(cipher, objects);
    return p;
}
Pair next_digit(Dice& dice) {
    const Tokens x = some_digits(dice);
    Tokens y = x;
    for (auto& t : y) t = token::digit + (t - token::digit + 1) % digits;
    return {x, y};
}
/// Five pairs of a letter and its digit, then two of the letters.
Pair look_up(Dice& dice) {
    Pair p;
    const Tokens keys = dice.permutation(letters);
    Tokens values;
    for (std::size_t i = 0; i < 5; ++i) {
        values.push_back(token::digit + dice.below(digits));
        p.x.push_back(token::letter + keys[i]);
        p.x.push_back(values.back());
    }
    for (int i = 0; i < 2; ++i) {
        const auto asked = static_cast<std::size_t>(dice.below(5));
        p.x.push_back(token::letter + keys[asked]);
        p.y.push_back(values[asked]);
    }
    return p;
}

/// The rule of a tag that the base has learnt.
Pair known(Index tag, Dice& dice) {
    switch (tag) {
        case 0:
            return copy(dice, identity(letters));
        case 1:
            return reverse(dice, identity(letters));
        case 2:
            return rotate(dice);
        case 3:
            return swap_neighbours(dice);
        case 4:
            return sort(dice, identity(letters));
        case 5:
            return next_letter(dice);
        case 6:
            return pairs(dice, 1);
        case 7:
            return pairs(dice, -1);
        case 8:
            return running_sum(dice, 0, false);
        case 9:
            return running_largest(dice, identity(digits));
        case 10:
            return running_logic(dice, false);
        case 11:
            return close_brackets(dice, 0);
        case 12:
            return count_letters(dice);
        case 13:
            return swap_objects(dice, identity(letters));
        case 14:
            return next_digit(dice);
        default:
            return look_up(dice);
    }
}

constexpr std::array<Index, 8> reasoning_tags{0, 1, 4, 9, 8, 10, 11, 13};

/// The changed rule of task `task`, with what it has of a random rule.
Pair changed(Index task, Dice& dice, Dice& rule) {
    switch (task) {
        case 0:
            return copy(dice, rule.permutation(letters));
        case 1:
            return reverse(dice, rule.permutation(letters));
        case 2:
            return sort(dice, rule.permutation(letters));
        case 3:
            return running_largest(dice, rule.permutation(digits));
        case 4:
            return running_sum(dice, 5, true);
        case 5:
            return running_logic(dice, true);
        case 6:
            return close_brackets(dice, 1);
        default:
            return swap_objects(dice, rule.permutation(letters));
    }
}

constexpr std::array<std::string_view, static_cast<std::size_t>(vocabulary)> names{
    "BOS",  "SEP",  "EOS",   "PAD",   "tag0",  "tag1",  "tag2",  "tag3",   "tag4",   "tag5",  "tag6", "tag7",
    "tag8", "tag9", "tag10", "tag11", "tag12", "tag13", "tag14", "tag15",  "d0",     "d1",    "d2",   "d3",
    "d4",   "d5",   "d6",    "d7",    "d8",    "d9",    "la",    "lb",     "lc",     "ld",    "le",   "lf",
    "lg",   "lh",   "li",    "lj",    "lk",    "ll",    "lm",    "ln",     "lo",     "lp",    "no",   "yes",
    "and",  "or",   "xor",   "end",   "open0", "open1", "open2", "close0", "close1", "close2"};

}  // namespace

std::string_view name_of(std::int32_t token) {
    check(token >= 0 && token < vocabulary, "tasks: token ", token, ", expected 0 to ", vocabulary - 1);
    return names[static_cast<std::size_t>(token)];
}

std::string text_of(const Example& example) {
    std::string text;
    for (const std::int32_t t : example.tokens) {
        if (t == token::bos || t == token::sep || t == token::eos || t == token::pad) continue;
        if (!text.empty()) text += ' ';
        text += name_of(t);
    }
    return text;
}

Index task_count(Mix mix) { return mix == Mix::pretraining ? tags : 8; }

Example example_of(Mix mix, Index task, Seed seed, bool held_out, Index number) {
    check(task >= 0 && task < task_count(mix), "tasks: task ", task, ", expected 0 to ", task_count(mix) - 1);
    const auto streams = static_cast<std::uint32_t>(100 * (static_cast<int>(mix) + 1) + task);
    Dice rule(RandomKey{seed, streams, 0});
    Dice dice(RandomKey{seed, streams + (held_out ? 2000u : 1000u), static_cast<std::uint32_t>(number + 1)});
    const Index tag = mix == Mix::reasoning ? reasoning_tags[static_cast<std::size_t>(task)] : task;
    const Pair pair = mix == Mix::pretraining ? known(task, dice)
                      : mix == Mix::cipher    ? copy(dice, rule.permutation(letters))
                                              : changed(task, dice, rule);
    Example e;
    e.task = static_cast<std::int32_t>(task);
    e.answers = static_cast<Index>(pair.y.size()) + 1;
    e.tokens.fill(token::pad);
    e.tokens[0] = token::bos;
    e.tokens[1] = token::tag + static_cast<std::int32_t>(tag);
    std::copy(pair.x.begin(), pair.x.end(), e.tokens.begin() + 2);
    e.tokens[static_cast<std::size_t>(first_answer - 1)] = token::sep;
    std::copy(pair.y.begin(), pair.y.end(), e.tokens.begin() + first_answer);
    e.tokens[static_cast<std::size_t>(first_answer) + pair.y.size()] = token::eos;
    return e;
}

}  // namespace compare
