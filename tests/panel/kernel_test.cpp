// Each micro-kernel against plain loops in double. The registered variants of this test force one through the environment.
#include <hydralora/panel/kernel.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "support/draw.hpp"

// AVX-512's text, in whatever instructions the build has.
#define HYDRALORA_TILE_ISA wide
#define HYDRALORA_TILE_TARGET
#define HYDRALORA_TILE_LANES 16
#include <hydralora/panel/tile.hpp>
#undef HYDRALORA_TILE_ISA
#undef HYDRALORA_TILE_TARGET
#undef HYDRALORA_TILE_LANES

namespace {

using Words = std::uint32_t __attribute__((vector_size(64)));
using Floats = float __attribute__((vector_size(64)));

/// What vdpbf16ps does, but for its flushing of denormals.
void add_dots(Floats& sums, const Words& left, const Words& right) {
    const auto half = [](const Words& words, int lane, int shift) {
        return hydralora::bit_cast<float>(words[lane] << shift & 0xffff0000u);
    };
    for (int lane = 0; lane < 16; ++lane)
        sums[lane] += half(left, lane, 0) * half(right, lane, 0) + half(left, lane, 16) * half(right, lane, 16);
}

}  // namespace

// The text of the kernel for AVX512_BF16, with its instruction in plain C++.
#define HYDRALORA_DOT_ISA wide
#define HYDRALORA_DOT_TARGET
#define HYDRALORA_DOT(sums, left, right) add_dots(sums, left, right)
#include <hydralora/panel/dot_tile.hpp>

namespace panel_kernel_test {

#undef HYDRALORA_DOT_ISA
#undef HYDRALORA_DOT_TARGET
#undef HYDRALORA_DOT

namespace {

using namespace hydralora;
using namespace hydralora::panel;
using test::Draw;

/// rows x cols sums of a step on random numbers; more rows are read than are stored.
template <class S>
void check_step(void (*multiply)(const Tile<S>&), Index step_rows, Index cols, Draw& draw, bool dots = false) {
    for (int n = 0; n < 60; ++n) {
        const Index rows = draw.integer(1, step_rows), depth = draw.integer(0, most_depth);
        const Index ld = cols + draw.integer(0, 3), ld_start = draw.coin() ? 0 : ld;
        const Index ld_left = draw.coin() ? left_ld : depth + draw.integer(1, 40);
        const Index ld_right = sizeof(S) == 2 || draw.coin() ? cols : cols + draw.integer(1, 40);
        const auto filled = [&](Index count) {
            std::vector<float> values(static_cast<std::size_t>(count));
            for (float& value : values) value = static_cast<float>(draw.normal());
            return values;
        };
        auto left = filled(step_rows * ld_left);
        for (Index i = 0; i < step_rows; ++i) left[static_cast<std::size_t>(i * ld_left + depth)] = 0;
        if (dots)
            for (float& value : left) value = static_cast<float>(bfloat16(value));
        auto words = left;
        for (Index i = 0; dots && i < step_rows * ld_left; i += ld_left)
            for (Index k = 0; k < depth; k += 2) {
                const auto at = static_cast<std::size_t>(i + k);
                words[static_cast<std::size_t>(i + k / 2)] = bit_cast<float>(bfloat16_pair(left[at], left[at + 1]));
            }
        const auto lines = filled(depth * cols + 1), start = filled(rows * ld);
        auto to = filled(step_rows * ld);
        const auto before = to;
        std::vector<S> right(static_cast<std::size_t>((depth + 1) * ld_right),
                             S(0.0f));  // in pairs, the depth made even
        for (Index k = 0; k < depth; ++k)
            for (Index j = 0; j < cols; ++j) {
                const Index place = sizeof(S) == 4 ? k * ld_right + j : (k / 2 * cols + j) * 2 + k % 2;
                right[static_cast<std::size_t>(place)] = S(lines[static_cast<std::size_t>(k * cols + j)]);
            }
        multiply({rows, depth, words.data(), ld_left, right.data(), ld_right, start.data(), ld_start, to.data(), ld});
        for (Index i = 0; i < step_rows; ++i)
            for (Index j = 0; j < ld; ++j) {
                const auto at = static_cast<std::size_t>(i * ld + j);
                if (i >= rows || j >= cols) {
                    REQUIRE(to[at] == before[at]);
                    continue;
                }
                double expected = static_cast<double>(start[static_cast<std::size_t>(i * ld_start + j)]), size = 1;
                for (Index k = 0; k < depth; ++k) {
                    const auto a = static_cast<double>(left[static_cast<std::size_t>(i * ld_left + k)]);
                    const double b = widened<double>(S(lines[static_cast<std::size_t>(k * cols + j)]));
                    expected += a * b;
                    size += a * a * b * b;
                }
                REQUIRE(std::abs(static_cast<double>(to[at]) - expected) <= 1e-5 * std::sqrt(size));
            }
    }
}

TEST_CASE_TEMPLATE("every step of the kernel that runs computes its tile, and stores no more", S, float, bfloat16) {
    Draw draw(11);
    const auto& kernel = panel::kernel<S>();
    for (const auto& step : kernel.steps) check_step<S>(step.multiply, step.rows, kernel.cols, draw);
    CHECK(kernel.cols <= 32);
    CHECK(kernel.rows() <= 12);
    CHECK(kernel.rows() > kernel.steps[1].rows);
    CHECK(kernel.steps[1].rows > kernel.steps[2].rows);
    CHECK(kernel.cols == (isa_name() == "avx512" ? 32 : isa_name() == "avx2" ? 16 : 8));
}

TEST_CASE_TEMPLATE("the text of the AVX-512 kernel, in the instructions of the build", S, float, bfloat16) {
    Draw draw(12);
    check_step<S>(wide::multiply_tile<12, S>, 12, 32, draw);
    check_step<S>(wide::multiply_tile<4, S>, 4, 32, draw);
}

TEST_CASE("the text of the AVX512_BF16 kernel, with its instruction in plain C++; the kernel itself where it is had") {
    Draw draw(13);
    check_step<bfloat16>(wide::multiply_dots<12>, 12, 32, draw, true);
    check_step<bfloat16>(wide::multiply_dots<4>, 4, 32, draw, true);
    if (const auto* kernel = panel::dot_kernel())
        for (const auto& step : kernel->steps) check_step<bfloat16>(step.multiply, step.rows, kernel->cols, draw, true);
    else
        MESSAGE("this processor, or the kernel asked for, has no products of bfloat16");
}

TEST_CASE("a step is the smallest that has the rows") {
    const Kernel<float> kernel{8, {{12, nullptr}, {8, nullptr}, {4, nullptr}}};
    const Index expected[] = {4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12, 12, 12};
    for (Index rows = 1; rows <= 14; ++rows) CHECK(kernel.step_for(rows).rows == expected[rows - 1]);
}

}  // namespace

}  // namespace panel_kernel_test
