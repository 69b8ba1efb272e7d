// What a template may cost, and errors that name the place in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "../../core/check.hpp"

namespace hydralora::text::jinja {

/// Both from 1; columns count bytes.
struct Place {
    std::uint32_t line = 1, column = 1;
};

/// syntax: not Jinja. unknown: Jinja that is not known here. limit: it costs too much. value: an operation on what it does
/// not take. raised: the template itself refuses, by raise_exception.
enum class Fault { syntax, unknown, limit, value, raised };

class TemplateError : public Error {
public:
    TemplateError(Place at, Fault kind, const std::string& message) : Error(message), place(at), fault(kind) {}
    Place place;
    Fault fault;
};

/// Throws TemplateError: "line 3, column 14: ..."
template <class... Parts>
[[noreturn]] void fail_at(Place place, Fault fault, const Parts&... parts) {
    throw TemplateError(place, fault, concat("line ", place.line, ", column ", place.column, ": ", parts...));
}

struct Limits {
    std::size_t template_bytes = std::size_t{1} << 20;
    std::size_t steps = std::size_t{1} << 22;   ///< of evaluation, in one rendering
    std::size_t bytes = std::size_t{1} << 28;   ///< of all texts that are made on the way
    std::size_t output = std::size_t{1} << 26;  ///< bytes of a rendered text
    std::uint32_t nesting = 120;                ///< of expressions, blocks and values
    std::uint32_t calls = 40;                   ///< of macros in one another
    std::uint32_t descent = 600;                ///< of the evaluation in itself, macros and all
    std::size_t range = 100000;                 ///< as Jinja's sandbox has it
};

/// What is used up, and where the evaluation stands.
struct Context {
    Limits limits{};
    Place at{};
    std::size_t steps = 0, bytes = 0;

    template <class... Parts>
    [[noreturn]] void fail(Fault fault, const Parts&... parts) const {
        fail_at(at, fault, parts...);
    }
    void step(std::size_t n = 1) {
        steps += n;
        if (steps > limits.steps) fail(Fault::limit, "the template takes more than ", limits.steps, " steps");
    }
    /// Before so many bytes of text are made: with those that tell where they come from, Text::memory().
    void write(std::size_t n) {
        bytes += n;
        if (n > limits.bytes || bytes > limits.bytes)
            fail(Fault::limit, "the template makes more than ", limits.bytes, " bytes of text");
    }
};

}  // namespace hydralora::text::jinja
