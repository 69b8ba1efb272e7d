// What most units of the tests and of the trainer read of other libraries, compiled once. Headers of this project are not in it:
// units read them as users do.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#if !defined(HYDRALORA_COMPILED)
#define EIGEN_DONT_PARALLELIZE  // as hydralora/eigen/product_definitions.hpp has it
#include <Eigen/Core>
#endif

#if __has_include(<nlohmann/json.hpp>) && !defined(HYDRALORA_COMPILED_JSON)
#include <nlohmann/json.hpp>
#endif
