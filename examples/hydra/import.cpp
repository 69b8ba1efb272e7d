#include "import.hpp"

#include <cstdio>
#include <string>

#include <hydralora/io/adapter_files.hpp>
#include <hydralora/io/adapter_kind.hpp>
#include <hydralora/io/peft.hpp>

#include "loop.hpp"
#include "session.hpp"

namespace hydra {

using namespace hydralora;

void run_import(const ImportOptions& options) {
    const auto existing = options.overwrite == Overwrite::replace ? io::Existing::replace : io::Existing::refuse;
    const auto target = options.out.has_filename() ? options.out : options.out.parent_path();
    check(options.overwrite == Overwrite::replace || !io::path_exists(target), target.string(),
          ": exists already; choose another --out, or --force replaces it");
    const io::AdapterKind kind = io::adapter_kind(options.path);
    check(kind != io::AdapterKind::native, options.path.string(), ": is an adapter of ours already; use it as it is");
    const bool released = kind == io::AdapterKind::released;
    io::AdapterFileConfig file = released ? io::read_adapter_config(options.path) : io::read_peft_config(options.path);

    B be({.threads = options.threads, .slab_rows = slab_rows});
    const BaseModel base = load_base(be, options.base);
    const LlamaAdapterConfig config = from_file_config(file);
    AdapterBuffers set = make_buffers(be, adapter_shapes(base.config, config));
    if (released)
        io::load_adapter(options.path, set);
    else
        io::load_peft(options.path, set);
    file.base_checksum = base.checksum;
    if (file.base_model_name_or_path.empty()) file.base_model_name_or_path = base.name;
    io::save_adapter(target, file, set, existing);
    std::printf("Read %s: rank %lld, %lld head%s on %zu kinds of layers, %s.\nAdapter: %s\n",
                released ? "a released HydraLoRA adapter" : "a LoRA of PEFT", static_cast<long long>(file.rank),
                static_cast<long long>(file.heads), file.heads == 1 ? "" : "s", file.target_modules.size(),
                concat("scaling ", file.alpha / static_cast<double>(file.rank)).c_str(), target.string().c_str());
}

}  // namespace hydra
