// The lines of a text.
#pragma once

#include <algorithm>
#include <string_view>

#include <hydralora/core/view.hpp>

namespace hydra {

/// Calls f(line, number) for each line, without the \n that ends it and numbered from 1, until f returns false.
template <class F>
void each_line(std::string_view text, F&& f) {
    for (hydralora::Index number = 1; !text.empty(); ++number) {
        const std::string_view line = text.substr(0, text.find('\n'));
        if (!f(line, number)) return;
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
}

}  // namespace hydra
