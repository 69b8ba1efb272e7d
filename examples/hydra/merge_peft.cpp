#include "merge_peft.hpp"

#include <cstdio>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <hydralora/io/base_copies.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/peft_changes.hpp>

#include "base_model.hpp"
#include "merged_matrix.hpp"
#include "options.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;
using io::embedding_name;
using io::head_name;

namespace {

/// Leaves out whole tensors that are the base's own.
void leave_out_copies(io::PeftChanges& changes, const BaseModel& base, const std::filesystem::path& adapter) {
    std::vector<std::string> equal;
    for (const std::string& name : changes.whole_names()) {
        const bool head = name == head_name && base.config.lm_head == LmHead::tied;
        const auto from =
            io::llama_files_detail::find_weight(base.files.directory(), head ? embedding_name : name, base.config);
        if (from.entry == nullptr) continue;
        const Shape shape = from.entry->shape.matrix();
        std::vector<float> values(static_cast<std::size_t>(shape.size()));
        from.file->read_as(from.entry->name, host_view(values.data(), shape.rows, shape.cols));
        if (changes.leave_out_copy(name, host_view(std::as_const(values).data(), shape.rows, shape.cols)))
            equal.push_back(name);
    }
    if (!equal.empty())
        std::fprintf(stderr, "Note: %s: %s\n", adapter.string().c_str(), io::copies_text(equal).c_str());
}

/// The tensors of the base's directory with the changes in them. A tied head that is changed becomes one of its own.
struct Merged {
    HostBackend& be;
    const BaseModel& base;
    const io::PeftChanges& changes;
    std::deque<std::vector<std::byte>> memory{};
    std::vector<io::NamedTensor> tensors{};
    Rounding rounding{};

    void keep(std::string_view name, const io::ModelFiles::Tensor& from) {
        tensors.push_back(
            io::named_tensor(std::string(name), from.entry->dtype, from.entry->shape, from.file->bytes(*from.entry)));
    }
    void change(const std::string& name, const io::ModelFiles::Tensor& from) {
        const Shape shape = from.entry->shape.matrix();
        std::vector<float> before(static_cast<std::size_t>(shape.size()));
        from.file->read_as(from.entry->name, host_view(before.data(), shape.rows, shape.cols));
        std::vector<float> after = before;
        changes.apply(be, name, host_view(after.data(), shape.rows, shape.cols));
        memory.push_back(stored_as(from.entry->dtype, host_view(std::as_const(after).data(), shape.rows, shape.cols),
                                   host_view(std::as_const(before).data(), shape.rows, shape.cols), from.where(),
                                   rounding));
        tensors.push_back(io::named_tensor(name, from.entry->dtype, from.entry->shape, memory.back()));
    }
    void all() {
        const io::ModelFiles& files = base.files.directory();
        const bool tied = base.config.lm_head == LmHead::tied;
        for (std::size_t i = 0; i < files.size(); ++i) {
            const auto tensor = files.tensor(i);
            const std::string& name = tensor.entry->name;
            if (tied && name == head_name) {  // a copy, or the one name that the two share
                if (files.find(embedding_name).entry == nullptr) keep(embedding_name, tensor);
            } else if (changes.changes(name)) {
                change(name, tensor);
            } else {
                keep(name, tensor);
            }
        }
        if (tied && changes.changes(head_name))
            change(std::string(head_name), io::llama_files_detail::find_weight(files, embedding_name, base.config));
    }
};

}  // namespace

void merge_peft(const MergeOptions& options, const std::filesystem::path& target) {
    check(
        !is_gguf(options.base), options.base.string(),
        ": is a GGUF file, and a LoRA of PEFT is merged into a model directory only; name the directory, or let `hydra "
        "import` make an adapter of ",
        options.adapter.string(), ", which `hydra merge` adds to a GGUF file");
    HostBackend be({.threads = options.threads, .slab_rows = slab_rows});
    const BaseModel base = load_base(be, options.base);
    io::PeftChanges changes = io::PeftChanges::open(options.adapter);
    leave_out_copies(changes, base, options.adapter);
    const bool tied = base.config.lm_head == LmHead::tied;
    check(!tied || !changes.changes(embedding_name), options.adapter.string(),
          ": trains the embedding, which is the head of this base too, and programs differ in what becomes of that; ",
          io::peft_detail::merge_in_python);
    for (const std::string& name : changes.names())
        check((tied && name == head_name) || base.files.directory().find(name).entry != nullptr,
              options.adapter.string(), ": changes ", io::in_quotes(name),
              ", which the base does not have; is it the base that it was trained on?");
    Merged merged{be, base, changes};
    merged.all();
    io::Json settings = io::read_json(options.base / "config.json");
    if (tied && changes.changes(head_name)) settings.set("tie_word_embeddings", false);
    write_merged(target, companions_of(options.base), merged.tensors, io::to_text(settings, 2) + '\n');
    std::printf("Merged a LoRA of PEFT into %s, %s.\nModel: %s\n",
                counted(static_cast<long long>(merged.memory.size()), "weight").c_str(),
                rounding_text(merged.rounding).c_str(), target.string().c_str());
    std::fputs(rounding_warning(merged.rounding, wider_base).c_str(), stderr);
}

}  // namespace hydra
