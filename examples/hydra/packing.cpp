#include "packing.hpp"

#include <cstddef>
#include <map>
#include <utility>

#include "shuffle.hpp"

namespace hydra {

using hydralora::Index;

namespace {

constexpr std::uint32_t packing_stream = 0x00e00000;  // see split.cpp

void append(Example& sequence, const Example& document, Packing packing) {
    const auto begin = static_cast<std::int32_t>(sequence.ids.size());
    sequence.ids.insert(sequence.ids.end(), document.ids.begin(), document.ids.end());
    sequence.labels.insert(sequence.labels.end(), document.labels.begin(), document.labels.end());
    sequence.labelled += document.labelled;
    sequence.bytes += document.bytes;
    sequence.component = begin == 0 || sequence.component == document.component ? document.component : -1;
    if (document.component >= 0 || !sequence.components.empty()) {
        sequence.components.resize(static_cast<std::size_t>(begin), -1);
        sequence.components.resize(sequence.ids.size(), document.component);
    }
    if (packing == Packing::documents) sequence.starts.resize(sequence.ids.size(), begin);
}

}  // namespace

std::vector<Example> pack(std::vector<Example> examples, Packing packing, Index length, hydralora::Seed seed,
                          std::string_view name) {
    if (packing == Packing::none) return examples;
    std::vector<Example> sequences;
    std::multimap<std::size_t, std::size_t> room;  // tokens left -> sequence
    for (const std::size_t i : shuffled(examples.size(), seed, packing_stream, name)) {
        const Example example = std::move(examples[i]);
        const auto found = room.lower_bound(example.ids.size());
        std::size_t at = sequences.size(), left = static_cast<std::size_t>(length);
        if (found != room.end()) {
            left = found->first;
            at = found->second;
            room.erase(found);
        } else {
            sequences.emplace_back();
        }
        append(sequences[at], example, packing);
        left -= example.ids.size();
        if (left > 0) room.emplace(left, at);
    }
    return sequences;
}

}  // namespace hydra
