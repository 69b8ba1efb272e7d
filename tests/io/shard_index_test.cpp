#include <hydralora/io/shard_index.hpp>

#include <doctest/doctest.h>

#include "scratch.hpp"

namespace io_shard_index_test {

using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {
std::string refusal(const std::string& text) {
    return error_of([&] { static_cast<void>(parse_shard_index(text, "i.json")); });
}
std::string with_shard(const std::string& name) {
    return refusal("{\"weight_map\": {\"a\": " + to_text(Json(name)) + "}}");
}
}  // namespace

TEST_CASE("an index says which file has which tensor") {
    const auto index = parse_shard_index(
        R"({"metadata": {"total_size": 12}, "weight_map": {"b": "m-2.safetensors", "c": "m-1.safetensors", "a": "m-2.safetensors"}})",
        "i.json");
    CHECK(index.shards == std::vector<std::string>{"m-1.safetensors", "m-2.safetensors"});
    CHECK(index.tensors == std::vector<std::pair<std::string, std::size_t>>{{"a", 1}, {"b", 1}, {"c", 0}});
}

TEST_CASE("names of files stay in the directory") {
    for (const char* name : {"../m.safetensors", "/etc/m.safetensors", "x/m.safetensors", "..", ".", "",
                             ".m.safetensors", "..\\m.safetensors", "C:m.safetensors", "m.bin", "m safetensors",
                             "m\nx.safetensors", "m\xc3\xa9.safetensors"})
        CHECK(has(with_shard(name), "i.json: \"weight_map\": \"a\": expected the plain name of a .safetensors file"));
    CHECK(has(with_shard(std::string(300, 'a') + ".safetensors"), "plain name"));
    CHECK(with_shard("model-00001-of-00002.safetensors").empty());
}

TEST_CASE("documents that are no index") {
    for (const char* text :
         {"", "[]", "{}", "{\"weight_map\": []}", "{\"weight_map\": {}}", "{\"weight_map\": {\"a\": 1}}",
          "{\"weight_map\": {\"a\": \"m.safetensors\", \"a\": \"n.safetensors\"}}",
          "{\"weight_map\": {\"a\": {\"b\": \"m.safetensors\"}}}", "{\"weight_map\": null}"})
        CHECK(has(refusal(text), "i.json"));
}

}  // namespace io_shard_index_test
