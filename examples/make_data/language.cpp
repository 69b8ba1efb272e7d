#include "language.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "inflect.hpp"

namespace make_data {
namespace {

struct Kind {
    char letter;
    const char* section;
};
constexpr std::array kinds{Kind{'d', "determiner"}, Kind{'n', "noun"},    Kind{'a', "adjective"},  Kind{'v', "verb"},
                           Kind{'s', "act"},        Kind{'p', "pronoun"}, Kind{'w', "place_word"}, Kind{'r', "adverb"}};

/// Shapes of phrases, the more frequent first: kinds of words in English order.
const std::vector<std::string> shapes{"dan",  "dns", "dn",    "pvdn", "dnvdn", "wdn",
                                      "dans", "psr", "pvdan", "wdan", "pswdn", "dnsr"};

}  // namespace

Language Language::from_dictionary(const Grammar& dictionary, std::string name, WordOrder order) {
    Language l;
    l.name_ = std::move(name);
    l.order_ = order;
    for (const Kind kind : kinds) {
        for (const std::string& entry : dictionary.entries(kind.section)) {
            const std::size_t equals = entry.find('=');
            if (equals == std::string::npos)
                throw std::runtime_error("dictionary: expected english=word, found " + entry);
            l.words_[kind.letter].push_back({entry.substr(0, equals), entry.substr(equals + 1)});
        }
    }
    return l;
}

Language Language::invented(const Language& like, std::string name, WordOrder order, Dice& dice,
                            const std::string& consonants, const std::string& vowels) {
    std::set<std::string> taken;
    for (const auto& [kind, list] : like.words_) {
        for (const Entry& e : list) taken.insert(e.translation);
    }
    Language l;
    l.name_ = std::move(name);
    l.order_ = order;
    for (const auto& [kind, list] : like.words_) {
        for (const Entry& e : list) {
            std::string word;
            do {
                word = dice.coin(kind == 'd' || kind == 'p' || kind == 'w' ? 1 : 2, consonants, vowels);
                if (dice.one_in(3)) word += consonants[dice.below(consonants.size())];
            } while (!taken.insert(word).second);
            l.words_[kind].push_back({e.english, word});
        }
    }
    return l;
}

Record Language::phrase(Dice& dice) const {
    std::vector<Word> english;
    for (const char kind : shapes[dice.front_of(shapes.size())]) {
        const auto& list = words_.at(kind);
        english.push_back({kind, &list[dice.front_of(list.size())]});
    }
    Record r{"In " + name_ + ":", "", ""};
    for (const Word& w : english) r.input += (r.input.empty() ? "" : " ") + w.entry->english;
    for (const Word& w : in_order(english)) r.output += (r.output.empty() ? "" : " ") + w.entry->translation;
    r.input = with_articles(r.input);
    return r;
}

std::map<std::string, std::string> Language::dictionary() const {
    std::map<std::string, std::string> all;
    for (const auto& [kind, list] : words_) {
        for (const Entry& e : list) all.emplace(e.english, e.translation);
    }
    return all;
}

std::vector<Language::Word> Language::in_order(std::vector<Word> words) const {
    if (order_ == WordOrder::reversed) std::reverse(words.begin(), words.end());
    if (order_ != WordOrder::verb_first) return words;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        if (words[i].kind == 'a' && words[i + 1].kind == 'n') std::swap(words[i], words[i + 1]);
    }
    const auto is_verb = [](const Word& w) { return w.kind == 'v' || w.kind == 's'; };
    const auto verb = std::find_if(words.begin(), words.end(), is_verb);
    if (verb != words.end()) std::rotate(words.begin(), verb, verb + 1);
    return words;
}

}  // namespace make_data
