#include "corpus_texts.hpp"

#include <utility>

#include <hydralora/core/check.hpp>

#include "record_places.hpp"
#include "records.hpp"

namespace hydra {

using hydralora::check;
using hydralora::Index;

namespace {

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\f\v") == text.npos; }

/// Where the piece that begins a text ends.
std::size_t piece_of(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text.size();
    if (const auto line = text.rfind('\n', most - 1); line != text.npos) return line + 1;
    std::size_t end = most;
    while (end > 1 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // of a character of UTF-8
    return end;
}

std::string text_of(const Record& record) {
    if (record.text) return *record.text;
    std::string text;
    for (const auto& turn : record.turns)
        for (const std::string& words : {turn.content, turn.input})
            if (!words.empty()) text += (text.empty() ? "" : "\n") + words;
    return text;
}

}  // namespace

CorpusTexts read_corpus(const std::vector<std::filesystem::path>& files, Index piece) {
    check(!files.empty(), "data: expected at least one file, found none");
    check(piece >= 16, "--piece ", piece, ": expected at least 16 bytes");
    CorpusTexts corpus;
    for (const auto& path : files) {
        const auto domain = static_cast<Index>(corpus.names.size());
        corpus.names.push_back(path.stem().string());
        const std::size_t before = corpus.documents.size();
        const auto add = [&](std::string_view text) {
            if (is_blank(text)) return;
            corpus.documents.push_back(text);
            corpus.domains.push_back(domain);
        };
        const auto& file = corpus.files.emplace_back(hydralora::io::MappedFile::open(path));
        if (holds_records(path)) {
            read_records(file.text(), path.string(), [&](Record&& record, const RecordPlace&) {
                add(corpus.records.emplace_back(text_of(record)));
            });
        } else {
            for (std::string_view rest = file.text(); !rest.empty();) {
                const std::size_t end = piece_of(rest, static_cast<std::size_t>(piece));
                add(rest.substr(0, end));
                rest.remove_prefix(end);
            }
        }
        check(corpus.documents.size() > before, path.string(),
              ": expected text, found none; leave the file out or put text into it");
    }
    return corpus;
}

}  // namespace hydra
