// Groups that share the work on a row. The row functors are written once against this interface: member rank() of size()
// takes its part of the elements, by the loops of compose/row_loops.hpp or by its rank; sum and max combine over the group;
// sync waits.
#pragma once

#include "../core/config.hpp"

namespace hydralora {

/// A group of one: what a CPU thread uses.
struct Solo {
    HYDRALORA_HD static constexpr int rank() { return 0; }
    HYDRALORA_HD static constexpr int size() { return 1; }
    template <class T>
    HYDRALORA_HD static constexpr T sum(T value) {
        return value;
    }
    template <class T>
    HYDRALORA_HD static constexpr T max(T value) {
        return value;
    }
    HYDRALORA_HD static constexpr void sync() {}
};

}  // namespace hydralora
