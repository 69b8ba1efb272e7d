// Any text as a model.safetensors.index.json: refused with the library's error, or taken, and then every file name stays in
// its directory and every tensor leads to one of the files.
#include <hydralora/io/shard_index.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace hydralora;
using namespace hydralora::io;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        const auto index = parse_shard_index(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz");
        for (const auto& shard : index.shards)
            if (shard.find_first_of("/\\") != shard.npos || shard.front() == '.') std::abort();
        for (const auto& [tensor, shard] : index.tensors)
            if (shard >= index.shards.size()) std::abort();
    } catch (const Error&) {
    }
    return 0;
}
