#include "inflect.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace make_data {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_vowel(char c) { return std::string_view("aeiouAEIOU").find(c) != std::string_view::npos; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool ends_with_y_after_consonant(const std::string& word) {
    return word.size() > 1 && word.back() == 'y' && !is_vowel(word[word.size() - 2]);
}

std::string with_s(const std::string& word) {
    if (ends_with_y_after_consonant(word)) return word.substr(0, word.size() - 1) + "ies";
    for (const std::string_view hiss : {"s", "x", "z", "ch", "sh"}) {
        if (word.ends_with(hiss)) return word + "es";
    }
    return word + (word == "go" ? "es" : "s");
}

std::string with_ed(const std::string& word, const std::string& stem) {
    if (word.ends_with("e")) return word + "d";
    if (ends_with_y_after_consonant(word)) return word.substr(0, word.size() - 1) + "ied";
    return stem + "ed";
}

std::string with_ing(const std::string& word, const std::string& stem) {
    if (word.ends_with("ie")) return word.substr(0, word.size() - 2) + "ying";
    const bool silent = word.ends_with("e") && !word.ends_with("ee") && word.size() > 2;
    return (silent ? word.substr(0, word.size() - 1) : stem) + "ing";
}

/// Irregular verbs that double their last letter in -ing although their past is given.
bool doubles(const std::string& word) {
    constexpr std::array list{"run", "swim", "sit", "win", "begin", "forget", "get", "cut", "put"};
    return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

std::string inflect(const std::string& entry, const std::string& form) {
    std::array<std::string, 3> part;  // the word and its irregular forms
    std::size_t parts = 0;
    for (std::size_t from = 0; from <= entry.size() && parts < part.size();) {
        const std::size_t to = std::min(entry.find('/', from), entry.size());
        part[parts++] = entry.substr(from, to - from);
        from = to + 1;
    }
    for (auto& p : part) std::replace(p.begin(), p.end(), '_', ' ');
    std::string word = part[0];
    std::string stem = word;
    if (word.ends_with("+")) {
        word.pop_back();
        stem = word + word.back();
    } else if (doubles(word)) {
        stem += word.back();
    }
    if (form == "s") return parts == 2 ? part[1] : with_s(word);
    if (form == "3") return with_s(word);
    if (form == "ed") return parts == 3 ? part[1] : with_ed(word, stem);
    if (form == "en") return parts == 3 ? part[2] : with_ed(word, stem);
    if (form == "ing") return with_ing(word, stem);
    return word;
}

std::string capitalised(std::string text) {
    if (!text.empty()) text[0] = upper(text[0]);
    return text;
}

std::string with_articles(const std::string& text) {
    std::string out;
    out.reserve(text.size() + 8);
    for (std::size_t i = 0; i < text.size(); ++i) {
        out += text[i];
        if ((text[i] != 'a' && text[i] != 'A') || i + 2 >= text.size() || text[i + 1] != ' ') continue;
        if (i > 0 && text[i - 1] != ' ' && text[i - 1] != '"' && text[i - 1] != '\n') continue;
        const std::string_view next = std::string_view(text).substr(i + 2, 4);
        const bool like_consonant = next.starts_with("use") || next.starts_with("uni") || next.starts_with("one");
        if ((is_vowel(next[0]) && !like_consonant) || next == "hour" || next == "hone") out += 'n';
    }
    return out;
}

std::string with_capitals(std::string text) {
    bool begin = true;  // the next letter begins a sentence
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const char before = i > 0 ? text[i - 1] : ' ';
        if (is_letter(c)) {
            if (begin) text[i] = upper(c);
            begin = false;
        } else if (c == '"') {
            begin = begin || before == ' ' || before == '\n';  // an opening quote
        } else if (c == ' ') {
            const bool stop_in_quote = before == '"' && i > 1 && text[i - 2] == '.';
            begin = begin || before == '.' || before == '!' || before == '?' || stop_in_quote;
        } else if (c != '\n') {
            begin = false;
        }
    }
    return text;
}

}  // namespace make_data
