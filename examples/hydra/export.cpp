#include "export.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>
#include <system_error>

#include <hydralora/adapter/collapse.hpp>
#include <hydralora/io/adapter_kind.hpp>
#include <hydralora/io/gguf_adapter.hpp>
#include <hydralora/io/peft.hpp>

#include "measure_gates.hpp"
#include "options.hpp"
#include "outputs.hpp"
#include "session.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

constexpr const char* gates_name = "gates.json";

/// An adapter of one head without a gate, which every format has.
struct Lora {
    LlamaAdapterConfig config;
    HostAdapters parameters;
};

std::string head_file(Index i, bool gguf) { return "head_" + std::to_string(i) + (gguf ? ".gguf" : ""); }

bool is_head_file(const std::string& name) {
    if (!name.starts_with("head_")) return false;
    std::string number = name.substr(5);
    if (number.ends_with(".gguf")) number.resize(number.size() - 5);
    return !number.empty() && number.find_first_not_of("0123456789") == number.npos;
}

Lora collapsed(Session& session, const ModuleGates& gates) {
    HostBackend& be = session.backend();
    Lora lora;
    lora.config.targets = session.adapter_config().targets;
    lora.config.adapter = collapsed_config(session.adapter_config().adapter);
    const LlamaConfig& model = session.base().config;
    lora.parameters = make_buffers(be, adapter_shapes(model, lora.config));
    for (std::size_t l = 0; l < lora.parameters.layers.size(); ++l)
        for (const Target t : lora.config.targets)
            collapse(be, session.adapter_config().at(model, t), session.adapters().layers[l][index_of(t)],
                     gates[l][index_of(t)], lora.parameters.layers[l][index_of(t)]);
    return lora;
}

/// Head i as views of the adapter's memory.
LlamaAdapters<ConstParamView<HostBackend>> head_of(const Session& session, Index i) {
    auto all = views(session.adapters());
    const LlamaConfig& model = session.base().config;
    for (auto& layer : all.layers)
        for (const Target t : session.adapter_config().targets)
            layer[index_of(t)] = head_views(session.adapter_config().at(model, t), layer[index_of(t)], i);
    return all;
}

io::AdapterFileConfig lora_file_config(const LlamaAdapterConfig& config, const Session& session,
                                       const io::AdapterFileConfig& of) {
    io::AdapterFileConfig file = file_config(config, session.base());
    file.chat_format = session.chat("");
    file.base_model_name_or_path = of.base_model_name_or_path;
    return file;
}

io::Dtype dtype_of(const ExportOptions& options) {
    return options.type == ExportType::f16    ? io::Dtype::f16
           : options.type == ExportType::bf16 ? io::Dtype::bf16
                                              : io::Dtype::f32;
}

/// The gates that are asked for or measured; none where a gated adapter is exported by heads without a text.
std::optional<ModuleGates> gates_for(const ExportOptions& options, Session& session,
                                     const std::vector<const Example*>& examples) {
    const LlamaAdapterConfig& config = session.adapter_config();
    const AdapterConfig& adapter = config.adapter;
    const auto heads = static_cast<std::size_t>(Index{adapter.heads});
    if (!options.gates.empty()) {
        check(!has_fixed_gates(adapter), "--gate: the adapter's gates are fixed by its gate ",
              enum_name(adapter.gate, adapter_names::gate), " already; leave it out");
        check(options.gates.size() == heads, "--gate: expected ", heads, " numbers, one a head, found ",
              options.gates.size());
        for (const double gate : options.gates)
            check(std::isfinite(gate), "--gate: expected finite numbers, found ", gate);
        return equal_gates(session.base().config, config, options.gates);
    }
    if (has_fixed_gates(adapter)) return equal_gates(session.base().config, config, fixed_gates(adapter));
    if (!examples.empty()) return mean_gates(session.backend(), session.model(), config, examples);
    const bool by_heads = options.to == ExportKind::peft_heads || options.to == ExportKind::gguf_heads;
    check(by_heads, "--to ", enum_name(options.to, export_kind_names), ": the gate ",
          enum_name(adapter.gate, adapter_names::gate),
          " depends on the token; give --text FILE, whose mean gates to use, or --gate w1,w2,...");
    return std::nullopt;
}

