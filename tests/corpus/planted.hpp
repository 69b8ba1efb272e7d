// Points around known centres.
#pragma once

#include <cstddef>
#include <cstdint>
#include <hydralora/core/view.hpp>
#include <vector>

#include "support/draw.hpp"

namespace test {

struct Planted {
    hydralora::Index cols = 0;
    std::vector<double> values;  // (n, cols)
    std::vector<hydralora::Index> labels;
    [[nodiscard]] hydralora::MatrixView<const double> view() const {
        return hydralora::host_view(values.data(), static_cast<hydralora::Index>(labels.size()), cols);
    }
};

/// n points, in turn around k centres, with a standard deviation of 1 in each of the columns. The centres are uniform in a cube
/// of 4 separations a side, no two nearer to one another than one separation.
inline Planted planted_clusters(hydralora::Index k, hydralora::Index cols, hydralora::Index n, double separation,
                                std::uint64_t seed) {
    Draw draw(seed);
    const auto d = static_cast<std::size_t>(cols);
    std::vector<double> centres;
    while (centres.size() < static_cast<std::size_t>(k) * d) {
        std::vector<double> centre;
        for (std::size_t j = 0; j < d; ++j) centre.push_back(4 * separation * draw.unit());
        bool apart = true;
        for (std::size_t c = 0; c < centres.size(); c += d) {
            double squared = 0;
            for (std::size_t j = 0; j < d; ++j) squared += (centre[j] - centres[c + j]) * (centre[j] - centres[c + j]);
            apart = apart && squared >= separation * separation;
        }
        if (apart) centres.insert(centres.end(), centre.begin(), centre.end());
    }
    Planted planted;
    planted.cols = cols;
    for (hydralora::Index i = 0; i < n; ++i) {
        planted.labels.push_back(i % k);
        for (std::size_t j = 0; j < d; ++j)
            planted.values.push_back(centres[static_cast<std::size_t>(i % k) * d + j] + draw.normal());
    }
    return planted;
}

}  // namespace test
