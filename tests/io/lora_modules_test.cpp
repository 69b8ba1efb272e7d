#include <hydralora/io/lora_modules.hpp>
#include <hydralora/model/config.hpp>

#include <doctest/doctest.h>

#include <string>

namespace io_lora_modules_test {

using namespace hydralora;
using namespace hydralora::io;

TEST_CASE("the table is the model's list of targets") {
    REQUIRE(lora_modules.size() == target_count);
    for (std::size_t i = 0; i < target_count; ++i) {
        CHECK(lora_modules[i].name == target_names[i]);
        CHECK(lora_modules[i].path == target_paths[i]);
        CHECK(lora_module(target_names[i]) == i);
    }
    CHECK(!lora_module("w_proj"));
}

TEST_CASE("a place is read from a path, and nothing else is") {
    const auto place = lora_place("layers.31.mlp.down_proj");
    REQUIRE(place.has_value());
    CHECK(place->layer == 31);
    CHECK(lora_modules[place->module].name == "down_proj");
    CHECK(lora_place("layers.0.self_attn.q_proj")->layer == 0);
    for (const char* path :
         {"", "layers.", "layers.1", "layers.1.", "layers..mlp.up_proj", "layers.-1.mlp.up_proj",
          "layers.01.mlp.up_proj", "layers.4096.mlp.up_proj", "layers.99999999999999999999.mlp.up_proj",
          "layers.1.up_proj", "layers.1.mlp.q_proj", "layers.1.mlp.up_proj.", "layer.1.mlp.up_proj",
          "layers.1x.mlp.up_proj", "x.layers.1.mlp.up_proj"})
        CHECK_MESSAGE(!lora_place(path), path);
}

}  // namespace io_lora_modules_test
