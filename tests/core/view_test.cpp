#include <doctest/doctest.h>

#include <hydralora/core/view.hpp>
#include <type_traits>

namespace core_view_test {

using namespace hydralora;

TEST_CASE("MatrixView: element (i, j) is data[i * ld + j]") {
    double memory[24];
    for (int i = 0; i < 24; ++i) memory[i] = i;
    const auto v = host_view(memory, 3, 5, 8);
    CHECK(v(0, 0) == 0);
    CHECK(v(2, 4) == 20);
    CHECK(v.row(1) == memory + 8);
    CHECK(v.shape() == Shape{3, 5});
    CHECK(v.size() == 15);
    CHECK_FALSE(v.contiguous());
    v(1, 1) = -1;
    CHECK(memory[9] == -1);
    CHECK(host_view(memory, 4, 6).ld == 6);
    CHECK(host_view(memory, 4, 6).contiguous());
    CHECK(host_view(memory, 1, 6, 24).contiguous());
}

TEST_CASE("MatrixView: slices keep the leading dimension") {
    double memory[24];
    for (int i = 0; i < 24; ++i) memory[i] = i;
    const auto v = host_view(memory, 3, 8);
    const auto s = v.row_slice(1, 2).col_slice(3, 4);
    CHECK(s.shape() == Shape{2, 4});
    CHECK(s.ld == 8);
    CHECK(s(0, 0) == 11);
    CHECK(s(1, 3) == 22);
    CHECK(v.row_slice(3, 0).empty());
    CHECK(v.col_slice(8, 0).empty());
}

TEST_CASE("MatrixView: mutable to constant, never back, never to the other space") {
    using Host = MatrixView<float>;
    using ConstHost = MatrixView<const float>;
    using Device = MatrixView<float, device>;
    static_assert(std::is_convertible_v<Host, ConstHost>);
    static_assert(!std::is_convertible_v<ConstHost, Host>);
    static_assert(!std::is_constructible_v<ConstHost, Device>);
    static_assert(!std::is_constructible_v<Device, Host>);
    static_assert(!std::is_constructible_v<MatrixView<const float, device>, Host>);
    static_assert(std::is_trivially_copyable_v<Host>);
    float memory[2];
    static_assert(std::is_same_v<decltype(device_view(memory, 1, 2)), Device>);
    CHECK(device_view(memory, 1, 2, 4).ld == 4);
    CHECK(Host().empty());
    CHECK(ConstHost(host_view(memory, 1, 2)).data == memory);
}

TEST_CASE("Shape") {
    CHECK(Shape{3, 4}.size() == 12);
    CHECK(Shape{0, 4}.empty());
    CHECK(Shape{4, 0}.empty());
    CHECK_FALSE(Shape{1, 1}.empty());
    CHECK(Shape{2, 3}.shape() == Shape{2, 3});
    CHECK(Shape{2, 3} != Shape{3, 2});
    CHECK(Shape{1 << 20, 1 << 20}.size() == Index{1} << 40);
}

}  // namespace core_view_test
