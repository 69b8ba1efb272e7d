// Files as the documents of a corpus: each record one, a plain text in pieces.
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/core/view.hpp>
#include <hydralora/io/file.hpp>

namespace hydra {

/// Bytes that a piece of a plain text has about, at most: some paragraphs, enough words to tell what it is about.
inline constexpr hydralora::Index usual_piece = 2000;

struct CorpusTexts {
    std::vector<std::string> names;                // of the domains, one a file
    std::vector<std::string_view> documents;       // (n)
    std::vector<hydralora::Index> domains;         // (n), in [0, names)
    std::vector<hydralora::io::MappedFile> files;  // what the documents of plain texts are views of
    std::deque<std::string> records;               // and those of records
};

/// The documents of the files, in order. Of a record all turns, or its text; a plain text is cut behind the last line end
/// within `piece` bytes, a line longer than that behind a character. Documents of blanks alone are left out. Throws
/// hydralora::Error that names the file.
[[nodiscard]] CorpusTexts read_corpus(const std::vector<std::filesystem::path>& files,
                                      hydralora::Index piece = usual_piece);

}  // namespace hydra
