# The targets of the second backend: hydralora::thrust_host (Thrust's headers, and OpenMP where it is found) and
# hydralora::cuda (besides, the CUDA runtime, cuBLAS and cuBLASLt; what links it is compiled by nvcc as C++20). Each is there
# if what it needs is. Included by the project itself and by its package file. Thrust comes with the CUDA toolkit (13 keeps it
# in include/cccl, which CUDA::cudart does not name) or alone, as Debian's libthrust-dev.
find_package(CUDAToolkit QUIET)
find_path(HYDRALORA_THRUST_INCLUDE_DIR thrust/version.h
    HINTS ${CUDAToolkit_INCLUDE_DIRS} PATH_SUFFIXES cccl DOC "Folder that holds thrust/version.h")
mark_as_advanced(HYDRALORA_THRUST_INCLUDE_DIR)

if(HYDRALORA_THRUST_INCLUDE_DIR AND NOT TARGET hydralora::thrust_host)
    find_package(OpenMP QUIET COMPONENTS CXX)
    add_library(hydralora::thrust_host INTERFACE IMPORTED GLOBAL)
    target_include_directories(hydralora::thrust_host SYSTEM INTERFACE "${HYDRALORA_THRUST_INCLUDE_DIR}")
    target_link_libraries(hydralora::thrust_host INTERFACE hydralora::hydralora)
    if(NOT CUDAToolkit_FOUND)  # Thrust alone takes CUDA for its default device nevertheless
        target_compile_definitions(hydralora::thrust_host INTERFACE THRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_CPP)
    endif()
    if(TARGET OpenMP::OpenMP_CXX)
        target_link_libraries(hydralora::thrust_host INTERFACE OpenMP::OpenMP_CXX)
    endif()
endif()

if(HYDRALORA_THRUST_INCLUDE_DIR AND TARGET CUDA::cudart AND TARGET CUDA::cublas AND TARGET CUDA::cublasLt
   AND NOT TARGET hydralora::cuda)
    add_library(hydralora::cuda INTERFACE IMPORTED GLOBAL)
    target_include_directories(hydralora::cuda SYSTEM INTERFACE "${HYDRALORA_THRUST_INCLUDE_DIR}")
    target_compile_definitions(hydralora::cuda INTERFACE EIGEN_NO_CUDA)
    target_link_libraries(hydralora::cuda INTERFACE hydralora::hydralora CUDA::cudart CUDA::cublas CUDA::cublasLt)
endif()
