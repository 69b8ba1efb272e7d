// What check.hpp declares: in every unit, or in the target hydralora::compiled alone (compiled.hpp).
#pragma once

#include <charconv>
#include <cstdio>

#include "check.hpp"

namespace hydralora {

HYDRALORA_INLINE void MessagePart::append_to(std::string& message) const {
    char digits[32];
    switch (kind_) {
        case Kind::text:
            message += text_;
            return;
        case Kind::character:
            message += static_cast<char>(whole_);
            return;
        case Kind::whole:
            message.append(digits, std::to_chars(digits, digits + sizeof digits, whole_).ptr);
            return;
        case Kind::natural:
            message.append(digits,
                           std::to_chars(digits, digits + sizeof digits, static_cast<unsigned long long>(whole_)).ptr);
            return;
        case Kind::real:
            message.append(digits, static_cast<std::size_t>(std::snprintf(digits, sizeof digits, "%g", real_)));
            return;
    }
}

[[gnu::cold, gnu::noinline]] HYDRALORA_INLINE std::string concat_parts(std::initializer_list<MessagePart> parts) {
    std::string message;
    for (const MessagePart& part : parts) part.append_to(message);
    return message;
}

[[noreturn, gnu::cold, gnu::noinline]] HYDRALORA_INLINE void fail_with(std::initializer_list<MessagePart> parts) {
    throw Error(concat_parts(parts));
}

}  // namespace hydralora
