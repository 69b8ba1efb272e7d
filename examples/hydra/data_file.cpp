#include "data_file.hpp"

#include <algorithm>
#include <cstddef>

#include <hydralora/core/check.hpp>
#include <hydralora/core/view.hpp>
#include <hydralora/io/file_kind.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/quote.hpp>

#include "letters.hpp"
#include "lines.hpp"
#include "record_places.hpp"

namespace hydra {

using hydralora::check;
using hydralora::concat;
using hydralora::Index;

namespace {

/// Whether the first line that is not blank is a JSON object, or the text an array of some.
bool begins_with_record(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == text.npos) return false;
    bool found = false;
    try {
        cut_records(text, "", [&](std::string_view record, const RecordPlace&) {
            found = hydralora::io::parse_json(record, "", record_limits).is_object();
            return Reading::stop;
        });
    } catch (const hydralora::Error&) {  // it is a text
    }
    return found;
}

}  // namespace

std::string_view data_content(std::string_view bytes, const std::filesystem::path& path) {
    const std::string name = path.string();
    check(!bytes.empty(), name, ": expected text, found an empty file; leave it out or put text into it");
    const std::string_view kind = hydralora::io::foreign_kind(bytes);
    check(kind.empty(), name, ": expected text or records, found ", kind);
    const std::string_view content = hydralora::io::without_byte_order_mark(bytes);
    check(!content.empty(), name,
          ": expected text, found a byte order mark and nothing else; leave it out or put text into it");
    if (holds_records(path)) return content;  // whose parser names the place
    const std::size_t nul = content.find('\0');
    if (nul != content.npos)
        hydralora::fail(
            name, ":", 1 + std::count(content.begin(), content.begin() + static_cast<std::ptrdiff_t>(nul), '\n'), ":",
            nul - (nul == 0 ? 0 : content.rfind('\n', nul - 1) + 1) + 1,
            ": expected text, found a NUL byte: the file is no text, or not in UTF-8; export it as text, or "
            "write it as UTF-8 with iconv");
    return content;
}

std::vector<std::string> notes_of_text(std::string_view text, const std::filesystem::path& path) {
    std::vector<std::string> notes;
    const std::string extension = small_extension(path);
    if (begins_with_record(text))
        notes.emplace_back(
            "it begins with a JSON record, but its name does not end in .jsonl, .ndjson or .json: it is learnt as a "
            "text, with its braces and keys; rename it to have records");
    else if (extension == ".csv" || extension == ".tsv")
        notes.emplace_back(
            "a table by its name is learnt as a text, with its commas; for records write it as JSON lines: "
            "pandas.read_csv(FILE).to_json(NEW, orient=\"records\", lines=True)");
    Index lines = 0, first = 0;
    each_line(text, [&](std::string_view line, Index number) {
        if (!hydralora::io::is_utf8(line) && lines++ == 0) first = number;
        return true;
    });
    if (lines > 0)
        notes.push_back(concat(lines,
                               lines == 1 ? " line has bytes that are no UTF-8, line "
                                          : " lines have bytes that are no UTF-8, the first line ",
                               first, "; they are learnt byte by byte"));
    return notes;
}

}  // namespace hydra
