// Bytes as adapter_config.json, read as each kind of adapter: ranks and scalings by pattern are in bounds, and what is read can
// be written and read again.
#include <hydralora/io/json.hpp>
#include <hydralora/io/peft_config.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

using namespace hydralora;
using namespace hydralora::io;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const Json document = parse_json(std::string_view(reinterpret_cast<const char*>(data), size), "input");
        try {
            const PeftConfig read = peft_config_from_json(document, "input");
            const AdapterFileConfig config = read.adapter;
            for (const char* module : {"model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj", "lm_head"}) {
                const Index rank = read.rank_of(module);
                if (rank < 1 || rank > 65536 || !std::isfinite(read.scaling_of(module))) __builtin_trap();
            }
            const AdapterFileConfig again = peft_config_from_json(to_peft_json(config), "written").adapter;
            check(again.rank == config.rank, "not the same again");
            if (!(again.alpha == config.alpha)) __builtin_trap();
        } catch (const Error& error) {
            if (std::string_view(error.what()).find("written") == 0) __builtin_trap();
        }
        const AdapterFileConfig native = adapter_config_from_json(document, "input");
        static_cast<void>(to_released_json(native));
    } catch (const Error&) {
        return 0;
    }
    return 0;
}