/// Mean over the layers, and the range over them, for each target.
std::string gate_table(const ModuleGates& gates, const LlamaAdapterConfig& config) {
    const auto heads = static_cast<std::size_t>(Index{config.adapter.heads});
    std::vector<std::string> header{"mean gates (least to most over layers)"};
    for (std::size_t i = 0; i < heads; ++i) header.push_back("head " + std::to_string(i));
    Table table(header);
    for (const Target t : config.targets) {
        std::vector<std::string> row{std::string(target_names[index_of(t)])};
        for (std::size_t i = 0; i < heads; ++i) {
            double sum = 0, least = INFINITY, most = -INFINITY;
            for (const auto& layer : gates) {
                const double gate = layer[index_of(t)][i];
                sum += gate;
                least = std::min(least, gate);
                most = std::max(most, gate);
            }
            row.push_back(fixed(sum / static_cast<double>(gates.size()), 3) + " (" + fixed(least, 3) + " to " +
                          fixed(most, 3) + ")");
        }
        table.add(row);
    }
    return table.text();
}

/// Gates as given, and whether they are a mixture.
std::string gates_text(const std::vector<double>& gates) {
    double sum = 0;
    bool negative = false;
    std::string text = "gates of all layers:";
    for (const double gate : gates) {
        text += ' ' + fixed(gate, 3);
        sum += gate;
        negative = negative || gate < 0;
    }
    if (negative || std::abs(sum - 1) > 1e-3)
        text += concat("; no mixture, as the router makes: ", negative ? "one is below 0, " : "", "the sum is ",
                       fixed(sum, 3));
    return text + '\n';
}

/// How the reader of heads must put them together: what is not so is another adapter.
constexpr std::string_view combine_in_peft =
    "the adapter is the sum of gate * B A over the heads, times the scaling of each: load every head, then "
    "add_weighted_adapter(adapters, weights, adapter_name, combination_type=\"cat\"), or make all heads active and "
    "multiply "
    "scaling[head] of every module by its gate, which may differ from module to module; combination_type \"linear\" "
    "mixes A "
    "and B apart and is another adapter, and \"svd\" is exact only where all heads share their A";
constexpr std::string_view combine_in_llama_cpp =
    "the adapter is the sum of gate * B A over the heads, times the scaling of each: load every head with its gate as "
    "the scale "
    "(--lora-scaled, or \"scale\" in the server's /lora-adapters), one number for all layers, as \"mean\" has them";

io::Json gates_document(const ExportOptions& options, const std::optional<ModuleGates>& gates,
                        const LlamaAdapterConfig& config) {
    io::Json text = io::Json::array(), modules = io::Json::object(), mean = io::Json();
    for (const auto& path : options.text) text.push(path.string());
    if (gates) {
        std::vector<double> sums(static_cast<std::size_t>(Index{config.adapter.heads}), 0.0);
        Index count = 0;
        for (std::size_t l = 0; l < gates->size(); ++l)
            for (const Target t : config.targets) {
                io::Json each = io::Json::array();
                const auto& module = (*gates)[l][index_of(t)];
                for (std::size_t i = 0; i < module.size(); ++i) {
                    each.push(module[i]);
                    sums[i] += module[i];
                }
                ++count;
                modules.set(concat("layers.", l, '.', target_paths[index_of(t)]), each);
            }
        mean = io::Json::array();
        for (const double sum : sums) mean.push(sum / static_cast<double>(count));
    }
    const bool gguf = options.to == ExportKind::gguf_heads;
    return io::Json::object({{"combine", std::string(gguf ? combine_in_llama_cpp : combine_in_peft)},
                             {"heads", Index{config.adapter.heads}},
                             {"gate", std::string(enum_name(config.adapter.gate, adapter_names::gate))},
                             {"text", text},
                             {"mean", mean},
                             {"modules", modules}});
}

