// Errors that carry names and both values, checked once at the public boundary.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "config.hpp"

namespace hydralora {

/// Every error of the library. The message names the thing, what was found, what was expected, and the remedy if there is one.
class Error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// A piece of a message: a text, a character or a number, by reference where it is a text. Messages are made of these by one
/// function, so that the many places that check something cost the compiler little.
class MessagePart {
public:
    MessagePart(std::string_view text) : kind_(Kind::text), text_(text) {}
    template <class T>
    requires std::is_arithmetic_v<T> MessagePart(T value) : kind_(kind_of<T>()) {
        if constexpr (std::is_floating_point_v<T>)
            real_ = static_cast<double>(value);
        else
            whole_ = static_cast<long long>(value);
    }
    template <class T>
    requires(!std::is_arithmetic_v<T> && std::is_convertible_v<const T&, std::string_view>) MessagePart(const T& text)
        : MessagePart(static_cast<std::string_view>(text)) {}

    /// Numbers with a point in six digits, as printf's %g has them.
    void append_to(std::string& message) const;

private:
    enum class Kind { text, character, whole, natural, real };
    template <class T>
    static constexpr Kind kind_of() {
        return std::is_floating_point_v<T> ? Kind::real
               : std::is_same_v<T, char>   ? Kind::character
               : std::is_signed_v<T>       ? Kind::whole
                                           : Kind::natural;
    }

    Kind kind_;
    union {
        std::string_view text_;
        long long whole_;
        double real_;
    };
};

[[nodiscard]] std::string concat_parts(std::initializer_list<MessagePart> parts);
[[noreturn]] void fail_with(std::initializer_list<MessagePart> parts);

/// The parts one after another.
template <class... Parts>
[[nodiscard]] std::string concat(const Parts&... parts) {
    return concat_parts({MessagePart(parts)...});
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
    fail_with({MessagePart(parts)...});
}

/// Throws Error with the parts one after another unless `ok`; the message is built only on failure.
template <class... Parts>
inline void check(bool ok, const Parts&... parts) {
    if (!ok) [[unlikely]]
        fail_with({MessagePart(parts)...});
}

}  // namespace hydralora

#if !defined(HYDRALORA_COMPILED)
#include "check_definitions.hpp"
#endif
