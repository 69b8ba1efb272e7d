# Configures ${PROJECT} in a fresh folder, which checks itself; nothing is built.
cmake_minimum_required(VERSION 3.22)
set(build "${WORK}/${PROJECT}")
file(REMOVE_RECURSE "${build}")
execute_process(
    COMMAND "${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${CMAKE_CURRENT_LIST_DIR}/${PROJECT}" -B "${build}"
        "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DHYDRALORA_TOP=${HYDRALORA}" "-DCMAKE_PREFIX_PATH=${WORK}/prefix"
    COMMAND_ERROR_IS_FATAL ANY)
