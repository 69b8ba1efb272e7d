// Any text as the config.json of a model directory: refused with the library's error, or taken, and then the shapes of its
// weights can be named; what is written of it reads as the same and is written the same again.
#include <hydralora/io/json.hpp>
#include <hydralora/io/llama_config.hpp>
#include <hydralora/model/params.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace hydralora;
using namespace hydralora::io;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const Json json = parse_json(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
        const LlamaConfig config = llama_config_from_json(JsonView(json, "fuzz"));
        if (config.layers <= 64 && parameter_count(weight_shapes(config)) <= 0) std::abort();
        const Json written = to_json(config, "bfloat16");
        if (to_json(llama_config_from_json(JsonView(written, "written")), "bfloat16") != written) std::abort();
    } catch (const Error&) {
    }
    return 0;
}
