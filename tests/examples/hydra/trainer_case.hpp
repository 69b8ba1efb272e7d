// A tiny base, tiny data and options for tests of the trainer: a step takes about a millisecond.
#pragma once

#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <hydralora/io/json.hpp>

#include "io/scratch.hpp"
#include "run_directory.hpp"
#include "train.hpp"

namespace test {

inline void write_data(const std::filesystem::path& folder) {
    std::string rows, text;
    for (int i = 0; i < 40; ++i)
        rows += R"({"instruction": "double", "input": ")" + std::to_string(i) + R"(", "output": ")" +
                std::to_string(2 * i) + "\"}\n";
    for (int i = 0; i < 120; ++i) text += "line " + std::to_string(i * i % 17) + (i % 3 == 0 ? ".\n" : ", ");
    set_content(folder / "double.jsonl", rows);
    set_content(folder / "lines.txt", text);
}

inline hydra::LoopOptions tiny_loop(const std::filesystem::path& folder, const std::string& out) {
    hydra::LoopOptions loop;
    loop.data = {folder / "double.jsonl", folder / "lines.txt"};
    loop.out = folder / out;
    loop.steps = 20;
    loop.batch = 8;
    loop.sequence_length = 48;
    loop.threads = 2;
    loop.evaluation = {.batch = 4, .examples = 4, .answers = 1};
    loop.adamw.lr = 1e-2;
    return loop;
}

inline hydralora::LlamaConfig tiny_model() {
    return {.vocabulary = 257,
            .width = 16,
            .layers = 2,
            .heads = 2,
            .kv_heads = 1,
            .head_dim = 8,
            .feed_forward = 24,
            .max_positions = 64,
            .lm_head = hydralora::LmHead::own};
}

/// Trains the base that the tests adapt, into folder/base/model.
inline void make_tiny_base(const std::filesystem::path& folder) {
    hydra::PretrainOptions options;
    options.loop = tiny_loop(folder, "base");
    options.loop.steps = 5;
    options.model = tiny_model();
    hydra::pretrain(options, {});
}

/// A folder with the data and one base for all tests of a program.
inline const std::filesystem::path& base_folder() {
    static const ScratchDirectory scratch;
    static const bool made = [] {
        write_data(scratch.path());
        make_tiny_base(scratch.path());
        return true;
    }();
    static_cast<void>(made);
    return scratch.path();
}

/// Stops after `steps` calls.
inline hydra::Surroundings stopping_after(hydralora::Index steps) {
    return {.command = "", .stop = [left = steps]() mutable { return --left <= 0; }};
}

inline hydra::TrainOptions tiny_train(const std::filesystem::path& folder, const std::string& out) {
    hydra::TrainOptions options;
    options.loop = tiny_loop(folder, out);
    options.base = folder / "base" / "model";
    options.adapter.adapter = {.rank = 2, .heads = 3, .alpha = 4, .dropout = 0.1};
    options.adapter.targets = {hydralora::Target::q_proj, hydralora::Target::gate_proj, hydralora::Target::down_proj};
    return options;
}

/// Of each step of a run; NaN where it was not finite.
inline std::vector<double> losses(const std::filesystem::path& run) {
    std::vector<double> values;
    const std::string text = content(run / "metrics.jsonl");
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
        const auto line = hydralora::io::parse_json(text.substr(at, text.find('\n', at) - at), "metrics.jsonl");
        const auto* loss = line.find("loss")->get_if<double>();
        values.push_back(loss == nullptr ? std::numeric_limits<double>::quiet_NaN() : *loss);
    }
    return values;
}

inline std::string adapter_bytes(const std::filesystem::path& run) {
    return content(run / "adapter" / "adapter_model.safetensors");
}

/// The newest checkpoint of a run, without its manifest.
inline std::string checkpoint_bytes(const std::filesystem::path& run) {
    const auto place = hydralora::io::find_checkpoint(run / "checkpoints");
    return place ? content(place->directory / "tensors.safetensors") + content(place->directory / "state.json") : "";
}

}  // namespace test
