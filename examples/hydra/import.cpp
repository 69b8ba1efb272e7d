#include "import.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include <hydralora/io/adapter_files.hpp>
#include <hydralora/io/adapter_kind.hpp>
#include <hydralora/io/base_copies.hpp>
#include <hydralora/io/gguf_adapter.hpp>
#include <hydralora/io/mlx_adapter.hpp>
#include <hydralora/io/peft.hpp>
#include <hydralora/io/quote.hpp>

#include "options.hpp"
#include "outputs.hpp"
#include "session.hpp"

namespace hydra {

using namespace hydralora;

namespace {

/// A LoRA of another program, checked against the base where it holds more than A and B.
io::ForeignLora read_lora(io::AdapterKind kind, const std::filesystem::path& path, const BaseModel& base) {
    if (kind == io::AdapterKind::mlx) return io::read_mlx(path);
    if (kind == io::AdapterKind::gguf)
        return io::read_gguf_adapter(io::GgufFile::open(path), io::gguf_base(base.config));
    io::PeftLora peft = io::read_peft(path);
    io::check_copies(peft, base.files);
    return std::move(peft.lora);
}

/// What became of modules that are not alike, for the line of the result.
std::string lora_text(const io::ForeignLora& lora, Index layers) {
    std::string text;
    if (static_cast<std::size_t>(layers) * lora.config.target_modules.size() != lora.modules.size())
        text += concat(", in layers ", lora.layers_text(), " of ", layers, "; it is zero where there was none");
    Index smallest = lora.config.rank;
    bool scaled = false;
    for (const auto& [place, module] : lora.modules) {
        smallest = std::min(smallest, module.a.rows);
        scaled |= lora.factor_of(module) != 1;
    }
    if (smallest < lora.config.rank)
        text += concat("; ranks from ", smallest, " on are filled up to ", lora.config.rank, " with zeros");
    if (scaled) text += "; scalings that differ are in B";
    return text;
}

}  // namespace

void run_import(const ImportOptions& options) {
    const auto existing = options.overwrite == Overwrite::replace ? io::Existing::replace : io::Existing::refuse;
    const auto target = options.out.has_filename() ? options.out : options.out.parent_path();
    check(options.overwrite == Overwrite::replace || !io::path_exists(target), target.string(),
          ": exists already; choose another --out, or --force replaces it");
    check_output(target, "--out", {options.path, options.base});
    const io::AdapterKind kind = io::adapter_kind(options.path);
    check(kind != io::AdapterKind::native, options.path.string(), ": is an adapter of ours already; use it as it is");

    HostBackend be({.threads = options.threads, .slab_rows = slab_rows});
    const BaseModel base = load_base(be, options.base);
    io::AdapterFileConfig file;
    HostAdapters set;
    std::string layers;
    if (kind == io::AdapterKind::released) {
        file = io::read_adapter_config(options.path);
        set = make_buffers(be, adapter_shapes(base.config, from_file_config(file)));
        io::load_adapter(options.path, set);
    } else {
        const io::ForeignLora lora = read_lora(kind, options.path, base);
        for (const std::string& note : lora.notes)
            std::fprintf(stderr, "Note: %s: %s\n", lora.file.c_str(), note.c_str());
        file = lora.config;
        set = make_buffers(be, adapter_shapes(base.config, from_file_config(file)));
        io::put_foreign(lora, set);
        layers = lora_text(lora, base.config.layers);
    }
    file.base_checksum = base.checksum;
    file.base_norms = base.norms;
    const auto last_name = [](const std::filesystem::path& path) {
        return (path.has_filename() ? path : path.parent_path()).filename();
    };
    if (!file.base_model_name_or_path.empty() && last_name(file.base_model_name_or_path) != last_name(base.name))
        std::fprintf(stderr, "Note: the adapter names %s as its base; taken as one of %s, as --base says\n",
                     io::in_quotes(file.base_model_name_or_path).c_str(), base.name.c_str());
    file.base_model_name_or_path = base.name;
    io::save_adapter(target, file, set, existing);
    std::printf("Read %s: rank %lld, %lld head%s on %zu kinds of layers, %s%s.\nAdapter: %s\n",
                std::string(text_of(kind)).c_str(), static_cast<long long>(file.rank),
                static_cast<long long>(file.heads), file.heads == 1 ? "" : "s", file.target_modules.size(),
                concat("scaling ", file.alpha / static_cast<double>(file.rank)).c_str(), layers.c_str(),
                target.string().c_str());
}

}  // namespace hydra
