// What the parts of the device's test share: how a failure is told.
#pragma once

#include <cstdio>
#include <string>

namespace test {

inline int failures = 0;

inline void expect(bool holds, const std::string& what) {
    if (holds) return;
    std::printf("FAILED: %s\n", what.c_str());
    ++failures;
}

inline void expect_near(double found, double most, const std::string& what) {
    std::printf("%-60s %.2e (at most %.0e)\n", what.c_str(), found, most);
    expect(found <= most, what);
}

}  // namespace test
