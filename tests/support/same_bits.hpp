// Runs one computation on backends that must agree to the last bit.
#pragma once

#include <doctest/doctest.h>

#include "allocation_counter.hpp"
#include "backend.hpp"
#include "matrix.hpp"

namespace test {

/// run(backend) gives a list of matrices; 2, 3 and 4 threads must give the bits of 1.
template <class T, class Run>
void check_threads_agree(Run&& run) {
    test::BasicTestBackend<T> one({.threads = 1});
    const auto expected = run(one);
    for (int threads = 2; threads <= 4; ++threads) {
        test::BasicTestBackend<T> be({.threads = threads});
        const auto found = run(be);
        REQUIRE(found.size() == expected.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
            CAPTURE(threads);
            CAPTURE(i);
            CHECK(same_bits(found[i].view(), expected[i].view()));
        }
    }
}

/// Runs step() once, then again: the second time must allocate nothing.
template <class Step>
void check_second_allocates_nothing(Step&& step) {
    step();
    const long before = allocations();
    step();
    const long after = allocations();
    CHECK(after == before);
}

}  // namespace test
