// make_data_check DIR: are DIR/pretrain and DIR/finetune well-formed, free of repeats, and apart from each other?

#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <hydralora/core/check.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>

#include "record.hpp"

namespace {

namespace fs = std::filesystem;
using hydralora::check;
using make_data::Record;

std::string content(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// The files of a set, in the order of their names; the bytes of each are looked at.
std::vector<fs::path> files(const fs::path& set, const std::string& extension) {
    std::set<fs::path> found;
    for (const auto& entry : fs::directory_iterator(set)) {
        if (entry.path().extension() != extension) continue;
        found.insert(entry.path());
        const std::string text = content(entry.path());
        check(text.size() > 1000 && text.back() == '\n', entry.path().string(),
              ": too short, or the last line has no end");
        for (const char c : text) {
            const bool is_plain = (c >= ' ' && c <= '~') || c == '\n' || c == '\t' || c == '\f';
            check(is_plain, entry.path().string(), ": byte ", static_cast<int>(static_cast<unsigned char>(c)),
                  " is not plain ASCII");
        }
    }
    check(found.size() >= 2, set.string(), ": expected at least two ", extension, " files, found ", found.size());
    return {found.begin(), found.end()};
}

std::vector<Record> records(const fs::path& file) {
    std::vector<Record> all;
    std::set<std::pair<std::string, std::string>> asked;
    std::istringstream lines(content(file));
    for (std::string line; std::getline(lines, line);) {
        const std::string place = file.string() + ": record " + std::to_string(all.size() + 1);
        const hydralora::io::Json document = hydralora::io::parse_json(line, place);
        const hydralora::io::JsonView json(document, place);
        check(json.size() == 3, place, ": expected three fields, found ", json.size());
        Record r{json["instruction"].string(), json["input"].string(), json["output"].string()};
        const std::size_t bytes = r.instruction.size() + r.input.size() + r.output.size();
        check(!r.input.empty() && !r.output.empty() && bytes <= 160, place, ": empty, or longer than 160 bytes");
        check(asked.emplace(r.instruction, r.input).second, place, ": asks what an earlier record asks");
        check(make_data::json_line(r) == line, place, ": is not what json_line writes for it");
        all.push_back(std::move(r));
    }
    return all;
}

void check_all(const fs::path& dir) {
    files(dir / "pretrain", ".txt");
    files(dir / "finetune", ".txt");

    std::set<std::string> instructions;
    std::set<std::string> foreign;  // words of the languages that the base has learnt
    for (const fs::path& file : files(dir / "pretrain", ".jsonl")) {
        for (const Record& r : records(file)) {
            instructions.insert(r.instruction);
            if (file.filename() != "languages.jsonl") continue;
            std::istringstream words(r.output);
            for (std::string word; words >> word;) foreign.insert(word);
        }
    }
    for (const fs::path& file : files(dir / "finetune", ".jsonl")) {
        const auto all = records(file);
        check(all.size() == 2000, file.string(), ": expected 2000 records, found ", all.size());
        std::size_t words_known = 0;
        for (const Record& r : all) {
            check(!instructions.contains(r.instruction), file.string(), ": the base knows the instruction ",
                  r.instruction);
            if (file.filename() != "dictionary.jsonl") continue;
            std::istringstream words(r.output);
            for (std::string word; words >> word;) words_known += foreign.contains(word) ? 1 : 0;
        }
        check(words_known == 0, file.string(), ": ", words_known, " words belong to a language that the base knows");
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: make_data_check DIR\n";
        return 2;
    }
    try {
        check_all(argv[1]);
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
}
