#include "corpora.hpp"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

#include "dice.hpp"
#include "grammar.hpp"
#include "language.hpp"
#include "record.hpp"
#include "tasks.hpp"

namespace make_data {
namespace {

namespace fs = std::filesystem;

/// One sequence of random numbers a file; the numbers are part of what the files hold.
enum Stream : std::uint32_t {
    english = 1,
    law,
    code,
    numbers,
    problems,
    strings,
    records,
    lookup,
    languages,
    tamo,
    kesh,
    forms,
    late_problems,
    late_records,
    late_languages
};

constexpr std::size_t longest_record = 160;  // bytes of instruction, input and output
constexpr std::size_t finetune_records = 2000;

std::string content(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw std::runtime_error(file.string() + ": cannot be read");
    return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& file, std::string_view text) {
    std::ofstream out(file, std::ios::binary);
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    if (!out.flush()) throw std::runtime_error(file.string() + ": cannot be written");
}

void write(const fs::path& file, const std::vector<Record>& list) {
    std::string text;
    for (const Record& r : list) text += json_line(r) + "\n";
    write(file, text);
}

/// Pieces until there are `bytes` of them.
template <class Make>
std::string repeated(std::size_t bytes, std::string_view between, Make make) {
    std::string text;
    while (text.size() < bytes) {
        text += make();
        text += between;
    }
    return text;
}

std::string licences(const fs::path& texts, std::initializer_list<const char*> names) {
    std::string all;
    for (const char* name : names) all += content(texts / "licences" / name) + "\n";
    return all;
}

Grammar grammar(const fs::path& texts, std::initializer_list<const char*> names) {
    Grammar g;
    for (const char* name : names) g.read(texts / name);
    return g;
}

Language velu(const fs::path& texts) {
    return Language::from_dictionary(grammar(texts, {"velu.txt"}), "Velu", WordOrder::verb_first);
}

}  // namespace

void write_pretrain(const fs::path& texts, const fs::path& out) {
    fs::create_directories(out);
    const Grammar g = grammar(texts, {"words.txt", "english.txt", "code.txt", "problems_pretrain.txt"});
    const Grammar kinds = grammar(texts, {"words.txt", "english.txt", "records_pretrain.txt"});
    const auto section = [](const Grammar& from, const char* name, Dice& dice) {
        return [&from, name, &dice] { return from.text(name, dice); };
    };
    {
        Dice dice(Stream::english);
        write(out / "english.txt", repeated(2'000'000, "\n\n", section(g, "paragraph", dice)));
    }
    {
        const std::string essays = content(texts / "essays.txt") + "\n";
        write(out / "essays.txt", repeated(6 * essays.size(), "", [&] { return essays; }));
    }
    {
        Dice dice(Stream::law);
        const std::string verbatim = licences(texts, {"GPL-1.txt", "GPL-2.txt", "LGPL-2.1.txt", "Apache-2.0.txt"});
        write(out / "law.txt",
              repeated(300'000, "\n\n", section(g, "law", dice)) + verbatim + verbatim + verbatim + verbatim);
    }
    {
        Dice dice(Stream::code);
        write(out / "code.txt",
              repeated(700'000, "\n\n", [&] { return g.text(dice.one_in(3) ? "format" : "program", dice); }));
    }
    {
        Dice dice(Stream::numbers);
        write(out / "numbers.txt", repeated(700'000, "\n", [&] { return number_fact(dice); }));
    }
    {
        Dice dice(Stream::problems);
        write(out / "problems.jsonl", collect(16000, longest_record, [&] {
                  return word_problem(g, "Answer with a number.", {30, 40, 9}, dice);
              }));
    }
    {
        Dice dice(Stream::strings);
        write(out / "strings.jsonl", collect(10000, longest_record, [&] { return string_task(g, dice); }));
    }
    {
        Dice dice(Stream::records);
        write(out / "records.jsonl", collect(10000, longest_record, [&] { return written_record(kinds, dice); }));
    }
    {
        Dice dice(Stream::lookup);
        write(out / "lookup.jsonl", collect(10000, longest_record, [&] { return lookup_task(g, dice); }));
    }
    {
        Dice dice(Stream::languages);
        Dice tamo_words(Stream::tamo);
        Dice kesh_words(Stream::kesh);
        const Language tamo =
            Language::invented(velu(texts), "Tamo", WordOrder::english, tamo_words, "tkmpshy", "aeiou");
        const Language kesh =
            Language::invented(velu(texts), "Kesh", WordOrder::reversed, kesh_words, "bdgzrwj", "aeiu");
        write(out / "languages.jsonl",
              collect(10000, longest_record, [&] { return (dice.one_in(2) ? tamo : kesh).phrase(dice); }));
    }
    {
        Dice dice(Stream::forms);
        write(out / "forms.jsonl", collect(1200, longest_record, [&] { return word_form(g, dice); }));
    }
}

void write_finetune(const fs::path& texts, const fs::path& out, const std::vector<fs::path>& code_files) {
    fs::create_directories(out);
    const Grammar g = grammar(texts, {"words.txt", "english.txt", "problems_finetune.txt"});
    const Grammar kinds = grammar(texts, {"words.txt", "records_finetune.txt"});
    write(out / "law.txt", licences(texts, {"GFDL-1.3.txt", "GPL-3.txt"}));
    write(out / "prose.txt", content(texts / "prose.txt"));
    if (!code_files.empty()) {
        std::string all;
        for (const fs::path& file : code_files) all += content(file) + "\n";
        write(out / "code.txt", all);
    }
    {
        Dice dice(Stream::late_problems);
        write(out / "arithmetic.jsonl", collect(finetune_records, longest_record, [&] {
                  return word_problem(g, "Solve.", {20, 30, 6}, dice);
              }));
    }
    {
        Dice dice(Stream::late_records);
        write(out / "records.jsonl",
              collect(finetune_records, longest_record, [&] { return written_record(kinds, dice); }));
    }
    {
        Dice dice(Stream::late_languages);
        const Language language = velu(texts);
        write(out / "dictionary.jsonl",
              collect(finetune_records, longest_record, [&] { return language.phrase(dice); }));
    }
}

}  // namespace make_data
