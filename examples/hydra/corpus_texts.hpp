// Files as the documents of a corpus: each record one, a plain text in pieces. They are read anew for each pass and never kept.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/core/view.hpp>

namespace hydra {

/// Bytes that a piece of a plain text has about, at most: some paragraphs, enough words to tell what it is about.
inline constexpr hydralora::Index usual_piece = 2000;

/// Of a record all turns, or its text; a plain text is cut behind the last line end within `piece` bytes, a line longer than
/// that behind a character. Documents of blanks alone are left out.
class CorpusTexts {
public:
    /// Reads the files once, to count. Throws hydralora::Error that names the file.
    /// skip_unusable: records that cannot be used are passed over.
    explicit CorpusTexts(const std::vector<std::filesystem::path>& files, hydralora::Index piece = usual_piece,
                         bool skip_unusable = false);

    /// Calls sink(text) for each document, in the order of the files.
    void operator()(const std::function<void(std::string_view)>& sink) const;

    struct Domain {
        std::string name;                 // the file's, without its extension
        hydralora::Index empty = 0;       // records that were left out
        std::string first_empty = {};     // where the first of them is, as "file:7:1"
        hydralora::Index unusable = 0;    // records that were passed over
        std::string first_unusable = {};  // what is wrong with the first of them, with its place
    };
    [[nodiscard]] const std::vector<Domain>& domains() const { return domains_; }
    [[nodiscard]] std::vector<std::string> names() const;
    /// Of each document its domain.
    [[nodiscard]] const std::vector<hydralora::Index>& domain_of() const { return domain_of_; }
    /// Whether there is nothing to tell apart.
    [[nodiscard]] bool all_alike() const { return all_alike_; }
    [[nodiscard]] hydralora::Index size() const { return static_cast<hydralora::Index>(domain_of_.size()); }

private:
    std::vector<std::filesystem::path> files_;
    std::size_t piece_;
    bool skip_unusable_;
    std::vector<Domain> domains_;
    std::vector<hydralora::Index> domain_of_;
    bool all_alike_ = true;
};

}  // namespace hydra
