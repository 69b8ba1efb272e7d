// Training data from outside: the first byte chooses what the rest is (JSON, text, chat template), the second the chat
// format and the packing. Needs the trainer's parts: data, documents, packing, records, split and vocabulary.cpp.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <hydralora/core/check.hpp>
#include <hydralora/text/chat_format.hpp>

#include "data.hpp"

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

void check_domain(const hydra::Domain& domain, hydralora::Index length) {
    for (const auto* part : {&domain.train, &domain.held_out})
        for (const hydra::Example& e : *part) {
            require(!e.ids.empty() && e.ids.size() == e.labels.size());
            require(static_cast<hydralora::Index>(e.ids.size()) <= length && e.labelled >= 1);
            require(e.starts.empty() || e.starts.size() == e.ids.size());
        }
    for (const hydra::Answer& answer : domain.answers)
        require(static_cast<hydralora::Index>(answer.prompt.size()) <= length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
    if (data[0] % 3 == 2) {
        static_cast<void>(hydralora::text::recognise_chat_template(text));
        static_cast<void>(hydralora::text::without_outer_space(text));
        return 0;
    }
    const hydra::DataOptions options{
        .sequence_length = 16,
        .held_out = 0.3,
        .seed = {1},
        .prompts = data[1] % 2 == 0 ? hydra::Prompts::masked : hydra::Prompts::trained,
        .packing = static_cast<hydra::Packing>(data[1] / 2 % 3),
        .chat = static_cast<hydralora::text::ChatFormat>(data[1] / 6 % hydralora::text::chat_format_names.size()),
        .skip_unusable = data[1] >= 128};
    try {
        check_domain(hydra::read_domain(text, data[0] % 3 == 0 ? "fuzz.json" : "fuzz.txt", options), 16);
    } catch (const hydralora::Error&) {
    }
    return 0;
}
