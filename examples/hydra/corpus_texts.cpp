#include "corpus_texts.hpp"

#include <utility>

#include <hydralora/core/check.hpp>
#include <hydralora/io/file.hpp>
#include <hydralora/text/white_space.hpp>

#include "data_file.hpp"
#include "record_places.hpp"
#include "records.hpp"

namespace hydra {

using hydralora::check;
using hydralora::Index;

namespace {

bool is_blank(std::string_view text) { return hydralora::text::without_outer_space(text).empty(); }

/// Where the piece that begins a text ends.
std::size_t piece_of(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text.size();
    if (const auto line = text.rfind('\n', most - 1); line != text.npos) return line + 1;
    std::size_t end = most;
    while (end > 1 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;  // of a character of UTF-8
    return end;
}

/// What a record says, one turn below the other; `joined` is where the words of several are put together.
std::string_view text_of(const Record& record, std::string& joined) {
    if (record.text) return *record.text;
    joined.clear();
    for (const auto& turn : record.turns)
        for (const std::string* words : {&turn.reasoning, &turn.content, &turn.input, &turn.tool_calls}) {
            if (words->empty()) continue;
            if (!joined.empty()) joined += '\n';
            joined += *words;
        }
    return joined;
}

/// f(text) for the documents of a file, empty(place) for the records that are left out. unusable: see RecordReading.
void read_documents(const std::filesystem::path& path, std::size_t piece,
                    const std::function<void(std::string_view)>& f,
                    const std::function<void(const RecordPlace&)>& empty, Unusable* unusable) {
    const auto file = hydralora::io::MappedFile::open(path);
    const std::string_view content = data_content(file.text(), path);
    if (holds_records(path)) {
        const std::string name = path.string();
        std::string joined;
        const auto take = [&](Record&& record, const RecordPlace& place) {
            const std::string_view text = text_of(record, joined);
            if (is_blank(text))
                empty(place);
            else
                f(text);
        };
        return read_records(content, name, take, {.unusable = unusable});
    }
    for (std::string_view rest = content; !rest.empty();) {
        const std::string_view text = rest.substr(0, piece_of(rest, piece));
        if (!is_blank(text)) f(text);
        rest.remove_prefix(text.size());
    }
}

}  // namespace

CorpusTexts::CorpusTexts(const std::vector<std::filesystem::path>& files, Index piece, bool skip_unusable)
    : files_(files), piece_(static_cast<std::size_t>(piece)), skip_unusable_(skip_unusable) {
    check(!files.empty(), "data: expected at least one file, found none");
    check(piece >= 16, "--piece ", piece, ": expected at least 16 bytes");
    std::string first;
    for (const auto& path : files) {
        Domain domain{path.stem().string()};
        Unusable unusable;
        const auto number = static_cast<Index>(domains_.size());
        const std::size_t before = domain_of_.size();
        read_documents(
            path, piece_,
            [&](std::string_view text) {
                if (domain_of_.empty()) first = text;
                all_alike_ = all_alike_ && text == first;
                domain_of_.push_back(number);
            },
            [&](const RecordPlace& place) {
                if (domain.empty++ == 0)
                    domain.first_empty = hydralora::concat(place.path, ':', place.line, ':', place.column);
            },
            skip_unusable_ ? &unusable : nullptr);
        domain.unusable = unusable.count;
        domain.first_unusable = unusable.first;
        check(domain_of_.size() > before, path.string(),
              ": expected text, found none; leave the file out or put text into it");
        domains_.push_back(std::move(domain));
    }
}

void CorpusTexts::operator()(const std::function<void(std::string_view)>& sink) const {
    Index documents = 0;
    Unusable unusable;  // told of before
    for (const auto& path : files_)
        read_documents(
            path, piece_,
            [&](std::string_view text) {
                ++documents;
                sink(text);
            },
            [](const RecordPlace&) {}, skip_unusable_ ? &unusable : nullptr);
    check(documents == size(), "data: had ", size(), " documents, now has ", documents,
          ": a file was changed while it was read; begin again");
}

std::vector<std::string> CorpusTexts::names() const {
    std::vector<std::string> names;
    for (const Domain& domain : domains_) names.push_back(domain.name);
    return names;
}

}  // namespace hydra
