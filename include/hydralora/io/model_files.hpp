// The tensors of a Hugging Face model directory, mapped: model.safetensors, or the shards of its index.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "checksum.hpp"
#include "safetensors.hpp"
#include "shard_index.hpp"

namespace hydralora::io {

inline constexpr std::string_view model_tensors_name = "model.safetensors";
inline constexpr std::string_view model_index_name = "model.safetensors.index.json";

/// All tensors of a model by name, over however many files. Views live as long as it does (moving it is allowed).
class ModelFiles {
public:
    /// One tensor and the file that has it.
    struct Tensor {
        const SafetensorsFile* file = nullptr;
        const TensorEntry* entry = nullptr;

        [[nodiscard]] std::string where() const { return file->where(*entry); }
    };

    /// Every tensor must be in the file that the index names, and no file may have one that it does not name. A single file
    /// counts beside an index, as for transformers.
    [[nodiscard]] static ModelFiles open(const std::filesystem::path& directory) {
        ModelFiles model;
        if (path_exists(directory / model_tensors_name)) {
            model.files_.push_back(SafetensorsFile::open(directory / model_tensors_name));
        } else {
            if (!path_exists(directory / model_index_name)) refuse_without_tensors(directory);
            model.open_shards(directory);
        }
        for (std::size_t f = 0; f < model.files_.size(); ++f)
            for (const TensorEntry& entry : model.files_[f].entries()) model.by_name_.emplace_back(&entry, f);
        std::sort(model.by_name_.begin(), model.by_name_.end(),
                  [](const auto& a, const auto& b) { return a.first->name < b.first->name; });
        return model;
    }

    [[nodiscard]] std::size_t size() const { return by_name_.size(); }
    [[nodiscard]] const std::vector<SafetensorsFile>& files() const { return files_; }
    /// For messages about tensors that are not there: an index that was left aside, as its shards are not there.
    [[nodiscard]] const std::string& beside() const { return beside_; }

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
        for (const SafetensorsFile& file : files_) sums += checksum_text(xxh64(file.file_bytes()));
        return files_.size() == 1 ? sums : checksum_text(xxh64(as_byte_span(sums)));
    }

    /// Bytes of all files.
    [[nodiscard]] std::size_t bytes() const {
        std::size_t sum = 0;
        for (const SafetensorsFile& file : files_) sum += file.file_bytes().size();
        return sum;
    }

    /// Of a single file beside an index: throws if the index is of shards that are there, all of them, and hold something
    /// else, which other readers take. Reads all bytes of both.
    void compare_with_index(const std::filesystem::path& directory) {
        if (!path_exists(directory / model_tensors_name) || !path_exists(directory / model_index_name)) return;
        const SafetensorsFile& single = files_.front();
        const auto path = directory / model_index_name;
        const std::string name = path.string();
        ModelFiles shards;
        try {
            const auto mapped = MappedFile::open(path);
            const ShardIndex index = parse_shard_index(mapped.text(), name);
            if (index.shards.size() == 1 && index.shards.front() == model_tensors_name) return;
            for (const std::string& shard : index.shards)
                if (!path_exists(directory / shard)) {
                    beside_ = concat("; ", name, " beside it lists ", index.tensors.size(), " in ", index.shards.size(),
                                     " files, of which ", in_quotes(shard), " is not there");
                    return;
                }
            shards.open_shards(directory);
        } catch (const Error& error) {  // of what is not used
            beside_ = concat("; the index beside it is not used: ", error.what());
            return;
        }
        const auto refuse = [&](const std::string& difference) {
            fail(directory.string(), ": has ", model_tensors_name, " and, by ", model_index_name, ", other weights in ",
                 shards.files_.size(), " files: ", difference,
                 "; some readers take the one and some the other: move one of them away");
        };
        std::size_t count = 0;
        for (const SafetensorsFile& shard : shards.files_) {
            for (const TensorEntry& entry : shard.entries()) {
                const TensorEntry* own = single.find(entry.name);
                if (own == nullptr) refuse(concat("tensor ", in_quotes(entry.name), " is in ", shard.name(), " alone"));
                if (own->dtype != entry.dtype || !(own->shape == entry.shape) ||
                    !std::ranges::equal(single.bytes(*own), shard.bytes(entry)))
                    refuse(concat("tensor ", in_quotes(entry.name), " differs"));
            }
            count += shard.entries().size();
        }
        if (count != single.entries().size())
            refuse(concat(model_tensors_name, " has ", single.entries().size(), " tensors, the others ", count));
    }

private:
    void open_shards(const std::filesystem::path& directory) {
        const auto path = directory / model_index_name;
        const std::string name = path.string();
        const auto mapped = MappedFile::open(path);
        const ShardIndex index = parse_shard_index(mapped.text(), name);
        for (const std::string& shard : index.shards) {
            check(path_exists(directory / shard), name, ": names the file ", in_quotes(shard),
                  ", which is not there; fetch it into the same directory");
            files_.push_back(SafetensorsFile::open(directory / shard));
        }
        std::vector<std::size_t> listed(files_.size(), 0);
        for (const auto& [tensor, shard] : index.tensors) {
            check(files_[shard].find(tensor) != nullptr, name, ": expected tensor ", in_quotes(tensor, 200), " in ",
                  in_quotes(index.shards[shard]),
                  ", found none of that name there; are the index and its files of one model?");
            ++listed[shard];
        }
        for (std::size_t f = 0; f < files_.size(); ++f)
            check(listed[f] == files_[f].entries().size(), name, ": lists ", listed[f], " tensors of ",
                  in_quotes(index.shards[f]), ", which has ", files_[f].entries().size(),
                  "; are the index and its files of one model?");
    }

    [[noreturn]] static void refuse_without_tensors(const std::filesystem::path& directory) {
        for (const char* pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json"})
            if (path_exists(directory / pickle))
                fail(directory.string(), ": has ", pickle, ", a pickle, which is not read; save the model once with ",
                     "transformers: AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW)");
        fail(directory.string(), ": expected ", model_tensors_name, " or ", model_index_name, ", found neither");
    }

    std::vector<SafetensorsFile> files_;
    std::string beside_;
    std::vector<std::pair<const TensorEntry*, std::size_t>> by_name_;  // sorted; index of the file
};

}  // namespace hydralora::io
