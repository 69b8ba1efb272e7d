// hydra export: an adapter in the formats that others read.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include <hydralora/core/view.hpp>

namespace hydra {

/// Ours; the released HydraLoRA code's; one LoRA a head, or one under fixed gates, for PEFT or for llama.cpp.
enum class ExportKind { native, released, peft_heads, peft_collapsed, gguf_heads, gguf_collapsed };
inline constexpr std::array<std::string_view, 6> export_kind_names{"native",         "released",   "peft-heads",
                                                                   "peft-collapsed", "gguf-heads", "gguf-collapsed"};

/// What elements of exports are stored in.
enum class ExportType { f32, f16, bf16 };
inline constexpr std::array<std::string_view, 3> export_type_names{"f32", "f16", "bf16"};

/// Whether an output that exists is replaced.
enum class Overwrite { refuse, replace };

struct ExportOptions {
    std::filesystem::path adapter, base, out;
    ExportKind to = ExportKind::native;
    ExportType type = ExportType::f32;
    std::vector<std::filesystem::path> text;  ///< whose mean gates are used, and on which the change is measured
    std::vector<double> gates;                ///< fixed gates instead, one a head, for every adapted layer
    hydralora::Index sequence_length = 256;   ///< of the pieces that the text is cut into
    Overwrite overwrite = Overwrite::refuse;
    int threads = 0;
};

/// Writes the export and prints what it holds and what it costs. Nothing is written unless everything is in order.
void run_export(const ExportOptions& options);

}  // namespace hydra
