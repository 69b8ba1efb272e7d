# Configures, builds and runs ${PROJECT} in a fresh folder; as a sub-project the library must install nothing. SOURCE and
# PROGRAM: where the project is and what it builds, if not `${PROJECT}/` here and `consumer`.
cmake_minimum_required(VERSION 3.22)
unset(ENV{DESTDIR})
set(build "${WORK}/${PROJECT}")
if(NOT DEFINED SOURCE)
    set(SOURCE "${CMAKE_CURRENT_LIST_DIR}/${PROJECT}")
    set(PROGRAM consumer)
endif()
file(REMOVE_RECURSE "${build}" "${build}-installed")
execute_process(
    COMMAND "${CMAKE_COMMAND}" -G "${GENERATOR}" -S "${SOURCE}" -B "${build}"
        "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DEXPECT_VERSION=${VERSION}" "-DEXPECT_IO=${IO}" "-DEXPECT_THRUST=${THRUST}" "-DEXPECT_CUDA=${CUDA}"
        "-DEXPECT_CUDNN=${CUDNN}" "-DHYDRALORA_CUDNN_FRONTEND_INCLUDE_DIR=${CUDNN_FRONTEND}"
        "-DHYDRALORA_TOP=${HYDRALORA}" "-DCMAKE_PREFIX_PATH=${WORK}/prefix" -DFETCHCONTENT_FULLY_DISCONNECTED=ON
        "-DEigen3_DIR=${EIGEN}" "-Dnlohmann_json_DIR=${JSON}"
    COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${CMAKE_COMMAND}" --build "${build}" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${build}/${PROGRAM}" OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
if(NOT output MATCHES "hydralora ${VERSION}")
    message(FATAL_ERROR "expected `hydralora ${VERSION}`, got `${output}`")
endif()

execute_process(COMMAND "${CMAKE_COMMAND}" --install "${build}" --prefix "${build}-installed"
    OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(GLOB_RECURSE files "${build}-installed/*")
if(files)
    message(FATAL_ERROR "a sub-project must not install: ${files}")
endif()
