#include "merged_matrix.hpp"

#include <cmath>
#include <cstdio>
#include <cstring>

#include <hydralora/adapter/collapse.hpp>
#include <hydralora/io/staged_directory.hpp>

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

void Rounding::add(float before, float after, float stored) {
    const double exact = static_cast<double>(after), delta = exact - static_cast<double>(before),
                 error = static_cast<double>(stored) - exact;
    whole += exact * exact;
    added += delta * delta;
    lost += error * error;
}

void Rounding::add_type(std::string_view name) {
    if ((", " + types + ",").find(concat(", ", name, ",")) != std::string::npos) return;
    types += concat(types.empty() ? "" : ", ", name);
}

Rounding& Rounding::operator+=(const Rounding& other) {
    whole += other.whole;
    added += other.added;
    lost += other.lost;
    return *this;
}

std::string percent_of(double part, double whole) {
    if (!(whole > 0)) return "-";
    char text[32];
    std::snprintf(text, sizeof text, "%.3g %%", 100 * std::sqrt(part / whole));
    return text;
}

std::string rounding_text(const Rounding& rounding) {
    return concat("stored as ", rounding.types.empty() ? "the base's own" : rounding.types,
                  "; rounding to it changes what was added by ", percent_of(rounding.lost, rounding.added),
                  " (root mean square)");
}

std::string rounding_warning(const Rounding& rounding, std::string_view way_out) {
    constexpr double most = 0.25;
    if (!(rounding.lost > most * most * rounding.added)) return {};
    return concat("Warning: rounding changes what was added by ", percent_of(rounding.lost, rounding.added),
                  ", so that much of what was trained is lost; ", way_out, '\n');
}

namespace {

template <class T>
std::vector<std::byte> stored(MatrixView<const float> after, MatrixView<const float> before, const std::string& where,
                              Rounding& rounding) {
    std::vector<std::byte> bytes(static_cast<std::size_t>(after.size()) * sizeof(T));
    rounding.add_type(io::dtype_name(io::dtype_of<T>()));
    for (Index i = 0; i < after.size(); ++i) {
        const T value(after.data[i]);
        check(std::isfinite(static_cast<float>(value)), where, ": element ", i, " is ", after.data[i],
              " after merging, which ", io::dtype_name(io::dtype_of<T>()), " cannot hold");
        rounding.add(before.data[i], after.data[i], static_cast<float>(value));
        std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof(T), &value, sizeof(T));
    }
    return bytes;
}

}  // namespace

std::vector<std::byte> stored_as(io::Dtype type, MatrixView<const float> after, MatrixView<const float> before,
                                 const std::string& where, Rounding& rounding) {
    if (type == io::Dtype::bf16) return stored<bfloat16>(after, before, where, rounding);
    if (type == io::Dtype::f16) return stored<float16>(after, before, where, rounding);
    if (type == io::Dtype::f32) return stored<float>(after, before, where, rounding);
    fail(where, ": expected F32, BF16 or F16, found ", io::dtype_name(type), ", which is not merged");
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

}  // namespace hydra
