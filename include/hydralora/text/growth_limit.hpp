// A bound on what the steps of a tokenizer file make of a text, and on what looking for patterns in it costs.
#pragma once

#include <cstddef>
#include <string_view>

#include "../core/check.hpp"

namespace hydralora::text {

/// How far the steps of a file may swell a text: to 16 times its bytes and 4096 more. Each of them may multiply it, so
/// that without a limit a short file asks for any amount of memory. Steps count what they are about to write.
class GrowthLimit {
public:
    /// For what is made of `from` bytes by the `maker`, whose caller `does` so; both for the message.
    GrowthLimit(std::string_view maker, std::string_view does, std::size_t from)
        : maker_(maker), does_(does), from_(from), most_(16 * from + 4096), most_steps_(16'000 * from + 4'000'000) {}

    void add(std::size_t bytes) {
        if (bytes > most_ - made_) [[unlikely]]
            fail("Tokenizer: ", maker_, " makes ", made_ + bytes, " bytes or more of ", from_, ", expected at most ",
                 most_, "; check the steps of tokenizer.json, or ", does_, " less at once");
        made_ += bytes;
    }
    /// So many steps of matching, each of which goes back to what was read before: 16,000 a byte of the text and four
    /// million more. Patterns of published tokenizers need few a byte, others any number.
    void spend(std::size_t steps) {
        if (steps > most_steps_ - steps_) [[unlikely]]
            fail("Tokenizer: the regular expressions of ", maker_, " take more than ", most_steps_, " steps on ", from_,
                 " bytes; check the patterns of tokenizer.json, or ", does_, " less at once");
        steps_ += steps;
    }
    /// What was added since `keep` is replaced by what the next step makes of it.
    void next_step() { made_ = kept_; }
    /// A piece of the text is done.
    void keep() { kept_ = made_; }

private:
    std::string_view maker_, does_;
    std::size_t from_, most_, made_ = 0, kept_ = 0, most_steps_, steps_ = 0;
};

}  // namespace hydralora::text
