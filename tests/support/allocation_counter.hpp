// Counts memory allocations of the whole program, for tests that say a repeated step makes none.
#pragma once

namespace test {

/// Allocations so far, by all threads: malloc and its kin with glibc, operator new elsewhere and under a sanitizer.
[[nodiscard]] long allocations();

}  // namespace test
