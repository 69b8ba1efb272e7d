// Invented languages: a dictionary word for word and one rule of word order.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "dice.hpp"
#include "grammar.hpp"
#include "record.hpp"

namespace make_data {

enum class WordOrder {
    english,
    reversed,
    verb_first,  // the verb leads and an adjective follows its noun
};

class Language {
public:
    /// From the sections of velu.txt: entries `english=word`.
    static Language from_dictionary(const Grammar& dictionary, std::string name, WordOrder order);

    /// The same English words, with words of the dice's own invention that are none of `taken`.
    static Language invented(const Language& like, std::string name, WordOrder order, Dice& dice,
                             const std::string& consonants, const std::string& vowels);

    /// A short English phrase and what it is in this language.
    [[nodiscard]] Record phrase(Dice& dice) const;

    /// The English words with their translations.
    [[nodiscard]] std::map<std::string, std::string> dictionary() const;

private:
    struct Entry {
        std::string english, translation;
    };
    struct Word {
        char kind;
        const Entry* entry;
    };
    [[nodiscard]] std::vector<Word> in_order(std::vector<Word> words) const;

    std::string name_;
    WordOrder order_ = WordOrder::english;
    std::map<char, std::vector<Entry>> words_;  // by kind, the more frequent first
};

}  // namespace make_data
