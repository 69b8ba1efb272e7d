#include "grammar.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "inflect.hpp"

namespace make_data {
namespace {

bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

std::string_view take_name(std::string_view at) {
    std::size_t n = 0;
    while (n < at.size() && is_name(at[n])) ++n;
    return at.substr(0, n);
}

/// "low:high" -> a number between them.
int number(const std::string& form, Dice& dice) {
    int low = 0;
    int high = 0;
    const char* const end = form.data() + form.size();
    const auto first = std::from_chars(form.data(), end, low);
    if (first.ptr == end || std::from_chars(first.ptr + 1, end, high).ec != std::errc{} || high < low)
        throw std::runtime_error("int: expected int:low:high, found " + form);
    return dice.between(low, high);
}

/// \n, \t and \\ of a template.
void append_escaped(std::string& out, char c) {
    if (c == 'n') {
        out += '\n';
    } else if (c == 't') {
        out += "    ";
    } else {
        out += c;
    }
}

}  // namespace

void Grammar::read(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw std::runtime_error(file.string() + ": cannot be read");
    Section* open = nullptr;
    std::string line;
    for (int at = 1; std::getline(in, line); ++at) {
        if (line.empty() || (open == nullptr && line[0] == '#')) continue;
        const std::size_t bracket = line[0] == '[' ? line.find("] ") : std::string::npos;
        const std::string kind = bracket == std::string::npos ? "" : line.substr(bracket + 2);
        if (kind == "words" || kind == "lines" || kind == "raw") {
            const auto [where, is_fresh] = sections_.try_emplace(line.substr(1, bracket - 1));
            if (!is_fresh)
                throw std::runtime_error(file.string() + ": line " + std::to_string(at) + ": a second " + line);
            open = &where->second;
            open->words = kind == "words";
            open->sentences = kind == "lines";
        } else if (open == nullptr) {
            throw std::runtime_error(file.string() + ": line " + std::to_string(at) +
                                     ": text before the first section");
        } else if (open->words) {
            std::istringstream words(line);
            for (std::string word; words >> word;) open->entries.push_back(word);
        } else {
            open->entries.push_back(line);
        }
    }
}

std::string Grammar::text(std::string_view name, Dice& dice, Bindings bound) const {
    const Section& from = section(name);
    const std::string plain = with_articles(expand(dice.pick(from.entries), dice, bound));
    return from.sentences ? with_capitals(plain) : plain;
}

const std::vector<std::string>& Grammar::entries(std::string_view name) const { return section(name).entries; }

std::string Grammar::word(std::string_view name, Dice& dice) const {
    Bindings none;
    return inflect(value(name, dice, none).text, "");
}

const Grammar::Section& Grammar::section(std::string_view name) const {
    const auto found = sections_.find(name);
    if (found == sections_.end() || found->second.entries.empty())
        throw std::runtime_error("grammar: no section, or an empty one, with the name " + std::string(name));
    return found->second;
}

Grammar::Reference Grammar::parse(std::string_view at) {
    Reference r;
    const bool braced = at.starts_with("${");
    std::size_t n = braced ? 2 : 1;
    r.name = take_name(at.substr(n));
    n += r.name.size();
    if (n < at.size() && at[n] == '#') {
        r.key = take_name(at.substr(n + 1));
        n += 1 + r.key.size();
    }
    while (braced && n < at.size() && at[n] == ':') {
        const std::string form(take_name(at.substr(n + 1)));
        n += 1 + form.size();
        if (form == "cap") {
            r.capital = true;
        } else {
            r.form += (r.form.empty() ? "" : ":") + form;
        }
    }
    if (r.name.empty() || (braced && (n >= at.size() || at[n] != '}')))
        throw std::runtime_error("grammar: cannot read " + std::string(at.substr(0, 40)));
    r.length = n + (braced ? 1 : 0);
    return r;
}

std::string Grammar::expand(std::string_view line, Dice& dice, Bindings& bound) const {
    std::string out;
    for (std::size_t i = 0; i < line.size();) {
        if (line[i] == '$') {
            const Reference r = parse(line.substr(i));
            out += draw(r, dice, bound);
            i += r.length;
        } else if (line[i] == '\\' && i + 1 < line.size()) {
            append_escaped(out, line[i + 1]);
            i += 2;
        } else {
            out += line[i++];
        }
    }
    return out;
}

std::string Grammar::draw(const Reference& r, Dice& dice, Bindings& bound) const {
    const std::string key = r.key.empty() ? r.name : r.name + '#' + r.key;
    const auto known = bound.find(key);
    Value drawn;
    if (known != bound.end()) {
        drawn = known->second;
    } else if (r.name == "int") {
        drawn.text = std::to_string(number(r.form, dice));
    } else if (r.name == "coined") {
        drawn.text = dice.coin(dice.between(2, 3));
    } else {
        drawn = value(r.name, dice, bound);
        // Two keys of one section stand for two different things, where the section has them.
        const auto is_taken = [&] {
            return !r.key.empty() && std::any_of(bound.begin(), bound.end(), [&](const auto& b) {
                return b.first.starts_with(r.name + '#') && b.second == drawn;
            });
        };
        for (int tries = 0; tries < 20 && is_taken(); ++tries) drawn = value(r.name, dice, bound);
    }
    if (!r.key.empty()) bound.try_emplace(key, drawn);
    const std::string text = drawn.is_entry ? inflect(drawn.text, r.form) : drawn.text;
    return r.capital ? capitalised(text) : text;
}

/// A line that is nothing but a reference leads on to the entry it speaks of.
Value Grammar::value(std::string_view name, Dice& dice, Bindings& bound) const {
    const Section& from = section(name);
    const std::string& chosen = dice.pick(from.entries);
    if (from.words) return {chosen, true};
    if (chosen[0] == '$') {
        const Reference r = parse(chosen);
        const bool is_plain = r.length == chosen.size() && r.key.empty() && r.form.empty() && !r.capital;
        if (is_plain && sections_.contains(r.name)) return value(r.name, dice, bound);
    }
    return {expand(chosen, dice, bound), false};
}

}  // namespace make_data
