// Scales quantised once more: from their mean, in groups of 256, to the 256 values of bitsandbytes' dynamic map (arXiv
// 1511.04561 and 2110.02861; create_dynamic_map of functional.py).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <vector>

#include "own_blocks.hpp"

namespace hydralora::quant {

/// The dynamic map, ascending: 0, 1, and between powers of ten from 1e-7 on to 1 twice as many means of neighbours each time,
/// of both signs. Floats are made as PyTorch makes them: linspace in one rounding.
[[nodiscard]] inline std::array<float, NestedScales::codes> dynamic_map() {
    std::array<float, NestedScales::codes> map{};  // a 0 is among them
    std::size_t count = 1;
    map[count++] = 1;
    for (int i = 0; i < 7; ++i) {
        const int parts = 1 << i;
        const float begin = 0.1f, step = (1 - begin) / static_cast<float>(parts);
        const auto border = [&](int k) {
            const double width = static_cast<double>(step);
            return static_cast<float>(k < (parts + 1) / 2 ? static_cast<double>(begin) + width * k
                                                          : 1 - width * (parts - k));
        };
        for (int k = 0; k < parts; ++k) {
            const float mean = (border(k) + border(k + 1)) / 2;
            const float value = static_cast<float>(std::pow(10.0, i - 6)) * mean;
            map[count++] = value;
            map[count++] = -value;
        }
    }
    std::sort(map.begin(), map.end());
    return map;
}

/// What nest_scales makes of the scales of a matrix.
struct Nested {
    std::vector<std::int32_t> codes;  // one a scale
    std::vector<float> side;          // NestedScales' table
};

/// The codes are those that bitsandbytes 0.50.2 finds on a CPU (quantize_cpu_impl of csrc/cpu_ops.cpp): a number is first
/// rounded to one of 65536 between -1 and 1, then to the nearest of the map. The mean is made in double; there it is made in
/// float, by whichever sum PyTorch has for the processor.
[[nodiscard]] inline Nested nest_scales(std::span<const float> scales) {
    constexpr Index group = NestedScales::group;
    const auto map = dynamic_map();
    std::array<float, NestedScales::codes - 1> borders{};
    for (std::size_t i = 0; i < borders.size(); ++i) borders[i] = 0.5f * (map[i] + map[i + 1]);
    const auto code_of_share = [&](float share) {
        constexpr float last = 65535;
        const float place = (std::clamp(share, -1.0f, 1.0f) + 1) * 0.5f;
        const auto at = static_cast<std::int32_t>(static_cast<float>(static_cast<double>(place) * 65535.0 + 0.5));
        const float value = -1 + 2 * static_cast<float>(at) / last;
        return static_cast<std::int32_t>(std::lower_bound(borders.begin(), borders.end(), value) - borders.begin());
    };

    const auto count = static_cast<Index>(scales.size());
    Nested nested;
    nested.codes.assign(scales.size(), 0);
    nested.side.assign(static_cast<std::size_t>(NestedScales::size(count)), 0.0f);
    std::copy(map.begin(), map.end(), nested.side.begin());
    double sum = 0;
    for (const float scale : scales) sum += static_cast<double>(scale);
    const float offset = count == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(count));
    nested.side[NestedScales::codes] = offset;
    for (Index begin = 0; begin < count; begin += group) {
        const auto part =
            scales.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(std::min(group, count - begin)));
        float largest = 0;
        for (const float scale : part) largest = std::max(largest, std::abs(scale - offset));
        nested.side[static_cast<std::size_t>(NestedScales::codes + 1 + begin / group)] = largest;
        if (largest == 0) continue;  // the offset alone
        const float inverse = 1 / largest;
        for (std::size_t i = 0; i < part.size(); ++i)
            nested.codes[static_cast<std::size_t>(begin) + i] = code_of_share((part[i] - offset) * inverse);
    }
    return nested;
}

}  // namespace hydralora::quant
