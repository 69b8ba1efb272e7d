#include <algorithm>
#include <cstdio>
#include <deque>
#include <string>
#include <vector>

#include <hydralora/adapter/collapse.hpp>
#include <hydralora/io/adapter_kind.hpp>

#include "companions.hpp"
#include "import.hpp"
#include "merge_gguf.hpp"
#include "merge_peft.hpp"
#include "merged_matrix.hpp"
#include "outputs.hpp"
#include "session.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

/// The tensors of the base's directory with those of the adapted projections merged, which `memory` keeps.
std::vector<io::NamedTensor> merged_tensors(Session& session, std::deque<std::vector<std::byte>>& memory,
                                            Rounding& rounding) {
    const io::ModelFiles& files = session.base().files.directory();
    std::vector<io::NamedTensor> tensors;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto tensor = files.tensor(i);
        tensors.push_back(io::named_tensor(tensor.entry->name, tensor.entry->dtype, tensor.entry->shape,
                                           tensor.file->bytes(*tensor.entry)));
    }
    for (std::size_t l = 0; l < session.adapters().layers.size(); ++l)
        for (const Target t : session.adapter_config().targets) {
            const MergedMatrix merged = merged_matrix(session, static_cast<Index>(l), t);
            const std::string name = concat("model.layers.", l, '.', target_paths[index_of(t)], ".weight");
            const auto at = std::find_if(tensors.begin(), tensors.end(), [&](const auto& x) { return x.name == name; });
            memory.push_back(
                stored_as(at->dtype, merged.sum.view(), merged.w0.view(), files.find(name).where(), rounding));
            at->data = memory.back().data();
        }
    return tensors;
}

}  // namespace

void run_merge(const MergeOptions& options) {
    const auto target = options.out.has_filename() ? options.out : options.out.parent_path();
    check(!target.empty() && !io::path_exists(target), target.string(), ": exists already; choose another --out");
    check_output(target, "--out");
    check(!options.to || is_gguf(options.base), "--to ",
          enum_name(options.to.value_or(MergeType::f32), merge_type_names),
          ": is for GGUF files; a model directory keeps the type that it is stored in");
    if (io::kind_of(options.adapter) == io::AdapterKind::peft) return merge_peft(options, target);
    io::check_no_import(io::adapter_kind(options.adapter), options.adapter);
    Session session(options.base, options.adapter, host_options(options.threads), 0, Quantise::none);
    const LlamaAdapterConfig& config = session.adapter_config();
    check(has_fixed_gates(config.adapter), options.adapter.string(), ": the gate ",
          enum_name(config.adapter.gate, adapter_names::gate),
          " depends on the token, so that no one weight holds the adapter; `hydra export --to peft-collapsed --text "
          "FILE`, `hydra import` and `hydra merge` of that merge it with the mean gates of a text");
    if (session.base().files.is_gguf()) return merge_gguf(options, session, target);
    std::deque<std::vector<std::byte>> memory;
    Rounding rounding;
    const auto tensors = merged_tensors(session, memory, rounding);
    const ModelChat said = model_chat(session.vocabulary(), session.chat(""));
    const auto settings = io::MappedFile::open(options.base / "config.json");
    write_merged(target, companions_with(options.base, said), tensors, settings.text());
    std::printf("Merged %s, %s.\n%sModel: %s\n", counted(static_cast<long long>(memory.size()), "weight").c_str(),
                rounding_text(rounding).c_str(), said.note.c_str(), target.string().c_str());
    std::fputs(rounding_warning(rounding, wider_base).c_str(), stderr);
}

}  // namespace hydra
