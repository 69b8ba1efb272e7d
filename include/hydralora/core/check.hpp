// Errors that carry names and both values, checked once at the public boundary.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include "config.hpp"

namespace hydralora {

/// Every error of the library. The message names the thing, what was found, what was expected, and the remedy if there is one.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

template <class... Parts>
[[nodiscard]] std::string concat(const Parts&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    return text.str();
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
    throw Error(concat(parts...));
}

/// Throws Error with the parts streamed together unless `ok`; the message is built only on failure.
template <class... Parts>
void check(bool ok, const Parts&... parts) {
    if (!ok) [[unlikely]]
        fail(parts...);
}

}  // namespace hydralora
