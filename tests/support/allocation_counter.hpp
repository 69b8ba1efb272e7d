// Counts memory allocations of the whole program, for tests that say a repeated step makes none.
#pragma once

namespace test {

/// Allocations so far, by all threads: malloc and its kin with glibc or a sanitizer, operator new elsewhere.
[[nodiscard]] long allocations();

}  // namespace test
