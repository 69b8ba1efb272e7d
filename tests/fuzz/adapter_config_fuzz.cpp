// Any text as JSON, and as the adapter_config.json of an adapter directory: refused with the library's error, or taken,
// and then the same when written and read again.
#include <hydralora/io/adapter_config.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace hydralora;
using namespace hydralora::io;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const Json json = parse_json(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
        require(parse_json(to_text(json), "compact") == json);
        require(parse_json(to_text(json, 2), "indented") == json);
        const AdapterFileConfig config = adapter_config_from_json(json, "fuzz");
        const Json written = parse_json(to_text(to_json(config)), "written");
        require(adapter_config_from_json(written, "written") == config);
    } catch (const Error&) {
    }
    return 0;
}
