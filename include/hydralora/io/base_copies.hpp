// Tensors of a PEFT directory under names of the base's own: copies of what the base has are left out, others refused.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/params.hpp"
#include "llama_files.hpp"
#include "peft.hpp"
#include "tensor_names.hpp"

namespace hydralora::io {

namespace base_copies_detail {

/// The first element that is not the base's: its place, and both.
struct Difference {
    Index row = 0, column = 0;
    float found = 0, base = 0;
};

template <Backend B>
[[nodiscard]] std::optional<Difference> difference(const SafetensorsFile& file, const TensorEntry& entry,
                                                   const StoredView<B>& base, float offset) {
    std::vector<float> found(static_cast<std::size_t>(base.cols)), expected(found.size());
    const std::size_t row_bytes = found.size() * dtype_bytes(entry.dtype);
    for (Index i = 0; i < base.rows; ++i) {
        convert_elements(entry.dtype, file.bytes(entry).data() + static_cast<std::size_t>(i) * row_bytes, found.data(),
                         base.cols);
        base.visit([&](const auto& view) { llama_files_detail::widen_row(view, i, expected.data()); });
        for (std::size_t j = 0; j < found.size(); ++j)
            if (!(found[j] + offset == expected[j]))
                return Difference{i, static_cast<Index>(j), found[j] + offset, expected[j]};
    }
    return std::nullopt;
}

/// "lm_head" of "lm_head.weight"
[[nodiscard]] inline std::string_view module_of(std::string_view name) { return name.substr(0, name.rfind('.')); }

}  // namespace base_copies_detail

/// For users: which tensors were left out, for they are the base's own.
[[nodiscard]] inline std::string copies_text(const std::vector<std::string>& equal) {
    std::string names;
    for (std::size_t i = 0; i < equal.size() && i < 3; ++i) names += concat(i > 0 ? ", " : "", equal[i]);
    return concat(equal.size(), equal.size() == 1 ? " tensor is a copy" : " tensors are copies",
                  " of the base's own, equal to it: ", names, equal.size() > 3 ? " and more" : "", "; left out");
}

/// Throws unless every tensor besides the LoRA is equal to the base's of that name; a note says which ones were left out.
template <Backend B>
void check_copies(PeftLora& peft, const LlamaFiles<B>& base) {
    using namespace base_copies_detail;
    using peft_detail::merge_in_peft;
    std::vector<std::string> equal;
    for (const PeftLora::Copy& copy : peft.copies) {
        if (is_rope_table(copy.name)) continue;
        const bool tied = copy.name == head_name && base.config.lm_head == LmHead::tied;
        const std::string_view wanted = tied ? embedding_name : std::string_view(copy.name);
        const std::string where = peft.file.where(copy.entry), module(module_of(copy.name));
        bool there = false;
        visit(
            [&](const ParamPath& path, const StoredView<B>& view) {
                if (there || path.name() != wanted) return;
                there = true;
                const TensorShape shape = llama_files_detail::file_shape(path, view.shape());
                check(copy.entry.shape == shape, where, ": is a whole ", module, " of shape ", copy.entry.shape.text(),
                      ", the base's has ", shape.text(),
                      copy.entry.shape.matrix().cols == view.cols && copy.entry.shape.matrix().rows > view.rows
                          ? ": tokens were added to the base before it was trained; "
                          : "; ",
                      merge_in_peft);
                peft.file.template check_readable<float>(copy.entry, copy.entry.shape.matrix());
                const double offset = path.role == Role::norm ? llama_files_detail::norm_offset(base.config) : 0;
                if (const auto other = difference<B>(peft.file, copy.entry, view, static_cast<float>(offset)))
                    fail(where, ": is a whole ", module, " besides the LoRA, other than the base's: element (",
                         other->row, ", ", other->column, ") is ", other->found, ", the base's ", other->base, "; ",
                         merge_in_peft);
            },
            base.views);
        check(there, where, ": is a whole ", module, " besides the LoRA, which the base does not have; ",
              merge_in_peft);
        equal.push_back(copy.name);
    }
    if (!equal.empty()) peft.lora.notes.push_back(copies_text(equal));
}

}  // namespace hydralora::io
