#include "support/allocation_counter.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <new>
#include <vector>

namespace support_allocation_counter_test {

TEST_CASE("allocations are counted, whoever makes them, and nothing else is") {
    const long start = test::allocations();
    long found = test::allocations();
    CHECK(found == start);
    {
        const std::vector<int> v(100);
        CHECK(v.size() == 100);
    }
    found = test::allocations();
    CHECK(found > start);
    const long before = test::allocations();
    void* p = ::operator new (100, std::align_val_t{64}, std::nothrow);
    const long after = test::allocations();
    ::operator delete (p, std::align_val_t{64});
    CHECK(after > before);
}

}  // namespace support_allocation_counter_test
