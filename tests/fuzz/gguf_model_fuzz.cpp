// Bytes as a model in GGUF: opened as a decoder, and if it is one, the logits of three tokens. Everything that is computed with
// lies in the file, so memory and time are bounded by its size.
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/io/gguf_llama.hpp>
#include <hydralora/model/llama.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

using namespace hydralora;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static EigenBackend be({.threads = 1});
    try {
        std::vector<io::GgufFile> files;
        files.emplace_back(std::as_bytes(std::span(data, size)), "input");
        auto model = io::open_llama(be, io::GgufParts(std::move(files)));
        static_cast<void>(model.checksum());
        LlamaConfig config = model.config;
        config.max_positions = std::min(config.max_positions, Index{4});
        const auto last = static_cast<std::int32_t>(config.vocabulary - 1);
        const std::int32_t ids[] = {0, last, last / 2};
        const Index tokens = std::min(config.max_positions, Index{3});
        const Llama<EigenBackend> decoder(be, config, model.views);
        Llama<EigenBackend>::Cache cache;
        decoder.forward(be, {host_view(ids, 1, tokens), {}, 1, {}}, cache, {.mode = Mode::inference});
        std::vector<float> logits(static_cast<std::size_t>(tokens * config.vocabulary));
        decoder.logits(be, cache, host_view(logits.data(), tokens, config.vocabulary));
    } catch (const Error&) {
        return 0;
    }
    return 0;
}
