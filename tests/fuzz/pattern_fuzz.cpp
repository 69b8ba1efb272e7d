// A pattern, a line feed, a text of any bytes: the pattern is refused or matches from left to right, and the pieces are the text.
// In time and memory bounded by the lengths (run.sh), whatever the pattern.
#include <hydralora/text/split.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace hydralora;
using text::GrowthLimit;
using text::Regex;
using text::Split;
using text::SplitBehaviour;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

void use(const Regex& regex, std::string_view text) {
    for (const SplitBehaviour behaviour :
         {SplitBehaviour::isolated, SplitBehaviour::removed, SplitBehaviour::merged_with_previous,
          SplitBehaviour::merged_with_next, SplitBehaviour::contiguous}) {
        GrowthLimit limit("the pre-tokenizer", "encode", text.size());
        std::size_t done = 0;
        for (const auto& piece : text::split_pieces(text, Split{regex, behaviour}, limit)) {
            require(piece.begin == done && piece.end >= piece.begin);
            done = piece.end;
        }
        require(done == text.size());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t end = std::min(input.find('\n'), input.size());
    const std::string_view text = input.substr(std::min(end + 1, input.size()));
    try {
        use(Regex(input.substr(0, end)), text);
    } catch (const Error&) {
    }
    return 0;
}
