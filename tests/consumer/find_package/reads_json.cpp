// Reads JSON through hydralora::compiled, which alone has seen the JSON library.
#include <hydralora/io/json.hpp>

int main() {
    const auto value = hydralora::io::parse_json(R"({"rank": 8})", "text");
    return value.find("rank")->whole() == 8 ? 0 : 1;
}
