// A choice without a branch.
#pragma once

#include <cstdint>

#include "../../core/precision.hpp"

namespace hydralora::functor {

/// condition ? yes : no, made of bits: of two conditions in a row compilers make branches, and then no vectors.
HYDRALORA_HD inline float either(bool condition, float yes, float no) {
    const std::uint32_t mask = 0u - static_cast<std::uint32_t>(condition);
    return bit_cast<float>((bit_cast<std::uint32_t>(yes) & mask) | (bit_cast<std::uint32_t>(no) & ~mask));
}

}  // namespace hydralora::functor
