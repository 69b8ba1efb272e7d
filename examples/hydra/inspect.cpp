#include "inspect.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <hydralora/core/check.hpp>
#include <hydralora/io/adapter_config.hpp>
#include <hydralora/io/adapter_kind.hpp>
#include <hydralora/io/checkpoint.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>
#include <hydralora/io/model_files.hpp>
#include <hydralora/io/safetensors.hpp>

#include "compare_runs.hpp"
#include "inspect_gguf.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;
namespace fs = std::filesystem;
using io::Json;
using io::JsonView;

namespace {

/// Norm and largest element of a tensor, a piece at a time; nothing of integers.
std::pair<std::string, std::string> sizes_of(const io::SafetensorsFile& file, const io::TensorEntry& entry) {
    if (!io::readable_as<double>(entry.dtype)) return {};
    constexpr Index piece = 4096;
    std::vector<double> values(piece);
    const std::byte* from = file.bytes(entry).data();
    const auto width = static_cast<Index>(io::dtype_bytes(entry.dtype));
    double squares = 0, most = 0;
    for (Index i = 0, size = entry.shape.matrix().size(); i < size; i += piece) {
        const Index n = std::min(piece, size - i);
        io::convert_elements(entry.dtype, from + i * width, values.data(), n);
        for (Index k = 0; k < n; ++k) {
            const double v = values[static_cast<std::size_t>(k)];
            squares += v * v;
            most = std::isnan(v) || std::isnan(most) ? std::numeric_limits<double>::quiet_NaN()
                                                     : std::max(most, std::abs(v));
        }
    }
    return {fixed(std::sqrt(squares), 4), fixed(most, 4)};
}

std::string tensors_text(const io::SafetensorsFile& file) {
    Table table({"tensor", "type", "shape", "norm", "largest"});
    Index count = 0;
    for (const auto& entry : file.entries()) {
        const Shape shape = entry.shape.matrix();
        count += shape.size();
        const auto [norm, largest] = sizes_of(file, entry);
        table.add({escaped(entry.name), std::string(io::dtype_name(entry.dtype)), entry.shape.text(), norm, largest});
    }
    return table.text() + counted(static_cast<Index>(file.entries().size()), "tensor") + ", " +
           counted(count, "element") + "\n";
}

std::string run_text(const fs::path& path) {
    const fs::path run_path = path / "run.json";
    const Json run = io::read_json(run_path);
    std::string text = "Run\n" + io::to_text(run, 2) + "\n";
    if (io::path_exists(path / "checkpoints"))
        for (const auto& name : io::list_directory(path / "checkpoints")) text += "checkpoint " + name + "\n";
    return text;
}

std::string one(const fs::path& path) {
    if (path.extension() == ".gguf") return inspect_gguf(path);
    if (path.extension() == ".safetensors") return tensors_text(io::SafetensorsFile::open(path));
    if (io::path_exists(path / io::adapter_config_name)) {
        const io::AdapterKind kind = io::kind_of(path);
        const bool peft = kind == io::AdapterKind::peft, mlx = kind == io::AdapterKind::mlx;
        const Json config =
            peft || mlx ? io::read_adapter_json(path).document : io::to_json(io::read_adapter_config(path));
        return (peft  ? "Adapter of PEFT\n"
                : mlx ? "LoRA of mlx-lm\n"
                      : "Adapter\n") +
               io::to_text(config, 2) + "\n" +
               tensors_text(io::SafetensorsFile::open(path / (mlx ? io::mlx_tensors_name : io::adapter_tensors_name)));
    }
    if (io::path_exists(path / "config.json")) {
        const fs::path config = path / "config.json";
        std::string text = "Model\n" + io::to_text(io::read_json(config), 2) + "\n";
        const auto model = io::ModelFiles::open(path);
        for (const auto& file : model.files()) text += tensors_text(file);
        return text;
    }
    if (io::path_exists(path / "manifest.json")) {
        const auto manifest = path / "manifest.json";
        const io::Json document = io::read_json(manifest);
        const std::string file = manifest.string();
        const Index step = JsonView(document, file)["step"].integer(0, std::numeric_limits<Index>::max());
        const auto checkpoint = io::load_checkpoint({path, step});
        return concat("Checkpoint after step ", checkpoint.step, ", checksums hold\n", io::to_text(checkpoint.state, 2),
                      "\n") +
               tensors_text(checkpoint.tensors);
    }
    if (io::path_exists(path / "run.json")) return run_text(path);
    fail(path.string(),
         ": expected a safetensors or GGUF file, or the directory of an adapter, model, checkpoint or run");
}

}  // namespace

std::string inspect(const std::vector<fs::path>& paths) {
    if (paths.size() > 1) return compare_runs(paths);
    std::string text = one(paths.front());
    if (io::path_exists(paths.front() / "report.json")) text += "\n" + compare_runs(paths);
    return text;
}

}  // namespace hydra
