# The targets of the second backend: hydralora::thrust_host (Thrust's headers, and OpenMP where it is found; its device system is
# a host system, whatever toolkit is there) and hydralora::cuda (besides, the CUDA runtime, cuBLAS and cuBLASLt; what links it is
# compiled by nvcc as C++20). Each is there if what it needs is. Included by the project itself and by its package file. Thrust
# is that of the project's own targets, if it has some (CCCL::CCCL, Thrust::Thrust), else it comes with the CUDA toolkit (13 keeps
# it in include/cccl, which CUDA::cudart does not name) or alone, as Debian's libthrust-dev.
find_package(CUDAToolkit QUIET)

# hydralora_folders_of(<target> <variable>): adds the folders of headers of a target and of those that it links.
function(hydralora_folders_of target folders)
    set(found "${${folders}}")
    if(TARGET "${target}")
        get_target_property(own "${target}" INTERFACE_INCLUDE_DIRECTORIES)
        get_target_property(linked "${target}" INTERFACE_LINK_LIBRARIES)
        if(own)
            list(APPEND found ${own})
        endif()
        foreach(each IN LISTS linked)
            hydralora_folders_of("${each}" found)
        endforeach()
    endif()
    set(${folders} "${found}" PARENT_SCOPE)
endfunction()
set(hydralora_thrust_folders "")
foreach(target Thrust::Thrust CUB::CUB libcudacxx::libcudacxx CCCL::Thrust CCCL::CUB CCCL::libcudacxx CCCL::CCCL)
    hydralora_folders_of(${target} hydralora_thrust_folders)
endforeach()
list(REMOVE_DUPLICATES hydralora_thrust_folders)
if(NOT hydralora_thrust_folders)
    find_path(HYDRALORA_THRUST_INCLUDE_DIR thrust/version.h
        HINTS ${CUDAToolkit_INCLUDE_DIRS} PATH_SUFFIXES cccl DOC "Folder that holds thrust/version.h")
    mark_as_advanced(HYDRALORA_THRUST_INCLUDE_DIR)
    if(HYDRALORA_THRUST_INCLUDE_DIR)
        set(hydralora_thrust_folders "${HYDRALORA_THRUST_INCLUDE_DIR}")
    endif()
endif()

if(hydralora_thrust_folders AND NOT TARGET hydralora::thrust_host)
    find_package(OpenMP QUIET COMPONENTS CXX)
    add_library(hydralora::thrust_host INTERFACE IMPORTED GLOBAL)
    target_include_directories(hydralora::thrust_host SYSTEM INTERFACE ${hydralora_thrust_folders})
    target_link_libraries(hydralora::thrust_host INTERFACE hydralora::hydralora)
    target_compile_definitions(hydralora::thrust_host INTERFACE
        $<$<COMPILE_LANGUAGE:CXX>:THRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_CPP>)  # CUDA is Thrust's default, compiler or not
    if(TARGET OpenMP::OpenMP_CXX)
        target_link_libraries(hydralora::thrust_host INTERFACE OpenMP::OpenMP_CXX)
    endif()
endif()

if(hydralora_thrust_folders AND TARGET CUDA::cudart AND TARGET CUDA::cublas AND TARGET CUDA::cublasLt
   AND NOT TARGET hydralora::cuda)
    add_library(hydralora::cuda INTERFACE IMPORTED GLOBAL)
    target_include_directories(hydralora::cuda SYSTEM INTERFACE ${hydralora_thrust_folders})
    target_compile_definitions(hydralora::cuda INTERFACE EIGEN_NO_CUDA)
    target_link_libraries(hydralora::cuda INTERFACE hydralora::hydralora CUDA::cudart CUDA::cublas CUDA::cublasLt)
endif()
