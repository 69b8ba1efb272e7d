#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include <hydralora/io/adapter_kind.hpp>
#include <hydralora/io/safetensors_writer.hpp>
#include <hydralora/io/staged_directory.hpp>

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

MergedMatrix merged_matrix(Session& session, Index layer, Target target) {
    HostBackend& be = session.backend();
    const auto l = static_cast<std::size_t>(layer), t = index_of(target);
    const AdapterConfig adapter = session.adapter_config().at(session.base().config, target);
    const AdapterConfig lora = collapsed_config(adapter);
    auto one = make_params(be, lora);
    collapse(be, adapter, session.adapters().layers[l][t], fixed_gates(adapter), one);
    MergedMatrix merged{{be, lora.out, lora.in}, {be, lora.out, lora.in}};
    session.base().files.views.layers[l].projections[t].visit(
        [&](auto view) { ops::widen(be, view, merged.w0.view()); });
    be.copy(ConstParamView<HostBackend>(merged.w0.view()), merged.sum.view());
    add_delta_weight(be, lora, one, merged.sum.view());
    return merged;
}

void write_merged(const std::filesystem::path& target, const std::vector<Companion>& others,
                  const std::vector<io::NamedTensor>& tensors, std::string_view settings) {
    const io::FileCalls calls;
    io::StagedDirectory staged(io::directory_of(target), "." + target.filename().string() + ".tmp-", calls);
    io::FileWriter writer(staged.path() / io::model_tensors_name, calls);
    io::write_safetensors([&](std::span<const std::byte> bytes) { writer.write(bytes); }, tensors, {{"format", "pt"}});
    writer.finish();
    for (const Companion& each : others) io::write_file(staged.path() / each.name, each.text);
    io::write_file(staged.path() / "config.json", settings);
    staged.commit(target);
}

void run_merge(const MergeOptions& options) {
    const auto target = options.out.has_filename() ? options.out : options.out.parent_path();
    check(!target.empty() && !io::path_exists(target), target.string(), ": exists already; choose another --out");
    check_output(target, "--out");
    if (is_peft(options.adapter)) return merge_peft(options, target);
    io::check_no_import(io::adapter_kind(options.adapter), options.adapter);
    Session session(options.base, options.adapter, host_options(options.threads), 0, Quantise::none);
    const LlamaAdapterConfig& config = session.adapter_config();
    check(has_fixed_gates(config.adapter), options.adapter.string(), ": the gate ",
          enum_name(config.adapter.gate, adapter_names::gate),
          " depends on the token, so that no one weight holds the adapter; `hydra export --to peft-collapsed --text "
          "FILE`, "
          "`hydra import` and `hydra merge` of that merge it with the mean gates of a text");
    if (session.base().files.is_gguf()) return merge_gguf(options, session, target);
    check(!options.to, "--to ", enum_name(options.to.value_or(MergeType::f32), merge_type_names),
          ": is for GGUF files; a model directory keeps the type that it is stored in");

    std::deque<std::vector<std::byte>> memory;
    std::vector<io::NamedTensor> tensors;
    Rounding rounding;
    const io::ModelFiles& files = session.base().files.directory();
    io::Dtype stored_as = io::Dtype::f32;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto tensor = files.tensor(i);
        tensors.push_back(io::named_tensor(tensor.entry->name, tensor.entry->dtype, tensor.entry->shape,
                                           tensor.file->bytes(*tensor.entry)));
    }
    for (std::size_t l = 0; l < session.adapters().layers.size(); ++l)
        for (const Target t : config.targets) {
            const MergedMatrix merged = merged_matrix(session, static_cast<Index>(l), t);
            const std::string name = concat("model.layers.", l, '.', target_paths[index_of(t)], ".weight");
            const auto at = std::find_if(tensors.begin(), tensors.end(), [&](const auto& x) { return x.name == name; });
            const std::string where = files.find(name).where();
            const ConstParamView<HostBackend> after = merged.sum.view(), before = merged.w0.view();
            stored_as = at->dtype;
            if (at->dtype == io::Dtype::bf16)
                memory.push_back(stored<bfloat16>(after, before, where, rounding));
            else if (at->dtype == io::Dtype::f16)
                memory.push_back(stored<float16>(after, before, where, rounding));
            else if (at->dtype == io::Dtype::f32)
                memory.push_back(stored<float>(after, before, where, rounding));
            else
                fail(where, ": expected F32, BF16 or F16, found ", io::dtype_name(at->dtype), ", which is not merged");
            at->data = memory.back().data();
        }

    const ModelChat said = model_chat(session.vocabulary(), session.chat(""));
    const auto settings = io::MappedFile::open(options.base / "config.json");
    write_merged(target, companions_with(options.base, said), tensors, settings.text());
    std::printf(
        "Merged %s weights, stored as %s; rounding to it changes what was added by %.3g %% (root mean square).\n"
        "%sModel: %s\n",
        grouped(static_cast<long long>(memory.size())).c_str(), std::string(io::dtype_name(stored_as)).c_str(),
        rounding.added > 0 ? 100 * std::sqrt(rounding.lost / rounding.added) : 0.0, said.note.c_str(),
        target.string().c_str());
}

}  // namespace hydra
