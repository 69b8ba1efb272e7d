#include "quantise_base.hpp"

#include <hydralora/weight/quantised_matrix.hpp>

#include "base_model.hpp"

namespace hydra {

using namespace hydralora;

namespace {

/// The pages of a matrix that nobody will read in its file any more.
void leave(const BaseModel& base, const StoredView<HostBackend>& matrix) {
    matrix.visit([&](const auto& view) {
        if constexpr (!is_quant_view<std::decay_t<decltype(view)>>) {
            const auto bytes = std::as_bytes(std::span(view.data, static_cast<std::size_t>(view.rows * view.ld)));
            for (const auto& file : base.files.directory().files()) {
                const auto all = file.file_bytes();
                if (bytes.data() >= all.data() && bytes.data() + bytes.size() <= all.data() + all.size())
                    io::release_pages(bytes);
            }
        }
    });
}

}  // namespace

QuantFormat format_of(Quantise how) {
    check(how != Quantise::none, "format_of: Quantise::none has none");
    switch (how) {
        case Quantise::nf4:
        case Quantise::nf4_head:
            return Nf4{}.format();
        case Quantise::nf4_nested:
        case Quantise::nf4_nested_head:
            return Nf4{.scales = Nf4Scales::nested}.format();
        default:
            return Int8::format();
    }
}

void check_to_quantise(const std::filesystem::path& base, bool is_gguf, Quantise how) {
    check(how == Quantise::none || !is_gguf, "--quantise ", enum_name(how, quantise_names),
          ": quantises the matrices of a model directory; those of ", base.string(),
          ", a GGUF file, are used as they are stored; leave it out");
}

QuantisedBytes quantised_bytes(const io::ModelFiles& files, LmHead head, Quantise how) {
    QuantisedBytes sum;
    for (std::size_t i = 0; i < files.size(); ++i) {
        const io::TensorEntry& entry = *files.tensor(i).entry;
        if (!quantises(how, head, entry.name)) continue;
        sum.before += static_cast<Index>(entry.end - entry.begin);
        sum.after += QuantisedMatrix<HostBackend>::planned_bytes(entry.shape.matrix(), format_of(how));
    }
    return sum;
}

void quantise_base(HostBackend& be, BaseModel& base, Quantise how) {
    if (how == Quantise::none) return;
    check_to_quantise(base.name, base.files.is_gguf(), how);
    base.quantise = how;
    const auto quantise = [&](StoredView<HostBackend>& view, auto& converted, const std::string& name) {
        base.quantised.emplace_back(be, view, format_of(how), name);
        leave(base, view);
        converted = {};
        view = base.quantised.back().view();
    };
    for (std::size_t l = 0; l < base.files.views.layers.size(); ++l)
        for (std::size_t t = 0; t < target_count; ++t)
            quantise(base.files.views.layers[l].projections[t], base.files.converted.layers[l].projections[t],
                     concat("model.layers.", l, '.', target_paths[t]));
    if (!takes_head(how)) return;
    if (base.config.lm_head == LmHead::tied)
        quantise(base.files.views.embedding, base.files.converted.embedding, "model.embed_tokens");
    else
        quantise(base.files.views.lm_head, base.files.converted.lm_head, "lm_head");
}

}  // namespace hydra
