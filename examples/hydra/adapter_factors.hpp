// The A's and B's of an adapter directory, module by module, without the base that they belong to.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <hydralora/analysis/dense.hpp>

namespace hydra {

using hydralora::Index;

struct ModuleFactors {
    std::string name;                        // "layers.0.self_attn.q_proj"
    Index layer = 0;                         //
    std::size_t target = 0;                  // of io::lora_modules
    std::vector<hydralora::DoubleMatrix> a;  // (r, in) each: one, or one a head
    std::vector<hydralora::DoubleMatrix> b;  // (out, r) each: one a head
};

struct AdapterFactors {
    std::string file;                    // of the tensors, for messages
    std::vector<ModuleFactors> modules;  // by layer, in the order of io::lora_modules; all of as many A's and B's

    [[nodiscard]] Index heads() const { return static_cast<Index>(modules.front().b.size()); }
    [[nodiscard]] Index a_count() const { return static_cast<Index>(modules.front().a.size()); }
};

/// Of an adapter of ours, of the released HydraLoRA code, or a LoRA of PEFT. Errors name the file and what is wrong.
[[nodiscard]] AdapterFactors read_factors(const std::filesystem::path& adapter);

/// Throws, naming both files, the module and both shapes, unless the two adapt the same modules with A's and B's of the
/// same shapes. Heads may differ in number.
void check_comparable(const AdapterFactors& one, const AdapterFactors& other);

}  // namespace hydra
