// An order that follows from seed and name alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include <hydralora/core/check.hpp>
#include <hydralora/core/random.hpp>

namespace hydra {

/// 0, 1, ... count - 1 shuffled (Fisher-Yates).
[[nodiscard]] inline std::vector<std::size_t> shuffled(std::size_t count, hydralora::Seed seed, std::uint32_t stream,
                                                       std::string_view name) {
    hydralora::check(count <= std::numeric_limits<std::uint32_t>::max(), name, ": ", count,
                     " examples, expected fewer than 2^32");
    std::uint32_t hash = 2166136261u;  // FNV-1a
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    const hydralora::RandomKey key{seed, stream, hash};
    std::vector<std::size_t> order(count);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::size_t i = count; i > 1; --i)
        std::swap(order[i - 1], order[hydralora::uniform_below(key, i, static_cast<std::uint32_t>(i))]);
    return order;
}

}  // namespace hydra
