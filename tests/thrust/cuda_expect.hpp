// What the parts of the device's test share: how a failure is told.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdio>
#include <exception>
#include <string>

#include "support/message_of.hpp"

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

/// Runs the tests, where there is a GPU. The exit status: 77 where there is none, which a backend must say itself.
template <class B, class Tests>
int run_on_gpu(Tests&& tests) {
    int devices = 0;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        const std::string message = message_of([] { B be; });
        std::printf("skipped: %s\n", message.c_str());
        return message.find("no NVIDIA GPU to run on") == message.npos ? 1 : 77;
    }
    try {
        tests();
    } catch (const std::exception& error) {
        expect(false, error.what());
    }
    return failures == 0 ? 0 : 1;
}

}  // namespace test
