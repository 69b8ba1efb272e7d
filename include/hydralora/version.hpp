#pragma once

// The one place where the version stands: CMake and the package files read it from here.
#define HYDRALORA_VERSION_MAJOR 0
#define HYDRALORA_VERSION_MINOR 1
#define HYDRALORA_VERSION_PATCH 0
