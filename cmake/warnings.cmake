# For our own programs only; neither target is installed or reaches a user of the library.
add_library(hydralora_warnings INTERFACE)
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    target_compile_options(hydralora_warnings INTERFACE
        $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion -Wshadow>)
    if(HYDRALORA_WERROR)
        target_compile_options(hydralora_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
    endif()
endif()

# For examples and benchmarks: numbers of this machine's processor, when asked for.
add_library(hydralora_native INTERFACE)
if(HYDRALORA_NATIVE)
    target_compile_options(hydralora_native INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
    # g++ 12 warns inside its own AVX-512 intrinsics.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
        target_compile_options(hydralora_native INTERFACE
            $<$<COMPILE_LANGUAGE:CXX>:-Wno-uninitialized -Wno-maybe-uninitialized>)
    endif()
endif()
