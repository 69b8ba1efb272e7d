#include "import.hpp"

#include <cstdio>
#include <string>

#include <hydralora/io/adapter_files.hpp>
#include <hydralora/io/adapter_kind.hpp>
#include <hydralora/io/peft.hpp>
#include <hydralora/io/quote.hpp>

#include "options.hpp"
#include "outputs.hpp"
#include "session.hpp"

namespace hydra {

using namespace hydralora;

void run_import(const ImportOptions& options) {
    const auto existing = options.overwrite == Overwrite::replace ? io::Existing::replace : io::Existing::refuse;
    const auto target = options.out.has_filename() ? options.out : options.out.parent_path();
    check(options.overwrite == Overwrite::replace || !io::path_exists(target), target.string(),
          ": exists already; choose another --out, or --force replaces it");
    check_output(target, "--out", {options.path, options.base});
    const io::AdapterKind kind = io::adapter_kind(options.path);
    check(kind != io::AdapterKind::native, options.path.string(), ": is an adapter of ours already; use it as it is");
    const bool released = kind == io::AdapterKind::released;
    io::AdapterFileConfig file = released ? io::read_adapter_config(options.path) : io::read_peft_config(options.path);

    HostBackend be({.threads = options.threads, .slab_rows = slab_rows});
    const BaseModel base = load_base(be, options.base);
    const LlamaAdapterConfig config = from_file_config(file);
    HostAdapters set = make_buffers(be, adapter_shapes(base.config, config));
    if (released)
        io::load_adapter(options.path, set);
    else
        io::load_peft(options.path, set);
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
    std::printf("Read %s: rank %lld, %lld head%s on %zu kinds of layers, %s.\nAdapter: %s\n",
                released ? "a released HydraLoRA adapter" : "a LoRA of PEFT", static_cast<long long>(file.rank),
                static_cast<long long>(file.heads), file.heads == 1 ? "" : "s", file.target_modules.size(),
                concat("scaling ", file.alpha / static_cast<double>(file.rank)).c_str(), target.string().c_str());
}

}  // namespace hydra
