// Bytes as a LoRA of llama.cpp: read for a base of each row order; what is read has the shapes that it says, all finite.
#include <hydralora/io/gguf_adapter.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

using namespace hydralora;
using namespace hydralora::io;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    for (const Architecture architecture : {Architecture::llama, Architecture::qwen2}) try {
            const GgufFile file(std::as_bytes(std::span(data, size)), "input");
            const ForeignLora lora = read_gguf_adapter(file, {architecture, 4});
            if (lora.config.rank < 1 || lora.config.alpha < 0 || lora.config.target_modules.empty()) __builtin_trap();
            for (const auto& [place, module] : lora.modules) {
                if (module.a.rows != module.b.cols || module.a.rows > lora.config.rank) __builtin_trap();
                if (static_cast<Index>(module.a.values.size()) != module.a.rows * module.a.cols) __builtin_trap();
                if (!std::isfinite(lora.factor_of(module))) __builtin_trap();
            }
            static_cast<void>(lora.layers_text());
        } catch (const Error&) {
            continue;
        }
    return 0;
}