void remove_heads(const std::filesystem::path& directory) {
    std::error_code ignored;
    for (const std::string& name : io::list_directory(directory))
        if (is_head_file(name)) std::filesystem::remove_all(directory / name, ignored);
}

/// A directory with an adapter a head and the gates, which appears whole or not at all.
void write_heads(const ExportOptions& options, Session& session, const io::AdapterFileConfig& of,
                 const std::optional<ModuleGates>& gates) {
    const bool gguf = options.to == ExportKind::gguf_heads;
    LlamaAdapterConfig one = session.adapter_config();
    one.adapter = head_config(one.adapter);
    const io::AdapterFileConfig file = lora_file_config(one, session, of);
    const io::FileCalls calls;
    io::StagedDirectory staged(io::directory_of(options.out), "." + options.out.filename().string() + ".tmp-", calls);
    try {
        for (Index i = 0; i < session.adapter_config().adapter.heads; ++i) {
            const auto head = head_of(session, i);
            const auto path = staged.path() / head_file(i, gguf);
            if (gguf)
                io::save_gguf_adapter(path, file, io::gguf_base(session.base().config), head, {}, dtype_of(options));
            else
                io::save_peft(path, file, head, io::Existing::refuse, {}, dtype_of(options));
        }
        io::write_file(staged.path() / gates_name,
                       io::to_text(gates_document(options, gates, session.adapter_config()), 2) + '\n');
        staged.commit(options.out);
    } catch (...) {
        if (!staged.visible()) remove_heads(staged.path());
        throw;
    }
    std::error_code ignored;
    if (std::filesystem::exists(staged.path(), ignored)) remove_heads(staged.path());  // what was replaced
}

void write_collapsed(const ExportOptions& options, Session& session, const io::AdapterFileConfig& of,
                     const Lora& lora) {
    const io::AdapterFileConfig file = lora_file_config(lora.config, session, of);
    if (options.to == ExportKind::gguf_collapsed)
        return io::save_gguf_adapter(options.out, file, io::gguf_base(session.base().config), lora.parameters, {},
                                     dtype_of(options));
    const auto existing = options.overwrite == Overwrite::replace ? io::Existing::replace : io::Existing::refuse;
    io::save_peft(options.out, file, lora.parameters, existing, {}, dtype_of(options));
}

/// What is there may be replaced if asked for, and is an export of that kind.
void check_target(const ExportOptions& options) {
    if (!io::path_exists(options.out)) return;
    check(options.overwrite == Overwrite::replace, options.out.string(),
          ": exists already; choose another --out, or --force replaces it");
    std::error_code ignored;
    const auto type = std::filesystem::symlink_status(options.out, ignored).type();
    if (options.to == ExportKind::gguf_collapsed) {
        check(type == std::filesystem::file_type::regular, options.out.string(),
              ": expected a file to replace, found something else");
        check(io::MappedFile::open(options.out).text().starts_with("GGUF"), options.out.string(),
              ": not replaced, for it is no GGUF file; move it away first");
    } else if (options.to == ExportKind::peft_heads || options.to == ExportKind::gguf_heads) {
        check(type == std::filesystem::file_type::directory, options.out.string(),
              ": expected a directory to replace, found something else");
        for (const std::string& name : io::list_directory(options.out))
            check(name == gates_name || is_head_file(name), options.out.string(), ": not replaced, for it also holds ",
                  io::in_quotes(name), "; move that away first");
    }
}

void print_comparison(const Comparison& c, const Session& session) {
    std::printf(
        "On the text (%s tokens, nats a token): loss %.6f with the adapter, %.6f collapsed (%+.6f);\n"
        "KL(adapter || collapsed) %.6f in the mean, %.6f at most.%s\n",
        grouped(c.tokens).c_str(), c.loss, c.other_loss, c.other_loss - c.loss, std::max(0.0, c.divergence),
        c.largest_divergence,
        has_fixed_gates(session.adapter_config().adapter) ? " Fixed gates collapse exactly, up to rounding." : "");
}

}  // namespace

