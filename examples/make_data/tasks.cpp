#include "tasks.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>
#include <vector>

#include <hydralora/core/check.hpp>

#include "inflect.hpp"

namespace make_data {
namespace {

using hydralora::concat;

std::string join(const std::vector<std::string>& words, const std::string& between = " ") {
    std::string out;
    for (const std::string& w : words) out += (out.empty() ? "" : between) + w;
    return out;
}

std::string number_word(int n) {
    constexpr std::array small{"zero",     "one",     "two",     "three",     "four",     "five",    "six",
                               "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
                               "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
    constexpr std::array tens{"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};
    if (n < 20) return small[static_cast<std::size_t>(n)];
    const std::string ten = tens[static_cast<std::size_t>(n / 10 % 10)];
    return n % 10 == 0 ? ten : ten + "-" + number_word(n % 10);
}

/// Between `low` and `high` words: those of the word lists and some that nobody knows.
std::vector<std::string> some_words(const Grammar& grammar, Dice& dice, int low, int high) {
    constexpr std::array sections{"animal", "food", "tool", "plant", "quality", "handle", "job", "material"};
    std::vector<std::string> words;
    for (int n = dice.between(low, high); n > 0; --n) {
        const bool strange = dice.one_in(3);
        words.push_back(strange ? dice.coin(dice.between(1, 3))
                                : grammar.word(sections[dice.below(sections.size())], dice));
    }
    return words;
}

std::string upper(std::string text) {
    for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return text;
}

std::string text_of(int n) { return std::to_string(n); }

}  // namespace

std::string number_fact(Dice& dice) {
    const int a = dice.between(0, dice.one_in(3) ? 99 : 30);
    const int b = dice.between(0, dice.one_in(5) ? 60 : 20);
    const int low = std::min(a, b);
    const int high = std::max(a, b);
    const int m = dice.between(1, 10);
    const int n = dice.between(1, 10);
    const std::size_t kind = dice.below(14);
    if (kind < 4) return concat(a, " + ", b, " = ", a + b);
    if (kind < 7) return concat(high, " - ", low, " = ", high - low);
    if (kind == 7) return concat(m, " * ", n, " = ", m * n);
    if (kind == 8) return concat(high, " + ", m, " - ", n, " = ", high + m - n);
    if (kind == 9) return concat(number_word(m), " plus ", number_word(b), " is ", number_word(m + b));
    if (kind == 10) return concat(number_word(high), " minus ", number_word(low), " is ", number_word(high - low));
    if (kind == 11) return concat(a, a < b ? " < " : a > b ? " > " : " = ", b);
    if (kind == 12) return concat("half of ", 2 * b, " is ", b, ", twice ", b, " is ", 2 * b);
    const int step = dice.between(1, 5);
    std::string line = text_of(a);
    for (int i = 1; i < 7; ++i) line += concat(' ', a + i * step);
    return line;
}

Record word_problem(const Grammar& grammar, const std::string& instruction, Range range, Dice& dice) {
    const std::size_t kind = dice.below(20);
    std::string section = "sum";
    int a = dice.between(2, range.sum);
    int b = dice.between(2, range.sum);
    int c = 0;
    int answer = a + b;
    if (kind >= 8 && kind < 15) {
        section = "difference";
        a = dice.between(3, range.difference);
        b = dice.between(2, a - 1);
        answer = a - b;
    } else if (kind >= 15 && kind < 17) {
        section = "product";
        a = dice.between(2, range.factor);
        b = dice.between(2, range.factor);
        answer = a * b;
    } else if (kind >= 17) {
        section = "two_steps";
        a = dice.between(2, 12);
        b = dice.between(2, 9);
        c = dice.between(2, 9);
        answer = a + b - c;
        if (c == b || answer < 0) return word_problem(grammar, instruction, range, dice);
    }
    Bindings given{{"a", {text_of(a)}}, {"b", {text_of(b)}}, {"c", {text_of(c)}}};
    return {instruction, grammar.text(section, dice, std::move(given)), text_of(answer)};
}

Record string_task(const Grammar& grammar, Dice& dice) {
    auto words = some_words(grammar, dice, 2, 5);
    const std::string all = join(words);
    const std::string first = words.front();
    const std::string last = words.back();
    switch (dice.below(16)) {
        case 0:
        case 1:
            return {"Copy.", all, all};
        case 2:
            return {"Write in capitals.", all, upper(all)};
        case 3:
            for (auto& w : words) w = capitalised(w);
            return {"Begin each word with a capital.", all, join(words)};
        case 4:
        case 5:
            std::reverse(words.begin(), words.end());
            return {"Turn the words around.", all, join(words)};
        case 6:
            std::sort(words.begin(), words.end());
            return {"Sort the words.", all, join(words)};
        case 7:
            return {"First word?", all, first};
        case 8:
            return {"Last word?", all, last};
        case 9:
            return {"How many words?", join(words, ", "), text_of(static_cast<int>(words.size()))};
        case 10:
            return {"Put commas.", all, join(words, ", ")};
        case 11:
            std::swap(words[0], words[1]);
            return {"Swap the first two words.", all, join(words)};
        case 12:
            return {"Without the first word.", all, join({words.begin() + 1, words.end()})};
        case 13:
            return {"First letter?", first, first.substr(0, 1)};
        case 14:
            words.clear();
            for (const char c : first) words.emplace_back(1, c);
            return {"Spell it.", first, join(words, "-")};
        default:
            const std::string number = text_of(dice.between(10, 99999));
            return {"Turn the digits around.", number, {number.rbegin(), number.rend()}};
    }
}

Record lookup_task(const Grammar& grammar, Dice& dice) {
    const auto keys = some_words(grammar, dice, 2, 4);
    std::vector<std::pair<std::string, std::string>> list;
    std::string shown;
    for (const auto& k : keys) {
        const bool is_twice = std::any_of(list.begin(), list.end(), [&](const auto& e) { return e.first == k; });
        if (is_twice) continue;
        list.emplace_back(k, dice.coin(2));
        shown += (shown.empty() ? "" : ", ") + k + "=" + list.back().second;
    }
    dice.shuffle(list);
    list.resize(std::min(list.size(), static_cast<std::size_t>(dice.between(1, 3))));
    std::string asked;
    std::string answer;
    const bool backwards = dice.one_in(4);
    for (const auto& [from, to] : list) {
        asked += " " + (backwards ? to : from);
        answer += (answer.empty() ? "" : " ") + (backwards ? from : to);
    }
    return {"Use the list.", shown + ":" + asked, answer};
}

Record word_form(const Grammar& grammar, Dice& dice) {
    constexpr std::array nouns{"animal", "food", "tool",   "container", "furniture",
                               "plant",  "job",  "person", "plaything"};
    constexpr std::array verbs{"handle", "move", "act", "craft", "dine", "meet"};
    const bool is_noun = dice.one_in(2);
    const auto& entry =
        dice.pick(grammar.entries(is_noun ? nouns[dice.below(nouns.size())] : verbs[dice.below(verbs.size())]));
    const std::string word = inflect(entry, "");
    if (is_noun) {
        if (dice.one_in(2)) return {"One and many.", word, inflect(entry, "s")};
        return {"Many and one.", inflect(entry, "s"), word};
    }
    switch (dice.below(3)) {
        case 0:
            return {"Today and yesterday.", word, inflect(entry, "ed")};
        case 1:
            return {"I and she.", word, inflect(entry, "3")};
        default:
            return {"What are you doing?", word, inflect(entry, "ing")};
    }
}

Record written_record(const Grammar& grammar, Dice& dice) {
    const std::string all = grammar.text("record", dice);
    const std::size_t one = all.find(" => ");
    const std::size_t two = one == std::string::npos ? one : all.find(" => ", one + 4);
    if (two == std::string::npos)
        throw std::runtime_error("record: expected instruction => input => output, found " + all);
    return {all.substr(0, one), all.substr(one + 4, two - one - 4), all.substr(two + 4)};
}

}  // namespace make_data
