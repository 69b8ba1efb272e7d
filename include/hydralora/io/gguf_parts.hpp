// The tensors of a model in GGUF, mapped: one file, or the parts that it was split into ("name-00001-of-00003.gguf"), of
// which the first has the metadata.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "checksum.hpp"
#include "gguf.hpp"
#include "gguf_settings.hpp"

namespace hydralora::io {

namespace gguf_detail {

inline constexpr Index most_parts = 99999;  // what the names have room for

[[nodiscard]] inline std::string five_digits(Index n) {
    const std::string text = std::to_string(n);
    return std::string(5 - std::min<std::size_t>(5, text.size()), '0') + text;
}

/// "name", 2, 3 of "name-00002-of-00003.gguf".
struct PartName {
    std::string stem;
    Index number = 0, count = 0;

    [[nodiscard]] std::string of(Index part) const {
        return concat(stem, '-', five_digits(part), "-of-", five_digits(count), ".gguf");
    }
};

/// Of a name of that form; count is 0 for others.
[[nodiscard]] inline PartName part_name(const std::string& name) {
    constexpr std::string_view form = "-00000-of-00000.gguf";
    if (name.size() <= form.size()) return {};
    const std::string_view end = std::string_view(name).substr(name.size() - form.size());
    Index numbers[2] = {};
    std::size_t digits = 0;
    for (std::size_t i = 0; i < form.size(); ++i) {
        if (form[i] != '0') {
            if (end[i] != form[i]) return {};
            continue;
        }
        if (end[i] < '0' || end[i] > '9') return {};
        Index& number = numbers[digits++ / 5];
        number = number * 10 + (end[i] - '0');
    }
    if (numbers[0] < 1 || numbers[0] > numbers[1]) return {};
    return {name.substr(0, name.size() - form.size()), numbers[0], numbers[1]};
}

}  // namespace gguf_detail

/// All tensors of a model by name, over however many files. Views live as long as it does (moving it is allowed).
class GgufParts {
public:
    /// One tensor and the file that has it.
    struct Tensor {
        const GgufFile* file = nullptr;
        const GgufEntry* entry = nullptr;

        [[nodiscard]] std::string where() const { return file->where(*entry); }
        [[nodiscard]] const std::byte* data() const { return file->bytes(*entry).data(); }
    };

    GgufParts() = default;
    /// Of files in the order of their numbers; throws unless they are all the parts of one model.
    explicit GgufParts(std::vector<GgufFile> files) : files_(std::move(files)) {
        check(!files_.empty(), "GgufParts: expected at least one file");
        check_parts();
        for (std::size_t f = 0; f < files_.size(); ++f)
            for (const GgufEntry& entry : files_[f].entries()) by_name_.emplace_back(&entry, f);
        std::sort(by_name_.begin(), by_name_.end(),
                  [](const auto& a, const auto& b) { return a.first->name < b.first->name; });
        for (std::size_t i = 1; i < by_name_.size(); ++i)
            check(by_name_[i - 1].first->name != by_name_[i].first->name, tensor(i).where(), ": is in ",
                  files_[by_name_[i - 1].second].name(), " too; are they parts of one model?");
    }

    /// Whichever part is named, all are opened.
    [[nodiscard]] static GgufParts open(const std::filesystem::path& path) {
        std::vector<GgufFile> files;
        files.push_back(GgufFile::open(path));
        const Index count = count_of(files.front());
        if (count == 1) return GgufParts(std::move(files));
        const auto name = gguf_detail::part_name(path.filename().string());
        check(name.count == count, path.string(), ": is part of a model in ", count,
              " files, expected a name that ends in \"-0000n-of-", gguf_detail::five_digits(count),
              ".gguf\", by which the other parts are found; give it the name that it was fetched under");
        for (Index part = 1; part <= count; ++part) {
            if (part == name.number) continue;
            const auto other = path.parent_path() / name.of(part);
            check(path_exists(other), path.string(), ": is part ", name.number, " of ", count, ", but part ", part,
                  ", ", other.string(), ", is not there; fetch it into the same directory");
            files.push_back(GgufFile::open(other));
        }
        std::rotate(files.begin(), files.begin() + 1, files.begin() + name.number);
        return GgufParts(std::move(files));
    }

    [[nodiscard]] std::size_t size() const { return by_name_.size(); }
    [[nodiscard]] const std::vector<GgufFile>& files() const { return files_; }
    /// The file with the metadata.
    [[nodiscard]] const GgufFile& first() const { return files_.front(); }

    /// The i-th tensor by name.
    [[nodiscard]] Tensor tensor(std::size_t i) const { return {&files_[by_name_[i].second], by_name_[i].first}; }

    /// The tensor of that name; both pointers are null if there is none.
    [[nodiscard]] Tensor find(std::string_view name) const {
        const auto at = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                         [](const auto& entry, std::string_view n) { return entry.first->name < n; });
        if (at == by_name_.end() || at->first->name != name) return {};
        return {&files_[at->second], at->first};
    }

    /// Of all bytes of all files: what tells one base from another. That of the file, where there is one only.
    [[nodiscard]] std::string checksum() const {
        std::string sums;
        for (const GgufFile& file : files_) sums += checksum_text(xxh64(file.file_bytes()));
        return files_.size() == 1 ? sums : checksum_text(xxh64(as_byte_span(sums)));
    }

    /// Bytes of all files.
    [[nodiscard]] std::size_t bytes() const {
        std::size_t sum = 0;
        for (const GgufFile& file : files_) sum += file.file_bytes().size();
        return sum;
    }

private:
    [[nodiscard]] static Index count_of(const GgufFile& file) {
        return GgufSettings(file, "split.").integer("count", 0, gguf_detail::most_parts, 1);
    }

    void check_parts() const {
        const auto count = static_cast<Index>(files_.size());
        std::size_t tensors = 0;
        for (Index part = 0; part < count; ++part) {
            const GgufFile& file = files_[static_cast<std::size_t>(part)];
            const GgufSettings split(file, "split.");
            const Index says = std::max(Index{1}, count_of(file));
            check(says == count, file.name(), ": is of a model in ", says, " files, expected one in ", count);
            const Index number = count == 1 ? split.integer("no", 0, 0, 0) : split.integer("no", 0, count - 1);
            check(number == part, file.name(), ": says that it is part ", number + 1, ", expected part ", part + 1,
                  " by its name; was it renamed?");
            tensors += file.entries().size();
        }
        for (const GgufFile& file : files_) {
            const GgufSettings split(file, "split.");
            if (count == 1 && split.find("tensors.count") == nullptr) continue;
            const Index says = split.integer("tensors.count", 0, Index{1} << 40);
            check(static_cast<std::size_t>(says) == tensors, file.name(), ": is of a model of ", says,
                  " tensors, expected ", tensors, ", as many as the ", count,
                  count == 1 ? " file has" : " parts have together; is one of another model?");
        }
    }

    std::vector<GgufFile> files_;
    std::vector<std::pair<const GgufEntry*, std::size_t>> by_name_;  // sorted; index of the file
};

}  // namespace hydralora::io