void run_export(const ExportOptions& asked) {
    ExportOptions options = asked;
    if (!options.out.has_filename()) options.out = options.out.parent_path();  // "name/" is "name"
    check(!options.out.empty(), "--out: expected a name");
    std::vector<std::filesystem::path> inputs = options.text;
    inputs.insert(inputs.end(), {options.base, options.adapter});
    check_output(options.out, "--out", inputs);
    const bool plain = options.to == ExportKind::native || options.to == ExportKind::released;
    check(!plain || (options.text.empty() && options.gates.empty()), "--to ", enum_name(options.to, export_kind_names),
          ": keeps the router; leave --text and --gate out");
    check(options.to != ExportKind::native || options.type == ExportType::f32, "--dtype ",
          enum_name(options.type, export_type_names), ": adapters of ours are in f32; export to another format");
    check_target(options);
    const io::AdapterKind kind = io::adapter_kind(options.adapter);
    io::check_no_import(kind, options.adapter);
    const io::AdapterFileConfig file = io::read_adapter_config(options.adapter);
    if (options.to == ExportKind::released) static_cast<void>(io::to_released_json(file));

    check_sequence_length(options.sequence_length, 2);
    Session session(options.base, options.adapter, host_options(options.threads), options.sequence_length + 32);
    const Index most = session.model().config().max_positions;
    check(options.text.empty() || options.sequence_length <= most, "--length ", options.sequence_length,
          ": the base has max_position_embeddings = ", most);
    const auto existing = options.overwrite == Overwrite::replace ? io::Existing::replace : io::Existing::refuse;
    if (options.to == ExportKind::native) {
        io::AdapterFileConfig named = file;
        named.base_checksum = session.base().checksum;
        named.base_norms = session.base().norms;
        io::save_adapter(options.out, named, session.adapters(), existing);
    } else if (options.to == ExportKind::released) {
        io::save_released(options.out, file, session.adapters(), existing, {}, dtype_of(options));
    } else {
        check(options.text.empty() || session.adapter_config().adapter.gate != Gate::assigned,
              "--text: with gate assigned it is not the text that chooses the heads; give --gate");
        const auto domains = options.text.empty()
                                 ? std::vector<Domain>{}
                                 : read_domains(options.text,
                                                {.sequence_length = options.sequence_length,
                                                 .held_out = 1.0,
                                                 .seed = {},
                                                 .prompts = Prompts::trained,
                                                 .chat = session.vocabulary().chat_format(session.chat(""))},
                                                session.vocabulary());
        say_notes(domains);
        std::vector<const Example*> examples;
        for (const Domain& domain : domains)
            for (const Example& example : domain.held_out) examples.push_back(&example);
        const auto gates = gates_for(options, session, examples);
        if (gates && options.gates.empty()) std::printf("%s", gate_table(*gates, session.adapter_config()).c_str());
        if (!options.gates.empty()) std::printf("%s", gates_text(options.gates).c_str());
        if (options.to == ExportKind::peft_heads || options.to == ExportKind::gguf_heads) {
            write_heads(options, session, file, gates);
            std::printf("%s the sum of the heads, each times its gate%s.\n",
                        gates ? "The adapter with these gates is" : "With fixed gates the adapter is",
                        gates ? " (also in gates.json)" : "; --text FILE measures the mean gates of a text");
            std::printf(
                "%s\n",
                options.to == ExportKind::peft_heads
                    ? "In PEFT: add_weighted_adapter(..., combination_type=\"cat\"), or all heads active with their "
                      "scalings times the gates;\n\"linear\" mixes A and B apart and is another adapter."
                    : "In llama.cpp: each head with its gate as the scale, one number for all layers (\"mean\" in "
                      "gates.json).");
        } else {
            const Lora lora = collapsed(session, *gates);
            if (!examples.empty()) {
                const Llama<HostBackend> other(session.backend(), session.base().config, session.base().files.views,
                                               lora.config, views(std::as_const(lora.parameters)));
                print_comparison(compare(session.backend(), session.model(), other, examples), session);
            }
            write_collapsed(options, session, file, lora);
        }
    }
    std::printf("Export: %s (%s)\n", options.out.string().c_str(),
                std::string(enum_name(options.to, export_kind_names)).c_str());
}

}  // namespace hydra
