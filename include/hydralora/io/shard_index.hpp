// model.safetensors.index.json: which file of a model directory holds which tensor.
//
//     {"metadata": {"total_size": 123}, "weight_map": {"model.norm.weight": "model-00002-of-00002.safetensors", ...}}
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "json.hpp"
#include "json_view.hpp"
#include "quote.hpp"

namespace hydralora::io {

struct ShardIndex {
    std::vector<std::string> shards;                           // file names, sorted, each once
    std::vector<std::pair<std::string, std::size_t>> tensors;  // name and index of its shard, sorted by name
};

/// Whether a name from a file may be opened: a plain name in the directory of the file that says it.
[[nodiscard]] inline bool is_plain_file_name(std::string_view name) {
    if (name.empty() || name.size() > 255 || name.front() == '.') return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte > 0x20 && byte < 0x7f && c != '/' && c != '\\' && c != ':';
    });
}

/// Reads the text of an index; `file` is for messages.
[[nodiscard]] inline ShardIndex parse_shard_index(std::string_view text, std::string_view file) {
    constexpr std::size_t most_tensors = 1u << 20, most_shards = 4096;
    const Json document = parse_json(text, file, {.bytes = std::size_t{64} << 20, .depth = 8});
    const JsonView json(document, file);
    const auto& map = json["weight_map"].object();
    check(!map.empty() && map.size() <= most_tensors, file, ": \"weight_map\": expected 1 to ", most_tensors,
          " tensors, found ", map.size());
    ShardIndex index;
    for (const auto& [tensor, value] : map) {
        const auto* shard = value.get_if<std::string>();
        if (shard == nullptr) fail(file, ": \"weight_map\": ", in_quotes(tensor), ": expected the name of a file");
        if (!is_plain_file_name(*shard) || !shard->ends_with(".safetensors"))
            fail(file, ": \"weight_map\": ", in_quotes(tensor),
                 ": expected the plain name of a .safetensors file in the same directory, found ", in_quotes(*shard));
        index.shards.push_back(*shard);
    }
    std::sort(index.shards.begin(), index.shards.end());
    index.shards.erase(std::unique(index.shards.begin(), index.shards.end()), index.shards.end());
    check(index.shards.size() <= most_shards, file, ": \"weight_map\": expected at most ", most_shards,
          " files, found ", index.shards.size());
    for (const auto& [tensor, value] : map) {
        const auto at = std::lower_bound(index.shards.begin(), index.shards.end(), *value.get_if<std::string>());
        index.tensors.emplace_back(tensor, static_cast<std::size_t>(at - index.shards.begin()));
    }
    std::sort(index.tensors.begin(), index.tensors.end());
    return index;
}

}  // namespace hydralora::io
