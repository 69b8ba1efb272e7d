// hydra merge into a GGUF file: the adapted matrices in another type, everything else as the base has it.
#include "merge_gguf.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include <hydralora/io/gguf_llama.hpp>
#include <hydralora/io/gguf_writer.hpp>
#include <hydralora/quant/decode.hpp>
#include <hydralora/quant/encode_q8_0.hpp>

#include "merged_matrix.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

const io::GgmlType& type_of(MergeType type) {
    static constexpr std::array<std::string_view, merge_type_names.size()> names{"F32", "F16", "BF16", "Q8_0"};
    return io::ggml_type(names[static_cast<std::size_t>(type)]);
}

void encode_row(MergeType type, const float* row, Index cols, std::byte* to) {
    const auto cast = [&]<class T>(T) {
        for (Index j = 0; j < cols; ++j) {
            const T value(row[j]);
            std::memcpy(to + j * static_cast<Index>(sizeof(T)), &value, sizeof(T));
        }
    };
    switch (type) {
        case MergeType::f32:
            return cast(float{});
        case MergeType::f16:
            return cast(float16{});
        case MergeType::bf16:
            return cast(bfloat16{});
        case MergeType::q8_0:
            break;
    }
    quant::encode_q8_0(row, cols, reinterpret_cast<std::uint8_t*>(to));
}

/// The matrix in its new type, with its rows in the order of the file.
std::vector<std::byte> encoded(const MergedMatrix& merged, MergeType type, RowOrder order, const std::string& where,
                               Rounding& rounding) {
    const auto after = merged.sum.view(), before = merged.w0.view();
    const io::GgmlType& to = type_of(type);
    check(after.cols % static_cast<Index>(to.block) == 0, where, ": has rows of ", after.cols, " elements, expected a ",
          "multiple of ", to.block, " for ", to.name, "; give --to f16, bf16 or f32");
    const QuantFormat format = *io::gguf_detail::quant_format(to);
    const Index row_size = row_bytes(format, after.cols);
    std::vector<std::byte> bytes(static_cast<std::size_t>(after.rows * row_size));
    for (Index i = 0; i < after.rows; ++i)
        encode_row(type, after.row(i), after.cols, bytes.data() + order.place_of(i) * row_size);
    const QuantView<host> stored(reinterpret_cast<const std::uint8_t*>(bytes.data()), format, after.rows, after.cols,
                                 order);
    std::vector<float> row(static_cast<std::size_t>(after.cols));
    for (Index i = 0; i < after.rows; ++i) {
        quant::decode(stored, i, 1, 0, after.cols, row.data(), after.cols);
        for (Index j = 0; j < after.cols; ++j) {
            const float value = row[static_cast<std::size_t>(j)];
            check(std::isfinite(value), where, ": element (", i, ", ", j, ") is ", after(i, j),
                  " after merging, which ", to.name, " cannot hold; give --to bf16 or f32");
            rounding.add(before(i, j), after(i, j), value);
        }
    }
    return bytes;
}

}  // namespace

void merge_gguf(const MergeOptions& options, Session& session, const std::filesystem::path& target) {
    const MergeType type = options.to.value_or(MergeType::f16);
    const io::GgufParts& parts = session.base().files.gguf();
    const LlamaConfig& model = session.base().config;
    std::vector<io::GgufTensor> tensors;
    for (const io::GgufFile& file : parts.files())
        for (const io::GgufEntry& entry : file.entries()) tensors.push_back(io::gguf_tensor(file, entry));

    std::deque<std::vector<std::byte>> memory;
    std::array<Rounding, target_count> kinds;
    for (Index l = 0; l < model.layers; ++l)
        for (const Target t : session.adapter_config().targets) {
            const MergedMatrix merged = merged_matrix(session, l, t);
            const std::string path = concat("model.layers.", l, '.', target_paths[index_of(t)], ".weight");
            const std::string name = io::gguf_detail::tensor_name(path, model);
            const auto at = std::find_if(tensors.begin(), tensors.end(), [&](const auto& x) { return x.name == name; });
            memory.push_back(encoded(merged, type, io::gguf_detail::row_order(model, path), parts.find(name).where(),
                                     kinds[index_of(t)]));
            at->type = type_of(type);
            at->data = memory.back().data();
            at->row_bytes = at->stride_bytes = static_cast<Index>(memory.back().size());
        }
    io::GgufFields fields = io::gguf_fields(parts.first());
    const ModelChat said = model_chat(session.vocabulary(), session.chat(""));
    const auto put = [&](const std::string& key, io::GgufScalar value) {
        std::erase_if(fields, [&](const auto& field) { return field.first == key; });
        fields.emplace_back(key, std::move(value));
    };
    if (said.chat_template) put("tokenizer.chat_template", io::GgufScalar(*said.chat_template));
    if (said.end_of_turn)
        put("tokenizer.ggml.eot_token_id", io::GgufScalar(static_cast<std::uint32_t>(*said.end_of_turn)));
    io::replace_file_with(target, [&](io::FileWriter& writer) {
        io::write_gguf_blocks([&](std::span<const std::byte> bytes) { writer.write(bytes); }, fields, tensors);
    });

    Table table({concat("error of ", type_of(type).name, ", root mean square"), "of the weights", "of what was added"});
    Rounding all;
    const auto add = [&](std::string_view name, const Rounding& r) {
        table.add({std::string(name), percent_of(r.lost, r.whole), percent_of(r.lost, r.added)});
    };
    for (const Target t : session.adapter_config().targets) {
        add(target_names[index_of(t)], kinds[index_of(t)]);
        all += kinds[index_of(t)];
    }
    add("all", all);
    std::printf("Merged %s, stored as %s; all else is as the base has it.\n%s%sModel: %s\n",
                counted(static_cast<long long>(memory.size()), "weight").c_str(),
                std::string(type_of(type).name).c_str(), table.text().c_str(), said.note.c_str(),
                target.string().c_str());
    std::fputs(rounding_warning(all, "keep adapter and base apart, or give --to f16 or f32").c_str(), stderr);
}

}  // namespace hydra
