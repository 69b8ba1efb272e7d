// Every linear of the task decoder adapted, on tasks of different form; and separate adapters of one task each.
#pragma once

#include <filesystem>
#include <vector>

#include "one_site.hpp"

namespace compare {

/// What is trained besides adapters.
enum class Whole { no, all_weights, nothing };

struct DecoderMethod {
    Method method;
    Whole whole = Whole::no;
};

/// Sequences of one seed, and the components of the first training ones.
struct DecoderData {
    std::vector<Example> training, held_out;
    std::vector<std::int32_t> components;  // of the first training sequences
    double component_fit = 0;
};

class Decoder {
public:
    explicit Decoder(const std::filesystem::path& base);

    [[nodiscard]] DecoderData data(Mix mix, hydralora::Seed seed, Index training_per_task, Index held_out_per_task,
                                   Index components) const;
    [[nodiscard]] Result train(const DecoderMethod& method, const DecoderData& data, hydralora::Seed seed, double lr,
                               Index steps) const;
    [[nodiscard]] Index parameters(const DecoderMethod& method) const;

    /// A LoRA on sequences of one task, saved in `directory`; its start too, in `start`, unless that is empty.
    void train_one_task(Index task, hydralora::Seed rules, hydralora::Seed initial, double lr, Index steps,
                        const std::filesystem::path& directory, const std::filesystem::path& start) const;

private:
    Backend host_{hydralora::EigenOptions{.threads = 1}};
    hydralora::io::LlamaFiles<Backend> files_;
    hydralora::LlamaWeights<hydralora::StoredView<Backend>> weights_;
    std::filesystem::path base_;
};

}  // namespace compare
