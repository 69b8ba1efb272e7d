# A program without CMake: the compiler and what pkg-config says.
cmake_minimum_required(VERSION 3.22)
find_program(pkg_config NAMES pkg-config pkgconf)
if(NOT pkg_config)
    message(STATUS "skipped: pkg-config is not installed")
    return()
endif()
set(ENV{PKG_CONFIG_PATH} "${WORK}/prefix/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
execute_process(COMMAND "${pkg_config}" --modversion hydralora
    OUTPUT_VARIABLE version OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(NOT version STREQUAL VERSION)
    message(FATAL_ERROR "expected version ${VERSION}, hydralora.pc says ${version}")
endif()
execute_process(COMMAND "${pkg_config}" --cflags --libs hydralora
    OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
get_filename_component(main "${CMAKE_CURRENT_LIST_DIR}/../main.cpp" ABSOLUTE)
execute_process(COMMAND "${COMPILER}" -std=c++20 "${main}" ${flags} -o "${WORK}/pkg_config_consumer" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${WORK}/pkg_config_consumer" COMMAND_ERROR_IS_FATAL ANY)
