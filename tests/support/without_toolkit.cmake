# Configures the project as on a machine without a CUDA toolkit. Needs SOURCE, OUT, COMPILER, EIGEN, JSON.
file(REMOVE_RECURSE "${OUT}")
execute_process(
    COMMAND "${CMAKE_COMMAND}" -S "${SOURCE}" -B "${OUT}" "-DCMAKE_CXX_COMPILER=${COMPILER}" "-DEigen3_DIR=${EIGEN}"
        "-Dnlohmann_json_DIR=${JSON}" -DHYDRALORA_BUILD_TESTS=OFF -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON
    RESULT_VARIABLE result OUTPUT_VARIABLE said ERROR_VARIABLE said)
foreach(line "hydralora: CUDA toolkit with cuBLAS: missing, target hydralora::cuda is not defined"
        "hydralora: CUDA compiler: missing, device tests and hydra --device cuda are left out")
    if(NOT result EQUAL 0 OR NOT said MATCHES "${line}")
        message(FATAL_ERROR "expected status 0 and \"${line}\", found status ${result} and:\n${said}")
    endif()
endforeach()
