#include "session.hpp"

#include <cstdio>

#include <hydralora/io/adapter_kind.hpp>
#include <hydralora/io/quote.hpp>

namespace hydra {

using namespace hydralora;

io::AdapterFileConfig file_config(const LlamaAdapterConfig& config, const BaseModel& base) {
    const AdapterConfig& a = config.adapter;
    io::AdapterFileConfig file;
    file.rank = a.rank;
    file.heads = a.heads;
    file.alpha = a.alpha;
    file.dropout = a.dropout;
    for (const Target t : config.targets) file.target_modules.emplace_back(target_names[index_of(t)]);
    file.sharing = enum_name(a.sharing, adapter_names::sharing);
    file.gate = enum_name(a.gate, adapter_names::gate);
    file.top_k = a.gate == Gate::top_k ? a.top_k : 0;
    file.router_input = enum_name(a.router_input, adapter_names::router_input);
    file.router_bias = enum_name(a.router_bias, adapter_names::router_bias);
    file.router_pooling = enum_name(a.router_pooling, adapter_names::router_pooling);
    file.dropout_mask = enum_name(a.dropout_mask, adapter_names::dropout_mask);
    file.base_model_name_or_path = base.name;
    file.base_checksum = base.checksum;
    file.base_norms = base.norms;
    if (base.quantise != Quantise::none) file.base_quantisation = enum_name(base.quantise, quantise_names);
    return file;
}

LlamaAdapterConfig from_file_config(const io::AdapterFileConfig& file) {
    LlamaAdapterConfig config;
    AdapterConfig& a = config.adapter;
    a.rank = file.rank;
    a.heads = file.heads;
    a.alpha = file.alpha;
    a.dropout = file.dropout;
    a.sharing = parse_enum<Sharing>("sharing", file.sharing, adapter_names::sharing);
    a.gate = parse_enum<Gate>("gate", file.gate, adapter_names::gate);
    if (a.gate == Gate::top_k) a.top_k = file.top_k;
    a.router_input = parse_enum<RouterInput>("router_input", file.router_input, adapter_names::router_input);
    a.router_bias = parse_enum<RouterBias>("router_bias", file.router_bias, adapter_names::router_bias);
    a.router_pooling = parse_enum<RouterPooling>("router_pooling", file.router_pooling, adapter_names::router_pooling);
    a.dropout_mask = parse_enum<MaskSharing>("dropout_mask", file.dropout_mask, adapter_names::dropout_mask);
    for (const auto& name : file.target_modules) config.targets.push_back(parse_target(name));
    return config;
}

void note_other_base(const std::filesystem::path& adapter, const io::AdapterFileConfig& config, const BaseModel& base) {
    if (config.base_checksum.empty() || config.base_checksum == base.checksum) return;
    std::fprintf(stderr,
                 "Note: %s was trained on %s, another file or quantisation of this base (its norms are the same); what "
                 "it does may differ a little\n",
                 adapter.string().c_str(), io::in_quotes(config.base_model_name_or_path).c_str());
}

Quantise quantisation_of(const std::filesystem::path& adapter, const io::AdapterFileConfig& config) {
    if (config.base_quantisation.empty()) return Quantise::none;
    const auto file = adapter / io::adapter_config_name;
    return parse_enum<Quantise>(concat(file.string(), ": \"base_quantisation\""), config.base_quantisation,
                                quantise_names);
}

void note_other_quantisation(const std::filesystem::path& adapter, Quantise trained, Quantise now) {
    if (trained == now) return;
    std::fprintf(
        stderr,
        "Note: %s was trained on its base with --quantise %s, here it is %s; what it does may differ a little\n",
        adapter.string().c_str(), std::string(enum_name(trained, quantise_names)).c_str(),
        std::string(enum_name(now, quantise_names)).c_str());
}

io::AdapterFileConfig read_adapter_directory(const std::filesystem::path& adapter) {
    check(io::path_exists(adapter / io::adapter_config_name), adapter.string(),
          ": is not an adapter directory: it has no ", io::adapter_config_name, "; name one that `hydra train` made");
    io::check_no_import(io::adapter_kind(adapter), adapter);
    return io::read_adapter_config(adapter);
}

}  // namespace hydra
