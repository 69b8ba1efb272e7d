// Where a command computes, and in what numbers.
#pragma once

#include <array>
#include <string_view>

namespace hydra {

enum class Device { cpu, cuda };
inline constexpr std::array<std::string_view, 2> device_names{"cpu", "cuda"};

/// Of weights and activations; trained parameters, their moments and all sums are float.
enum class Numbers { float32, bfloat16 };
inline constexpr std::array<std::string_view, 2> numbers_names{"float", "bfloat16"};

struct Place {
    Device device = Device::cpu;
    Numbers numbers = Numbers::float32;
};

/// Throws, naming the flag, for numbers that the device does not compute in.
void check_place(const Place& place);

}  // namespace hydra
