// What the checkpoint tests save, and whether they get it back. Every element follows from the step.
#pragma once

#include <hydralora/io/checkpoint.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace test {

/// The content of a checkpoint of that step.
struct CheckpointCase {
    hydralora::Index step;
    std::vector<float> weights;
    std::vector<double> moments;
    std::vector<std::int64_t> counters;
    std::vector<std::uint64_t> seeds;

    explicit CheckpointCase(hydralora::Index s, std::size_t size = 60)
        : step(s), weights(size), moments(size), counters(3), seeds{~std::uint64_t{0} - static_cast<std::uint64_t>(s)} {
        for (std::size_t i = 0; i < size; ++i) {
            weights[i] = static_cast<float>(i) * 0.5f + static_cast<float>(s);
            moments[i] = static_cast<double>(i) / 3 - static_cast<double>(s);
        }
        counters = {s, -s, INT64_MAX / 2 - s};
    }
    [[nodiscard]] std::vector<hydralora::io::NamedTensor> tensors() const {
        using hydralora::io::named_tensor;
        const auto rows = static_cast<hydralora::Index>(weights.size() / 6);
        return {named_tensor("weights", hydralora::host_view(weights.data(), rows, 4, 6)),
                named_tensor("moments", hydralora::host_view(moments.data(), rows * 2, 3)),
                named_tensor("counters", std::span(counters)), named_tensor("seeds", std::span(seeds))};
    }
    [[nodiscard]] hydralora::io::Json state() const {
        return hydralora::io::Json::object(
            {{"step", step}, {"loss", 1.0 / static_cast<double>(step + 3)}, {"seed", seeds[0]}, {"data", "a\nb"}});
    }
    hydralora::io::CheckpointPlace save(const std::filesystem::path& root,
                                        const hydralora::io::SaveOptions& options = {},
                                        const hydralora::io::FileCalls& calls = {}) const {
        return hydralora::io::save_checkpoint(root, step, tensors(), state(), options, calls);
    }
};

/// Whether the checkpoint has the content of its step.
inline bool holds_its_content(const hydralora::io::CheckpointPlace& place) {
    const hydralora::io::Checkpoint loaded = hydralora::io::load_checkpoint(place);
    const auto moments = loaded.tensors.view<double>("moments");
    const CheckpointCase expected(place.step, static_cast<std::size_t>(moments.size()));
    const auto weights = loaded.tensors.view<float>("weights");
    bool same = loaded.step == place.step && loaded.state == expected.state() && loaded.tensors.entries().size() == 4;
    for (hydralora::Index i = 0; i < weights.rows; ++i)
        for (hydralora::Index j = 0; j < 4; ++j)
            same &= weights(i, j) == expected.weights[static_cast<std::size_t>(i * 6 + j)];
    for (hydralora::Index i = 0; i < moments.size(); ++i)
        same &= moments.data[i] == expected.moments[static_cast<std::size_t>(i)];
    for (hydralora::Index i = 0; i < 3; ++i)
        same &= loaded.tensors.view<std::int64_t>("counters")(0, i) == expected.counters[static_cast<std::size_t>(i)];
    return same && loaded.tensors.view<std::uint64_t>("seeds")(0, 0) == expected.seeds[0];
}

}  // namespace test
