// What an error says, so that tests can hold the text to its promise.
#pragma once

#include <hydralora/core/check.hpp>
#include <string>

namespace test {

/// The message of the hydralora::Error that f throws.
template <class F>
std::string message_of(F&& f) {
    try {
        f();
    } catch (const hydralora::Error& error) {
        return error.what();
    }
    return "no error";
}

}  // namespace test
