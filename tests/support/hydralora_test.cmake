# doctest's main and the counter of allocations once, and one more unit that includes every header: a definition without
# `inline` fails to link.
add_library(hydralora_test_main OBJECT support/main.cpp support/allocation_counter.cpp)
target_link_libraries(hydralora_test_main PUBLIC doctest::doctest)
add_library(hydralora_test_odr OBJECT support/odr.cpp)
target_link_libraries(hydralora_test_odr PRIVATE hydralora::hydralora hydralora_warnings)
if(TARGET hydralora::io)
    target_link_libraries(hydralora_test_odr PRIVATE hydralora::io)
endif()
# The headers that tests have in common, compiled once.
add_library(hydralora_test_headers OBJECT support/precompiled.cpp)
target_link_libraries(hydralora_test_headers PRIVATE hydralora::hydralora doctest::doctest hydralora_warnings)
if(TARGET nlohmann_json::nlohmann_json)  # without the definitions of hydralora::io, which not all tests have
    target_link_libraries(hydralora_test_headers PRIVATE nlohmann_json::nlohmann_json)
endif()
target_precompile_headers(hydralora_test_headers PRIVATE "${PROJECT_SOURCE_DIR}/cmake/precompiled.hpp" <doctest/doctest.h>)
set_target_properties(hydralora_test_main hydralora_test_odr hydralora_test_headers PROPERTIES CXX_EXTENSIONS OFF)

# For a test whose flags are not those of the others, as -fopenmp makes them: its headers are read as they are.
function(hydralora_test_of_other_flags target)
    set_target_properties(${target} PROPERTIES DISABLE_PRECOMPILE_HEADERS ON)
endfunction()

# hydralora_test(core/view_test) builds tests/core/view_test.cpp and registers it as `core.view`.
# IO: links hydralora::io, and leaves the test out where that target is not defined. COMPILED: links hydralora::compiled, for
# what takes long to instantiate. TIMEOUT: seconds, in every tier;
# without it tests/run.sh decides by the tier.
function(hydralora_test path)
    cmake_parse_arguments(PARSE_ARGV 1 arg "IO;COMPILED" "TIMEOUT" "LABELS")
    set(library hydralora::hydralora)
    if(arg_IO)
        set(library hydralora::io)
        if(NOT TARGET hydralora::io)
            message(STATUS "hydralora: test ${path}: left out, needs hydralora::io")
            return()
        endif()
    endif()
    string(REPLACE "/" "_" target "${path}")
    string(REPLACE "/" "." name "${path}")
    string(REGEX REPLACE "_test$" "" name "${name}")

    add_executable(${target} ${path}.cpp)
    target_link_libraries(${target} PRIVATE ${library} hydralora_test_main hydralora_test_odr hydralora_warnings)
    if(arg_COMPILED)
        target_link_libraries(${target} PRIVATE hydralora::compiled)
    endif()
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
    target_precompile_headers(${target} REUSE_FROM hydralora_test_headers)
    target_compile_definitions(${target} PRIVATE "HYDRALORA_TEST_DATA=\"${PROJECT_SOURCE_DIR}/tests\"")

    add_test(NAME ${name} COMMAND ${target})
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}")
    if(arg_TIMEOUT)
        set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT})
    endif()
endfunction()

# hydralora_thrust_tests(nn/rope_test ...) builds the same sources once more, on Thrust's host systems, as one program, and
# registers it as thrust.cpp and thrust.omp.
function(hydralora_thrust_tests paths)
    list(TRANSFORM paths PREPEND "${PROJECT_SOURCE_DIR}/tests/")
    list(TRANSFORM paths APPEND ".cpp")
    if(NOT TARGET hydralora::io)
        list(FILTER paths EXCLUDE REGEX "golden_test")
    endif()
    add_executable(thrust_host_tests ${paths})
    target_link_libraries(thrust_host_tests PRIVATE hydralora::thrust_host hydralora_test_main hydralora_warnings)
    if(TARGET hydralora::io)
        target_link_libraries(thrust_host_tests PRIVATE hydralora::io)
    endif()
    target_include_directories(thrust_host_tests PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    set_target_properties(thrust_host_tests PROPERTIES CXX_EXTENSIONS OFF)
    target_compile_definitions(thrust_host_tests PRIVATE
        HYDRALORA_TEST_THRUST "HYDRALORA_TEST_DATA=\"${PROJECT_SOURCE_DIR}/tests\"")
    target_precompile_headers(thrust_host_tests PRIVATE
        <doctest/doctest.h> <hydralora/thrust.hpp> <hydralora/hydralora.hpp>)
    foreach(system cpp omp)
        add_test(NAME thrust.${system} COMMAND thrust_host_tests)
        set_tests_properties(thrust.${system} PROPERTIES ENVIRONMENT "HYDRALORA_TEST_SYSTEM=${system}" LABELS thrust)
        if(system STREQUAL "omp")  # teams of threads that wait for one another, which asleep they do better than spinning
            set_tests_properties(thrust.omp PROPERTIES
                ENVIRONMENT "HYDRALORA_TEST_SYSTEM=omp;OMP_WAIT_POLICY=passive")
        endif()
    endforeach()
endfunction()
