#include "record.hpp"

namespace make_data {
namespace {

std::string quoted(const std::string& text) {
    constexpr const char* hex = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto code = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (code < 0x20) {
            out += "\\u00";
            out += hex[code >> 4];
            out += hex[code & 15];
        } else {
            out += c;
        }
    }
    return out + '"';
}

}  // namespace

std::string json_line(const Record& record) {
    return "{\"instruction\": " + quoted(record.instruction) + ", \"input\": " + quoted(record.input) +
           ", \"output\": " + quoted(record.output) + "}";
}

}  // namespace make_data
