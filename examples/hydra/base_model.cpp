#include "base_model.hpp"

#include <cmath>
#include <unordered_set>
#include <vector>

#include <hydralora/core/precision.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/json_write.hpp>
#include <hydralora/io/safetensors.hpp>
#include <hydralora/io/safetensors_writer.hpp>
#include <hydralora/io/staged_directory.hpp>

namespace hydra {
namespace {

using namespace hydralora;
using io::Json;

constexpr const char* config_name = "config.json";
constexpr const char* weights_name = "model.safetensors";

Json to_json(const LlamaConfig& c) {
    return Json::object({{"architectures", Json::array({"LlamaForCausalLM"})},
                         {"model_type", "llama"},
                         {"vocab_size", c.vocabulary},
                         {"hidden_size", c.width},
                         {"num_hidden_layers", c.layers},
                         {"num_attention_heads", c.heads},
                         {"num_key_value_heads", c.kv_heads},
                         {"head_dim", c.head_dim},
                         {"intermediate_size", c.feed_forward},
                         {"max_position_embeddings", c.max_positions},
                         {"rms_norm_eps", c.norm_eps},
                         {"rope_theta", c.rope_theta},
                         {"hidden_act", "silu"},
                         {"tie_word_embeddings", c.lm_head == LmHead::tied},
                         {"dtype", "bfloat16"},
                         {"eos_token_id", Index{end_of_text}},
                         {"tokens", "bytes"}});
}

LlamaConfig config_from_json(const io::JsonView& json) {
    static_cast<void>(json["model_type"].one_of({"llama"}));
    static_cast<void>(json["hidden_act"].one_of({"silu"}));
    if (json["rope_scaling"].exists()) json["rope_scaling"].refuse("no rope_scaling");
    constexpr Index most = Index{1} << 24;
    LlamaConfig c;
    c.vocabulary = json["vocab_size"].integer(json["tokens"].exists() ? byte_vocabulary : 1, most);
    c.width = json["hidden_size"].integer(1, most);
    c.layers = json["num_hidden_layers"].integer(1, 4096);
    c.heads = json["num_attention_heads"].integer(1, 4096);
    c.kv_heads = json["num_key_value_heads"].integer(1, 4096);
    c.head_dim = json["head_dim"].integer(1, 65536);
    c.feed_forward = json["intermediate_size"].integer(1, most);
    c.max_positions = json["max_position_embeddings"].integer(1, most);
    c.norm_eps = json["rms_norm_eps"].number(1e-12, 1);
    c.rope_theta = json["rope_theta"].number(1, 1e12);
    c.lm_head = json["tie_word_embeddings"].boolean() ? LmHead::tied : LmHead::own;
    validate(c);
    return c;
}

/// The shape in the file: norms are vectors there.
io::TensorShape file_shape(const ParamPath& path, Shape shape) {
    return path.role == Role::norm ? io::TensorShape{shape.cols} : io::TensorShape(shape);
}

}  // namespace

BaseModel load_base(B& be, const std::filesystem::path& directory) {
    const auto config_path = directory / config_name;
    check(io::path_exists(config_path), directory.string(), ": is not a model directory: it has no ", config_name,
          "; name one that `hydra pretrain` made, like examples/base");
    const std::string file_name = config_path.string();
    const Json document = io::read_json(config_path);
    BaseModel base;
    base.config = config_from_json(io::JsonView(document, file_name));
    base.vocabulary = load_vocabulary(directory, io::JsonView(document, file_name));
    base.name = directory.string();

    auto mapped = io::MappedFile::open(directory / weights_name);
    base.checksum = io::checksum_text(io::xxh64(mapped.bytes()));
    const io::SafetensorsFile file(std::move(mapped));
    const auto shapes = weight_shapes(base.config);
    std::unordered_set<std::string> expected;
    visit(
        [&](const ParamPath& path, const Shape& shape) {  // everything is checked before anything is allocated
            const auto& entry = file.at(path.name());
            const auto wanted = file_shape(path, shape);
            check(entry.shape == wanted, file.where(entry), ": expected shape ", wanted.text(), " by ", config_name,
                  ", found ", entry.shape.text());
            expected.insert(path.name());
        },
        shapes);
    for (const auto& entry : file.entries())
        check(expected.contains(entry.name), file.where(entry), ": not a tensor of this model");

    base.weights = make_buffers(be, shapes);
    visit(
        [&](const ParamPath& path, ParamBuffer<B>& m) {
            const auto view = m.view();
            file.read_as(path.name(), view);
            for (Index i = 0; i < view.size(); ++i)
                check(std::isfinite(view.data[i]), file.name(), ": tensor ", path.name(), ": element ", i, " is ",
                      view.data[i], ", expected a finite number; the file is damaged");
        },
        base.weights);
    return base;
}

void save_base(const std::filesystem::path& directory, const LlamaConfig& config, const WeightBuffers& weights) {
    check(config.rope_scaling.kind == RopeScaling::Kind::none, directory.string(),
          ": a model with rope_scaling cannot be written yet");
    std::vector<std::vector<bfloat16>> rounded;
    std::vector<io::NamedTensor> tensors;
    visit(
        [&](const ParamPath& path, const ParamBuffer<B>& m) {
            const auto view = m.view();
            auto& values = rounded.emplace_back();
            values.reserve(static_cast<std::size_t>(view.size()));
            for (Index i = 0; i < view.size(); ++i) values.emplace_back(view.data[i]);
            tensors.push_back(io::reshaped(io::named_tensor(path.name(), std::span<const bfloat16>(values)),
                                           file_shape(path, m.shape())));
        },
        weights);
    const io::FileCalls calls;
    io::StagedDirectory staged(io::directory_of(directory), "." + directory.filename().string() + ".tmp-", calls);
    io::FileWriter writer(staged.path() / weights_name, calls);
    io::write_safetensors([&](std::span<const std::byte> bytes) { writer.write(bytes); }, tensors, {{"format", "pt"}});
    writer.finish();
    io::write_file(staged.path() / config_name, io::to_text(to_json(config), 2) + '\n');
    staged.commit(directory);
}

}  // namespace hydra
