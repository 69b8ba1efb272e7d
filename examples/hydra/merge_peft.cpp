#include "merge_peft.hpp"

#include <cmath>
#include <cstdio>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <hydralora/io/json.hpp>
#include <hydralora/io/peft_changes.hpp>

#include "base_model.hpp"
#include "merged_matrix.hpp"
#include "options.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;
using io::llama_files_detail::embedding_name;
using io::llama_files_detail::head_name;

bool is_peft(const std::filesystem::path& adapter) {
    const auto path = adapter / io::adapter_config_name;
    if (!io::path_exists(path) || !io::path_exists(adapter / io::adapter_tensors_name)) return false;
    const io::Json document = io::read_json(path, {.bytes = std::size_t{16} << 20});
    const io::Json* type = document.find("peft_type");
    const std::string* text = type == nullptr ? nullptr : type->get_if<std::string>();
    return text != nullptr && *text == "LORA" && document.find("lora_nums") == nullptr;
}

void merge_peft(const MergeOptions& options, const std::filesystem::path& target) {
    check(!is_gguf(options.base), options.base.string(), ": is a GGUF file; `hydra import` makes an adapter of ",
          options.adapter.string(), " first, which `hydra merge` adds to such a file");
    check(!options.to, "--to ", enum_name(options.to.value_or(MergeType::f32), merge_type_names),
          ": is for GGUF files; a model directory keeps the type that it is stored in");
    HostBackend be({.threads = options.threads, .slab_rows = slab_rows});
    const BaseModel base = load_base(be, options.base);
    const io::PeftChanges changes = io::PeftChanges::open(options.adapter);
    const io::ModelFiles& files = base.files.directory();
    const bool tied = base.config.lm_head == LmHead::tied;
    check(!tied || !changes.changes(embedding_name), options.adapter.string(),
          ": trains the embedding, which is the head of this base too, and programs differ in what becomes of that; ",
          io::peft_detail::merge_in_python);

    std::deque<std::vector<std::byte>> memory;
    std::vector<io::NamedTensor> tensors;
    Rounding rounding;
    io::Dtype stored_as = io::Dtype::f32;
    const auto merged = [&](const std::string& name, const io::ModelFiles::Tensor& from) {
        const Shape shape = from.entry->shape.matrix();
        std::vector<float> before(static_cast<std::size_t>(shape.size()));
        io::convert_elements(from.entry->dtype, from.file->bytes(*from.entry).data(), before.data(), shape.size());
        std::vector<float> after = before;
        changes.apply(name, host_view(after.data(), shape.rows, shape.cols));
        const auto w0 = host_view(std::as_const(before).data(), shape.rows, shape.cols),
                   sum = host_view(std::as_const(after).data(), shape.rows, shape.cols);
        stored_as = from.entry->dtype;
        const std::string where = from.where();
        memory.push_back(stored_as == io::Dtype::bf16  ? stored<bfloat16>(sum, w0, where, rounding)
                         : stored_as == io::Dtype::f16 ? stored<float16>(sum, w0, where, rounding)
                         : stored_as == io::Dtype::f32 ? stored<float>(sum, w0, where, rounding)
                                                       : (fail(where, ": expected F32, BF16 or F16, found ",
                                                               io::dtype_name(stored_as), ", which is not merged"),
                                                          std::vector<std::byte>{}));
        tensors.push_back(io::named_tensor(name, stored_as, from.entry->shape, memory.back()));
    };
    for (std::size_t i = 0; i < files.size(); ++i) {
        const auto tensor = files.tensor(i);
        const std::string& name = tensor.entry->name;
        if (tied && name == head_name) {  // a copy, or the one name that the two share
            if (files.find(embedding_name).entry == nullptr)
                tensors.push_back(io::named_tensor(std::string(embedding_name), tensor.entry->dtype,
                                                   tensor.entry->shape, tensor.file->bytes(*tensor.entry)));
            continue;
        }
        if (changes.changes(name))
            merged(name, tensor);
        else
            tensors.push_back(
                io::named_tensor(name, tensor.entry->dtype, tensor.entry->shape, tensor.file->bytes(*tensor.entry)));
    }
    io::Json settings = io::read_json(options.base / "config.json");
    for (const std::string& name : changes.names()) {
        if (tied && name == head_name) {
            merged(name, io::llama_files_detail::find_weight(files, embedding_name, base.config));
            settings.set("tie_word_embeddings", false);
        } else {
            check(files.find(name).entry != nullptr, options.adapter.string(), ": changes ", io::in_quotes(name),
                  ", which the base does not have; is it the base that it was trained on?");
        }
    }
    write_merged(target, companions_of(options.base), tensors, io::to_text(settings, 2) + '\n');
    std::printf(
        "Merged a LoRA of PEFT into %s weights, stored as %s; rounding to it changes what was added by %.3g %% (root "
        "mean "
        "square).\nModel: %s\n",
        grouped(static_cast<long long>(memory.size())).c_str(), std::string(io::dtype_name(stored_as)).c_str(),
        rounding.added > 0 ? 100 * std::sqrt(rounding.lost / rounding.added) : 0.0, target.string().c_str());
}

}  // namespace hydra
