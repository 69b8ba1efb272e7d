#include <hydralora/io/checked.hpp>

#include <doctest/doctest.h>

#include <random>
#include <vector>

namespace io_checked_test {

using namespace hydralora;
using namespace hydralora::io;

TEST_CASE("products agree with 128-bit arithmetic") {
    std::mt19937_64 random(1);
    __extension__ using Wide = unsigned __int128;
    int refused = 0, accepted = 0;
    for (int trial = 0; trial < 20000; ++trial) {
        std::vector<Index> dims(random() % 5);
        Wide product = 4, without_zeros = 4;
        bool over = false;
        for (Index& dim : dims) {
            dim = static_cast<Index>(random() >> (1 + random() % 63));
            product *= static_cast<Wide>(dim);
            if (dim != 0) without_zeros *= static_cast<Wide>(dim);
            over |= without_zeros > Wide{INT64_MAX};
            if (over) break;
        }
        const auto bytes = checked_tensor_bytes(dims, 4);
        CHECK(bytes.has_value() == !over);
        if (bytes) CHECK(Wide{*bytes} == product);
        ++(over ? refused : accepted);
    }
    CHECK(refused > 1000);
    CHECK(accepted > 1000);
}

TEST_CASE("edges") {
    constexpr Index large = INT64_MAX;
    const auto bytes = [](std::vector<Index> dims, std::uint64_t element) {
        return checked_tensor_bytes(dims, element);
    };
    CHECK(bytes({}, 8) == 8u);
    CHECK(bytes({0}, 8) == 0u);
    CHECK(bytes({large}, 1) == static_cast<std::uint64_t>(large));
    CHECK(!bytes({large}, 2));
    CHECK(!bytes({Index{1} << 32, Index{1} << 32}, 1));     // wraps to 0
    CHECK(!bytes({Index{1} << 32, Index{1} << 32, 0}, 1));  // and a zero does not excuse it, in any order
    CHECK(!bytes({0, Index{1} << 32, Index{1} << 32}, 1));
    CHECK(!bytes({-1}, 1));
    CHECK(checked_multiply(UINT64_MAX, 1) == UINT64_MAX);
    CHECK(!checked_multiply(UINT64_MAX, 2));
    CHECK(checked_multiply(UINT64_MAX, 0) == 0u);
}

}  // namespace io_checked_test
