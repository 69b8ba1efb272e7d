#include <hydralora/io/safetensors.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "safetensors_bytes.hpp"
#include "scratch.hpp"

namespace io_safetensors_test {

using namespace hydralora;
using namespace hydralora::io;
using test::error_of;
using test::has;

namespace {
SafetensorsFile golden(std::string_view name) {
    return SafetensorsFile::open(std::string(HYDRALORA_TEST_DATA "/golden/") + std::string(name));
}

/// First, middle and last element of a tensor, and its shape.
struct Expected {
    const char* name;
    TensorShape shape;
    double first, middle, last;
};
void check_values(const SafetensorsFile& file, std::initializer_list<Expected> all) {
    for (const Expected& expected : all) {
        const TensorEntry& entry = file.at(expected.name);
        CHECK(entry.shape == expected.shape);
        CHECK(entry.dtype == Dtype::f64);
        const auto view = file.view<double>(expected.name);
        CHECK(view.data[0] == expected.first);
        CHECK(view.data[view.size() / 2] == expected.middle);
        CHECK(view.data[view.size() - 1] == expected.last);
    }
}
}  // namespace

TEST_CASE("golden files, values read by another program") {
    // tests/golden/make_safetensors.py --values
    const auto one = golden("layer_t1_i8_o8_r1_n1_b0.safetensors");
    CHECK(one.entries().size() == 16);
    check_values(one, {{"x", {1, 8}, 0.9906509483004151, -0.10461805684261759, -0.12457835519161944},
                       {"b", {1, 8, 1}, 0.10738012736859599, -0.05460543426992072, -0.039834258484471446},
                       {"dwg", {1, 8}, 0.0, 0.0, 0.0},
                       {"loss_last", {1}, -0.8018527908678104, -0.8018527908678104, -0.8018527908678104}});
    const auto four = golden("layer_t32_i64_o48_r8_n4_b0.safetensors");
    CHECK(four.entries().size() == 16);
    check_values(four, {{"x", {32, 64}, -0.23332073976173912, -0.9370949657667043, -0.9891636275257606},
                        {"b", {4, 48, 8}, -0.14413255606039166, -0.333232309772734, 0.007856053731654737},
                        {"dwg", {4, 64}, -0.015075079620551192, 0.6460958727204792, -0.46931546657831874},
                        {"loss_last", {1}, -14.764375207165143, -14.764375207165143, -14.764375207165143}});
    const auto three = golden("layer_t7_i16_o24_r4_n3_b1.safetensors");
    CHECK(three.entries().size() == 17);
    check_values(three, {{"x", {7, 16}, 2.089737524973497, -1.1639133568215279, 1.8154318446905717},
                         {"b", {3, 24, 4}, 0.1095386162412338, -0.1364365385493725, 0.3000353688811449},
                         {"dwg", {3, 16}, -0.09481738929758073, -0.009045416694991426, 0.05303962359769004},
                         {"loss_last", {1}, 1.576697705251986, 1.576697705251986, 1.576697705251986}});

    CHECK(three.view<double>("b").shape() == Shape{72, 4});
    CHECK(three.view<double>("bias").shape() == Shape{1, 24});
    REQUIRE(three.metadata("rank") != nullptr);
    CHECK(*three.metadata("rank") == "4");
    CHECK(*three.metadata("loss") == "sum(y*probe)/tokens");
    CHECK(three.metadata("absent") == nullptr);
    const char* keys[] = {"x",  "w0", "a",  "b",   "wg",      "probe",   "bias",     "y",        "route",
                          "dx", "da", "db", "dwg", "a_after", "b_after", "wg_after", "loss_last"};
    for (std::size_t i = 0; i < 17; ++i) CHECK(three.entries()[i].name == keys[i]);
    CHECK(three.find("w") == nullptr);
    CHECK(three.find("y")->name == "y");
}

TEST_CASE("all kinds of elements of the reference implementation's file") {
    SafetensorsFile opened = golden("mixed.safetensors");
    const SafetensorsFile file = std::move(opened);
    CHECK(file.view<std::int64_t>("step")(0, 0) == INT64_MIN);
    CHECK(file.view<std::uint64_t>("seed")(0, 0) == UINT64_MAX);
    CHECK(file.view<std::uint8_t>("bytes")(0, 4) == 4);
    CHECK(file.view<float>("scalar").shape() == Shape{1, 1});
    CHECK(file.view<float>("scalar")(0, 0) == 2.5f);
    CHECK(file.view<float>("empty").shape() == Shape{0, 3});
    CHECK(file.view<double>("layers.1.weight").shape() == Shape{4, 3});
    CHECK(file.view<float>("odd \"name\" \\ / \n\t\x01 \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \x7f")(0, 0) == 1);

    // Into a wider matrix, whose other columns stay.
    std::vector<float> memory(3 * 6, -7);
    file.read_as("layers.0.weight", host_view(memory.data(), 3, 4, 6));
    for (Index i = 0; i < 3; ++i)
        for (Index j = 0; j < 6; ++j)
            CHECK(memory[static_cast<std::size_t>(i * 6 + j)] ==
                  (j < 4 ? static_cast<float>(i * 4 + j) / 8 - 0.5f : -7));
    double wide[12];
    file.read_as("layers.0.weight", host_view(wide, 3, 4));
    CHECK(wide[11] == 0.875);
    float narrow[12];
    file.read_as("layers.1.weight", host_view(narrow, 4, 3));
    CHECK(narrow[7] == static_cast<float>(7 * 0.1));
    file.read_as("half", host_view(narrow, 1, 12));
    CHECK(narrow[1] == 1077 * 0x1p-22f);  // bits 0x0c35: exponent 3, fraction 53
}

TEST_CASE("mistakes are explained") {
    const auto file = golden("mixed.safetensors");
    const auto message = [](auto&& get) { return error_of([&] { static_cast<void>(get()); }); };
    CHECK(has(message([&] { return file.at("weight"); }),
              "mixed.safetensors: expected a tensor \"weight\", found none of that name among 13"));
    CHECK(has(message([&] { return file.view<float>("half"); }),
              "tensor \"half\": expected elements F32, found F16; read_as converts"));
    float out[12];
    CHECK(has(error_of([&] { file.read_as("layers.0.weight", host_view(out, 4, 3)); }),
              "tensor \"layers.0.weight\": expected shape (4, 3), found [3, 4]"));
    CHECK(has(error_of([&] { file.read_as("ints", host_view(out, 1, 2)); }),
              "tensor \"ints\": expected elements that can be read as F32, found I32"));
    std::int64_t integers[2];
    CHECK(has(error_of([&] { file.read_as("seed", host_view(integers, 1, 2)); }),
              "expected elements that can be read as I64, found U64"));

    // A header that is not padded: the data is not aligned, but can be copied.
    for (int spaces = 0; spaces < 8; ++spaces) {
        const std::string bytes = test::safetensors_bytes(R"({"w":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}})" +
                                                              std::string(static_cast<std::size_t>(spaces), ' '),
                                                          16);
        alignas(8) char aligned[128];
        std::memcpy(aligned, bytes.data(), bytes.size());
        const SafetensorsFile odd(test::as_bytes({aligned, bytes.size()}), "odd");
        double copied[2], expected[2];
        odd.read_as("w", host_view(copied, 1, 2));
        std::memcpy(expected, bytes.data() + bytes.size() - 16, 16);
        CHECK(std::memcmp(copied, expected, 16) == 0);
        const bool is_aligned = (bytes.size() - 16) % 8 == 0;
        const std::string refused = message([&] { return odd.view<double>("w"); });
        CHECK(refused.empty() == is_aligned);
        if (!is_aligned) CHECK(has(refused, "not aligned for F64; read_as copies"));
    }
    const test::ScratchDirectory scratch;
    CHECK(has(message([&] { return SafetensorsFile::open(scratch / "none").entries().size(); }), "opening failed"));
}

}  // namespace io_safetensors_test
