#include "logits.hpp"

#include <cstdint>
#include <vector>

#include <hydralora/io/safetensors.hpp>
#include <hydralora/io/safetensors_writer.hpp>

namespace hydra {

using namespace hydralora;

namespace {

const io::TensorEntry& ids_entry(const io::SafetensorsFile& file) {
    const auto& entry = file.at("input_ids");
    check(entry.shape.dims().size() == 2 && (entry.dtype == io::Dtype::i64 || entry.dtype == io::Dtype::i32),
          file.where(entry), ": expected I64 or I32 of shape [batch, time], found ", io::dtype_name(entry.dtype), ' ',
          entry.shape.text());
    return entry;
}

/// The tokens of all sequences, (batch, time) row by row, each below the vocabulary.
std::vector<std::int32_t> read_ids(const io::SafetensorsFile& file, const io::TensorEntry& entry, Index vocabulary) {
    const Shape shape = entry.shape.matrix();
    std::vector<std::int32_t> ids;
    const auto take = [&](auto view) {
        for (Index i = 0; i < shape.rows; ++i)
            for (Index t = 0; t < shape.cols; ++t) {
                check(view(i, t) >= 0 && view(i, t) < vocabulary, file.where(entry), ": element (", i, ", ", t,
                      "): expected a token below the model's vocab_size = ", vocabulary, ", found ", view(i, t));
                ids.push_back(static_cast<std::int32_t>(view(i, t)));
            }
    };
    if (entry.dtype == io::Dtype::i32)
        take(file.view<std::int32_t>(entry.name));
    else
        take(file.view<std::int64_t>(entry.name));
    return ids;
}

}  // namespace

Index longest_sequence(const std::filesystem::path& tokens) {
    const auto file = io::SafetensorsFile::open(tokens);
    return ids_entry(file).shape.dims()[1];
}

void write_logits(Session& session, const std::filesystem::path& tokens, const std::filesystem::path& logits) {
    HostBackend& be = session.backend();
    const auto& config = session.model().config();
    const auto file = io::SafetensorsFile::open(tokens);
    const auto& entry = ids_entry(file);
    const Index batch = entry.shape.dims()[0], time = entry.shape.dims()[1], vocabulary = config.vocabulary;
    check(batch >= 1 && time >= 1 && time <= config.max_positions, file.where(entry),
          ": expected at least one sequence of 1 to ", config.max_positions, " tokens, found ", entry.shape.text());
    const auto ids = read_ids(file, entry, vocabulary);

    Llama<HostBackend>::Cache cache;
    cache.keep = Keep::nothing;
    Pass<HostBackend> pass;
    pass.mode = Mode::inference;
    ActivationBuffer<HostBackend> rows(be, time, vocabulary);
    const auto row_bytes = vocabulary * static_cast<Index>(sizeof(float));
    io::replace_file_with(logits, [&](io::FileWriter& writer) {
        const io::NamedTensor tensor{"logits", io::Dtype::f32, io::TensorShape{batch, time, vocabulary},
                                     nullptr,  batch * time,   row_bytes,
                                     row_bytes};
        io::write_safetensors_header([&](std::span<const std::byte> bytes) { writer.write(bytes); },
                                     std::span(&tensor, 1));
        for (Index s = 0; s < batch; ++s) {
            const auto sequence = host_view(ids.data() + s * time, 1, time);
            session.model().forward(be, {sequence, {}, 1, {}}, cache, pass);
            session.model().logits(be, cache, rows.view());
            writer.write(std::as_bytes(std::span(rows.view().data, static_cast<std::size_t>(time * vocabulary))));
        }
    });
}

}  // namespace hydra
