# hydralora::cudnn, attention through cuDNN: the library's one compiled source, as a static library of the build that asks
# for it. Needs hydralora::cuda, cuDNN and its header-only frontend; hydralora_cudnn_missing says what is not there.
# HYDRALORA_CUDNN_FRONTEND_INCLUDE_DIR names the folder that holds cudnn_frontend.h where CMAKE_PREFIX_PATH does not lead
# to it. Included by the project itself and by its package file; hydralora_include_dir is where the headers are.
find_path(HYDRALORA_CUDNN_INCLUDE_DIR cudnn_version.h
    HINTS ${CUDAToolkit_INCLUDE_DIRS} DOC "Folder that holds cudnn.h")
find_library(HYDRALORA_CUDNN_LIBRARY NAMES cudnn libcudnn.so.9
    HINTS ${CUDAToolkit_LIBRARY_DIR} "${HYDRALORA_CUDNN_INCLUDE_DIR}/../lib" DOC "libcudnn")
find_path(HYDRALORA_CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h
    HINTS ${CUDAToolkit_INCLUDE_DIRS} DOC "Folder that holds cudnn_frontend.h")
mark_as_advanced(HYDRALORA_CUDNN_INCLUDE_DIR HYDRALORA_CUDNN_LIBRARY HYDRALORA_CUDNN_FRONTEND_INCLUDE_DIR)

# hydralora_cudnn_version(<file> <macro>... <variable>): the numbers that a header defines, with dots.
function(hydralora_cudnn_version file major minor result)
    set(version "0.0")
    if(EXISTS "${file}")
        file(STRINGS "${file}" lines REGEX "define +(${major}|${minor}) +[0-9]+")
        string(REGEX REPLACE "[^0-9;]" "" numbers "${lines}")
        string(REPLACE ";" "." version "${numbers}")
    endif()
    set(${result} "${version}" PARENT_SCOPE)
endfunction()
hydralora_cudnn_version("${HYDRALORA_CUDNN_INCLUDE_DIR}/cudnn_version.h" CUDNN_MAJOR CUDNN_MINOR hydralora_cudnn_number)
hydralora_cudnn_version("${HYDRALORA_CUDNN_FRONTEND_INCLUDE_DIR}/cudnn_frontend_version.h"
    CUDNN_FRONTEND_MAJOR_VERSION CUDNN_FRONTEND_MINOR_VERSION hydralora_cudnn_frontend_number)

set(hydralora_cudnn_missing "")
if(NOT TARGET hydralora::cuda)
    set(hydralora_cudnn_missing "hydralora::cuda")
elseif(NOT HYDRALORA_CUDNN_INCLUDE_DIR OR NOT HYDRALORA_CUDNN_LIBRARY)
    set(hydralora_cudnn_missing "cuDNN")
elseif(hydralora_cudnn_number VERSION_LESS 9.16)
    set(hydralora_cudnn_missing "cuDNN 9.16 or later (${hydralora_cudnn_number} in ${HYDRALORA_CUDNN_INCLUDE_DIR})")
elseif(NOT HYDRALORA_CUDNN_FRONTEND_INCLUDE_DIR)
    set(hydralora_cudnn_missing "cudnn-frontend")
elseif(hydralora_cudnn_frontend_number VERSION_LESS 1.21)
    set(hydralora_cudnn_missing "cudnn-frontend 1.21 or later (${hydralora_cudnn_frontend_number} in ${HYDRALORA_CUDNN_FRONTEND_INCLUDE_DIR})")
endif()

if(NOT hydralora_cudnn_missing AND NOT TARGET hydralora::cudnn)
    add_library(hydralora_cudnn STATIC EXCLUDE_FROM_ALL "${hydralora_include_dir}/hydralora/thrust/cudnn_attention.cpp")
    add_library(hydralora::cudnn ALIAS hydralora_cudnn)
    set_target_properties(hydralora_cudnn PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(hydralora_cudnn SYSTEM PRIVATE
        "${HYDRALORA_CUDNN_FRONTEND_INCLUDE_DIR}" "${HYDRALORA_CUDNN_INCLUDE_DIR}")
    target_link_libraries(hydralora_cudnn
        PUBLIC hydralora::cuda PRIVATE "${HYDRALORA_CUDNN_LIBRARY}" ${CMAKE_DL_LIBS})
    if(CUDA_nvrtc_LIBRARY)  # which the frontend names, though not for attention; CUDA::nvrtc would need a driver to start
        target_link_libraries(hydralora_cudnn PRIVATE "${CUDA_nvrtc_LIBRARY}")
    endif()
endif()
