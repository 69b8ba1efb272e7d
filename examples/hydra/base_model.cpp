#include "base_model.hpp"

#include <algorithm>
#include <cstdio>
#include <system_error>
#include <vector>

#include <hydralora/core/precision.hpp>
#include <hydralora/io/gguf_llama.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/io/safetensors_writer.hpp>
#include <hydralora/io/staged_directory.hpp>

#include "companions.hpp"

namespace hydra {

using namespace hydralora;
using io::Json;

namespace {

constexpr const char* config_name = "config.json";

void write_model(const std::filesystem::path& directory, const Json& config, double norm_offset,
                 const WeightViews& weights, const std::vector<Companion>& others) {
    std::vector<std::vector<bfloat16>> rounded;
    std::vector<io::NamedTensor> tensors;
    visit(
        [&](const ParamPath& path, const MatrixView<const float>& m) {
            auto& values = rounded.emplace_back();
            values.reserve(static_cast<std::size_t>(m.size()));
            const float less = path.role == Role::norm ? static_cast<float>(norm_offset) : 0.0f;
            for (Index i = 0; i < m.size(); ++i) values.emplace_back(m.data[i] - less);
            tensors.push_back(io::reshaped(io::named_tensor(path.name(), std::span<const bfloat16>(values)),
                                           io::llama_files_detail::file_shape(path, m.shape())));
        },
        weights);
    const io::FileCalls calls;
    io::StagedDirectory staged(io::directory_of(directory), "." + directory.filename().string() + ".tmp-", calls);
    io::FileWriter writer(staged.path() / io::model_tensors_name, calls);
    io::write_safetensors([&](std::span<const std::byte> bytes) { writer.write(bytes); }, tensors, {{"format", "pt"}});
    writer.finish();
    for (const Companion& each : others) io::write_file(staged.path() / each.name, each.text);
    io::write_file(staged.path() / config_name, io::to_text(config, 2) + '\n');
    staged.commit(directory);
}

}  // namespace

Vocabulary vocabulary_of(const io::GgufFile& file, Index size) {
    return file.find_field("tokenizer.ggml.model") != nullptr
               ? load_vocabulary(file, size)
               : Vocabulary::absent(
                     concat(file.name(), ": has no tokenizer: expected a field \"tokenizer.ggml.model\", found none"));
}

Vocabulary vocabulary_of(const std::filesystem::path& base) {
    if (is_gguf(base)) {
        const auto parts = io::GgufParts::open(base);
        return vocabulary_of(parts.first(), io::llama_config_from_gguf(parts).vocabulary);
    }
    const std::string file = (base / config_name).string();
    const Json config = io::read_json(base / config_name);
    return load_vocabulary(base, io::JsonView(config, file));
}

Index planned_positions(Index most, Index wanted) { return std::min(most, std::max(Index{4096}, wanted)); }

bool is_gguf(const std::filesystem::path& base) {
    std::error_code error;
    return io::path_exists(base) && !std::filesystem::is_directory(base, error);
}

BaseModel load_base(HostBackend& be, const std::filesystem::path& path, Index positions) {
    BaseModel base;
    if (is_gguf(path)) {
        base.files = io::open_llama(be, io::GgufParts::open(path));
        base.vocabulary = vocabulary_of(base.files.gguf().first(), base.files.config.vocabulary);
    } else {
        base.files = io::open_llama(be, path);
        base.vocabulary = vocabulary_of(path);
    }
    for (const std::string& note : base.files.notes) std::fprintf(stderr, "Note: %s\n", note.c_str());
    if (!base.vocabulary.note().empty()) std::fprintf(stderr, "Note: %s\n", base.vocabulary.note().c_str());
    base.config = base.files.config;
    base.config.max_positions = planned_positions(base.config.max_positions, positions);
    base.name = path.string();
    base.checksum = base.files.checksum();
    base.norms = io::norms_checksum(base.files.views);
    return base;
}

void save_base(const std::filesystem::path& directory, const LlamaConfig& config, const WeightViews& weights) {
    Json document = io::to_json(config, "bfloat16");
    document.set("eos_token_id", Index{end_of_text}).set("tokens", "bytes");
    write_model(directory, document, io::llama_files_detail::norm_offset(config), weights, {});
}

void save_trained_base(const std::filesystem::path& directory, const BaseModel& base, const WeightViews& weights,
                       const ModelChat& said) {
    const std::filesystem::path from = base.name;
    Json document = io::read_json(from / config_name);
    for (const char* key : {"dtype", "torch_dtype"})
        if (document.find(key) != nullptr) document.set(key, "bfloat16");
    const std::string config_file = (from / config_name).string();
    if (io::llama_config_from_json(io::JsonView(document, config_file)).lm_head != base.config.lm_head)
        document.set("tie_word_embeddings", base.config.lm_head == LmHead::tied);  // the files decided otherwise
    write_model(directory, document, io::llama_files_detail::norm_offset(base.config), weights,
                companions_with(from, said));
}

}  // namespace hydra
