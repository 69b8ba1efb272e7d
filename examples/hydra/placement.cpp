#include "placement.hpp"

#include <hydralora/io/gguf_llama.hpp>

namespace hydra {

using namespace hydralora;

namespace {

QuantFormat format_of(const StoredView<HostBackend>& matrix) {
    switch (matrix.storage()) {
        case Storage::bfloat16:
            return QuantFormat::bf16;
        case Storage::float16:
            return QuantFormat::f16;
        case Storage::blocks:
            return matrix.format();
        case Storage::param:
            break;
    }
    return QuantFormat::f32;
}

bool is_quantised(QuantFormat format) {
    return format != QuantFormat::f32 && format != QuantFormat::f16 && format != QuantFormat::bf16;
}

std::vector<QuantFormat> adapted_formats(const BaseModel& base, const LlamaAdapterConfig& adapters) {
    std::vector<QuantFormat> formats;
    for (const auto& layer : base.files.views.layers)
        for (const Target t : adapters.targets) formats.push_back(format_of(layer.projections[index_of(t)]));
    return formats;
}

/// bfloat16 unless a matrix holds more than that without being quantised.
PanelStorage packed_panels(const std::vector<QuantFormat>& formats) {
    const bool wide = std::any_of(formats.begin(), formats.end(), [](QuantFormat format) {
        return format == QuantFormat::f32 || format == QuantFormat::f16;
    });
    return wide ? PanelStorage::compute : PanelStorage::bfloat16;
}

/// formats: of each layer's adapted matrices in turn.
std::optional<PanelStorage> panels_of(bool quantised, BaseWeights weights, const LlamaAdapterConfig& adapters,
                                      const std::vector<QuantFormat>& formats) {
    if (weights == BaseWeights::packed) return packed_panels(formats);
    if (weights == BaseWeights::packed8) {
        const std::size_t targets = adapters.targets.size();
        for (std::size_t i = 0; i < formats.size(); ++i)
            check(panel::has_codes(formats[i]), "--weights packed8: model.layers.", i / targets, '.',
                  target_paths[index_of(adapters.targets[i % targets])], ".weight of the base is in ",
                  name_of(formats[i]), ", which codes of 8 bits do not hold to the last bit; choose ",
                  is_quantised(formats[i]) ? "mapped" : "packed or mapped");
        return PanelStorage::codes;
    }
    return quantised ? std::optional(PanelStorage::in_place) : std::nullopt;
}

/// Of both directions; formats: of each layer's adapted matrices in turn.
Index codes_bytes(const LlamaConfig& config, const LlamaAdapterConfig& adapters,
                  const std::vector<QuantFormat>& formats) {
    using Panels = panel::CodePanels<HostBackend>;
    Index bytes = 0;
    for (std::size_t i = 0; i < formats.size(); ++i) {
        const Shape shape = target_shape(config, adapters.targets[i % adapters.targets.size()]);
        bytes += Panels::planned_bytes(Op::transpose, shape, formats[i]) +
                 Panels::planned_bytes(Op::none, shape, formats[i]);
    }
    return bytes;
}

}  // namespace

Index codes_of(const BaseModel& base, const LlamaAdapterConfig& adapters, BaseWeights weights) {
    return weights == BaseWeights::packed8 ? codes_bytes(base.config, adapters, adapted_formats(base, adapters)) : 0;
}

BaseWeights weights_of(const std::filesystem::path& base, std::optional<BaseWeights> asked, Quantise quantise) {
    return asked.value_or(is_gguf(base) || quantise != Quantise::none ? BaseWeights::mapped : BaseWeights::packed);
}

std::optional<PanelStorage> adapted_panels(const BaseModel& base, const LlamaAdapterConfig& adapters,
                                           BaseWeights weights) {
    return panels_of(base.files.is_gguf() || base.quantise != Quantise::none, weights, adapters,
                     adapted_formats(base, adapters));
}

std::string rounding_note(const BaseModel& base, const LlamaAdapterConfig& adapters, BaseWeights weights) {
    if (weights != BaseWeights::packed) return {};
    const auto formats = adapted_formats(base, adapters);
    if (packed_panels(formats) != PanelStorage::bfloat16 || std::none_of(formats.begin(), formats.end(), is_quantised))
        return {};
    return "Note: --weights packed rounds the base's quantised matrices to bfloat16, an element by up to one part in "
           "256; "
           "--weights mapped takes them as they are";
}

BaseOutline outline_of(const std::filesystem::path& base, const LlamaAdapterConfig& adapters, BaseWeights weights,
                       Quantise quantise) {
    BaseOutline outline;
    std::vector<QuantFormat> formats;
    const auto each_adapted = [&](auto&& format) {
        for (Index l = 0; l < outline.config.layers; ++l)
            for (const Target t : adapters.targets)
                formats.push_back(format(concat("model.layers.", l, '.', target_paths[index_of(t)], ".weight")));
    };
    if (is_gguf(base)) {
        const auto parts = io::GgufParts::open(base);
        outline.config = io::llama_config_from_gguf(parts);
        io::check_gguf_tensors(parts, outline.config);
        outline.bytes = static_cast<Index>(parts.bytes());
        each_adapted([&](const std::string& path) {
            const auto tensor = parts.find(io::gguf_detail::tensor_name(path, outline.config));
            return *io::gguf_detail::quant_format(tensor.entry->type);
        });
    } else {
        const auto path = base / "config.json";
        const std::string name = path.string();
        check(io::path_exists(path), base.string(), ": is not a model directory: it has no config.json");
        const io::Json document = io::read_json(path);
        outline.config = io::llama_config_from_json(io::JsonView(document, name));
        const auto files = io::ModelFiles::open(base);
        if (!io::llama_files_detail::is_tied(files, outline.config)) outline.config.lm_head = LmHead::own;
        outline.bytes = static_cast<Index>(files.bytes());
        outline.quantised = quantised_bytes(files, outline.config.lm_head, quantise);
        each_adapted([&](const std::string& weight) {
            if (quantise != Quantise::none) return format_of(quantise);
            const auto tensor = files.find(weight);
            const io::Dtype dtype = tensor.entry == nullptr ? io::Dtype::f32 : tensor.entry->dtype;  // told when read
            return dtype == io::Dtype::bf16  ? QuantFormat::bf16
                   : dtype == io::Dtype::f16 ? QuantFormat::f16
                                             : QuantFormat::f32;
        });
    }
    outline.panels = panels_of(is_gguf(base) || quantise != Quantise::none, weights, adapters, formats);
    if (weights == BaseWeights::packed8) outline.codes = codes_bytes(outline.config, adapters, formats);
    return outline;
}

}  // namespace hydra
