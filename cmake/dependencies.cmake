# Looked up without a version and checked afterwards: asking for 3.4 refuses Eigen 5, and a version range is refused by
# the package files of 3.4.0. A target the embedding project already has is taken as it is.
if(NOT TARGET Eigen3::Eigen)
    find_package(Eigen3 REQUIRED)
    if(Eigen3_VERSION VERSION_LESS 3.4)
        message(FATAL_ERROR "hydralora: needs Eigen >= 3.4, found ${Eigen3_VERSION} in ${Eigen3_DIR}; "
            "install a later one or point Eigen3_DIR at it")
    endif()
endif()
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# One line per optional thing, found or missing, so that a build without it explains itself.
function(hydralora_summary name target without)
    if(TARGET ${target})
        message(STATUS "hydralora: ${name}: found")
    else()
        message(STATUS "hydralora: ${name}: missing, ${without}")
    endif()
endfunction()

message(STATUS "hydralora: version ${PROJECT_VERSION}, Eigen ${Eigen3_VERSION}")

if(NOT TARGET nlohmann_json::nlohmann_json)
    find_package(nlohmann_json QUIET)
endif()
hydralora_summary("nlohmann JSON" nlohmann_json::nlohmann_json "target hydralora::io is not defined")
if(HYDRALORA_PCRE2)
    include("${CMAKE_CURRENT_LIST_DIR}/hydraloraPcre2.cmake")
    hydralora_summary("PCRE2" hydralora::pcre2 "tokenizers with patterns other than the built-in ones are refused (libpcre2-dev)")
else()
    message(STATUS "hydralora: PCRE2: turned off with HYDRALORA_PCRE2")
endif()

if(HYDRALORA_BUILD_TESTS)
    find_package(doctest QUIET)
    if(NOT TARGET doctest::doctest)
        message(FATAL_ERROR "hydralora: the tests need doctest (doctest-dev on Debian and Ubuntu); "
            "install it or configure with -DHYDRALORA_BUILD_TESTS=OFF")
    endif()
endif()

if(HYDRALORA_BUILD_EXAMPLES)
    find_package(CLI11 QUIET)
    hydralora_summary("CLI11" CLI11::CLI11 "the trainer in examples/hydra is not built")
endif()

if(HYDRALORA_BUILD_BENCH)
    find_package(benchmark QUIET)
    hydralora_summary("Google Benchmark" benchmark::benchmark "the benchmarks are not built")
endif()
