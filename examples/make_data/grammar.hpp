// Texts from templates. A grammar file has sections: `[name] words` (entries between white space), `[name] lines` (one
// alternative a line, capitals at the beginning of sentences) and `[name] raw` (the same, left as written). A line
// speaks of others as $name, $name#key or ${name#key:form}; what has a key is drawn once a text and then stays.
// Built in: ${int:low:high} and $coined, a word nobody knows. Lines before the first section are comments.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "dice.hpp"

namespace make_data {

/// What a reference stands for: an entry of a word list, which still takes forms, or a finished text.
struct Value {
    std::string text;
    bool is_entry = false;
    bool operator==(const Value&) const = default;
};
/// What the keys of one text stand for.
using Bindings = std::map<std::string, Value, std::less<>>;

class Grammar {
public:
    /// Adds the sections of a file; one that is there already is an error.
    void read(const std::filesystem::path& file);

    /// One text from a section, with the given keys bound beforehand.
    [[nodiscard]] std::string text(std::string_view section, Dice& dice, Bindings bound = {}) const;

    /// The entries of a section as written.
    [[nodiscard]] const std::vector<std::string>& entries(std::string_view section) const;

    /// One word (base form) of a section.
    [[nodiscard]] std::string word(std::string_view section, Dice& dice) const;

private:
    struct Section {
        bool words = false;
        bool sentences = false;
        std::vector<std::string> entries;
    };
    struct Reference {
        std::string name, key, form;
        bool capital = false;
        std::size_t length = 0;  // characters of the template that it takes
    };
    [[nodiscard]] const Section& section(std::string_view name) const;
    [[nodiscard]] static Reference parse(std::string_view at);
    [[nodiscard]] std::string expand(std::string_view line, Dice& dice, Bindings& bound) const;
    [[nodiscard]] std::string draw(const Reference& r, Dice& dice, Bindings& bound) const;
    [[nodiscard]] Value value(std::string_view name, Dice& dice, Bindings& bound) const;

    std::map<std::string, Section, std::less<>> sections_;
};

}  // namespace make_data
