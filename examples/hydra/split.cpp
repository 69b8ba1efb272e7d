#include "split.hpp"

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstddef>
#include <numeric>

#include "shuffle.hpp"

namespace hydra {
namespace {

// Clear of the adapters' streams, which lie at head * 2^24 + layer * targets + target.
constexpr std::uint32_t split_stream = 0x00d00000;

/// Numbers equal examples alike, in the order in which they first appear.
std::vector<std::size_t> groups_of(const std::vector<const Example*>& examples) {
    const auto compare = [&](std::size_t a, std::size_t b) {
        const Example &x = *examples[a], &y = *examples[b];
        if (const auto ids = x.ids <=> y.ids; ids != 0) return ids;
        return x.labels <=> y.labels;
    };
    std::vector<std::size_t> order(examples.size()), first(examples.size()), group(examples.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        const auto content = compare(a, b);
        return content < 0 || (content == 0 && a < b);
    });
    for (std::size_t i = 0; i < order.size(); ++i)
        first[order[i]] = i > 0 && compare(order[i - 1], order[i]) == 0 ? first[order[i - 1]] : order[i];
    std::size_t count = 0;
    for (std::size_t i = 0; i < group.size(); ++i) group[i] = first[i] == i ? count++ : group[first[i]];
    return group;
}

/// ceil(share * n), at least 1 and at most n - 1; none of a single example.
std::size_t held_out_count(std::size_t n, double share) {
    if (share == 0 || n < 2) return 0;
    // A share like 0.07 is a little more than it says: 0.07 * 100 = 7.000000000000001.
    const auto count = static_cast<std::size_t>(std::ceil(share * static_cast<double>(n) * (1 - 1e-12)));
    return std::clamp<std::size_t>(count, 1, n - 1);
}

/// Whether each group is held out: from the permuted groups the first that fit into the count. Where not even one
/// fits, all being copied often, the smallest.
std::vector<bool> held_out_groups(const std::vector<std::size_t>& group, double share, hydralora::Seed seed,
                                  std::string_view name) {
    const std::size_t groups = *std::max_element(group.begin(), group.end()) + 1;
    const std::size_t count = held_out_count(group.size(), share);
    std::vector<bool> held_out(groups, share == 1);
    if (groups == 1 || count == 0 || share == 1) return held_out;

    std::vector<std::size_t> sizes(groups, 0);
    for (const std::size_t g : group) ++sizes[g];
    const std::vector<std::size_t> order = shuffled(groups, seed, split_stream, name);
    std::size_t chosen = 0;
    for (const std::size_t g : order) {
        if (chosen + sizes[g] > count) continue;
        held_out[g] = true;
        chosen += sizes[g];
    }
    if (chosen == 0)
        held_out[*std::min_element(order.begin(), order.end(),
                                   [&](std::size_t a, std::size_t b) { return sizes[a] < sizes[b]; })] = true;
    return held_out;
}

}  // namespace

std::vector<bool> held_out_of(const std::vector<const Example*>& examples, double share, hydralora::Seed seed,
                              std::string_view name) {
    std::vector<bool> result(examples.size());
    if (examples.empty()) return result;
    const std::vector<std::size_t> group = groups_of(examples);
    const std::vector<bool> groups = held_out_groups(group, share, seed, name);
    for (std::size_t i = 0; i < group.size(); ++i) result[i] = groups[group[i]];
    return result;
}

}  // namespace hydra
