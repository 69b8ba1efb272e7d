// A pattern, a line feed, a name: whether it matches, and keys of PEFT taken apart. In time bounded by the lengths.
#include <hydralora/io/module_pattern.hpp>
#include <hydralora/io/peft.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

using namespace hydralora;
using namespace hydralora::io;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = text.find('\n');
    const std::string_view pattern = text.substr(0, end),
                           name = end == text.npos ? std::string_view() : text.substr(end + 1);
    static_cast<void>(peft_detail::peft_key(name));
    try {
        const ModulePattern made(pattern, "input");
        static_cast<void>(made.matches(name));
    } catch (const Error&) {
        return 0;
    }
    return 0;
}
