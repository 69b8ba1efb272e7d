# The header list is the tree, and the includes keep the direction of the house.
add_test(NAME house.header_list
    COMMAND "${CMAKE_COMMAND}" "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}" -P "${PROJECT_SOURCE_DIR}/cmake/check_header_list.cmake")
add_test(NAME house.include_direction
    COMMAND "${CMAKE_COMMAND}" "-DROOT=${PROJECT_SOURCE_DIR}/include" -P "${PROJECT_SOURCE_DIR}/cmake/check_includes.cmake")
add_test(NAME house.include_direction_refuses
    COMMAND "${CMAKE_COMMAND}" "-DCHECK=${PROJECT_SOURCE_DIR}/cmake/check_includes.cmake"
        "-DDIR=${CMAKE_CURRENT_BINARY_DIR}/check_includes" -P "${CMAKE_CURRENT_SOURCE_DIR}/support/check_includes_test.cmake")

# Every header compiles alone, with clang where it is installed; all of them together with this compiler too (support/odr.cpp).
set(alone ${HYDRALORA_HEADERS})
if(NOT TARGET hydralora::io)
    list(FILTER alone EXCLUDE REGEX "^hydralora/(io|text)/")
endif()
list(FILTER alone EXCLUDE REGEX "\\.cpp$")
list(FILTER alone EXCLUDE REGEX "^hydralora/thrust/(cuda|omp)_")  # of other compilers and flags
if(NOT TARGET hydralora::thrust_host)
    list(FILTER alone EXCLUDE REGEX "^hydralora/thrust[./]")
endif()
list(JOIN alone "\n" alone)
file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/headers_alone.txt" "${alone}\n")

# -idirafter, because it marks a folder as foreign and, unlike -isystem, does not reorder /usr/include.
set(flags "-I\"${PROJECT_SOURCE_DIR}/include\"\n")
foreach(library Eigen3::Eigen nlohmann_json::nlohmann_json hydralora::thrust_host)
    if(TARGET ${library})
        set(folders "$<TARGET_PROPERTY:${library},INTERFACE_INCLUDE_DIRECTORIES>")
        string(APPEND flags "$<$<BOOL:${folders}>:-idirafter \"$<JOIN:${folders},\" -idirafter \">\">\n")
    endif()
endforeach()
set(HYDRALORA_INCLUDE_FLAGS "${CMAKE_CURRENT_BINARY_DIR}/include_flags.rsp")
file(GENERATE OUTPUT "${HYDRALORA_INCLUDE_FLAGS}" CONTENT "${flags}")

find_program(HYDRALORA_CLANG clang++)
mark_as_advanced(HYDRALORA_CLANG)
set(compiler "${CMAKE_CXX_COMPILER}")
if(HYDRALORA_CLANG)
    set(compiler "${HYDRALORA_CLANG}")
endif()
add_test(NAME house.headers_alone
    COMMAND bash "${CMAKE_CURRENT_SOURCE_DIR}/support/headers_alone.sh" "${compiler}"
        "${HYDRALORA_INCLUDE_FLAGS}" "${CMAKE_CURRENT_BINARY_DIR}/headers_alone.txt")
set_tests_properties(house.headers_alone PROPERTIES PROCESSORS 2 TIMEOUT 900 LABELS house
    SKIP_REGULAR_EXPRESSION "skipped: ")
add_test(NAME house.other_macros
    COMMAND bash "${CMAKE_CURRENT_SOURCE_DIR}/support/other_macros.sh" "${compiler}"
        "${HYDRALORA_INCLUDE_FLAGS}" "${CMAKE_CURRENT_BINARY_DIR}/headers_alone.txt")
add_test(NAME house.without_toolkit
    COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${PROJECT_SOURCE_DIR}" "-DOUT=${CMAKE_CURRENT_BINARY_DIR}/without_toolkit"
        "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DEIGEN=${Eigen3_DIR}" "-DJSON=${nlohmann_json_DIR}"
        -P "${CMAKE_CURRENT_SOURCE_DIR}/support/without_toolkit.cmake")
set_tests_properties(house.header_list house.include_direction house.include_direction_refuses house.other_macros
    house.without_toolkit
    PROPERTIES LABELS house)

# What a user's unit costs to compile, with g++ as most users have it; other compilers have other numbers.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_executable(child_cost "${PROJECT_SOURCE_DIR}/bench/support/child_cost.cpp")
    target_link_libraries(child_cost PRIVATE hydralora_warnings)
    add_test(NAME house.compile_cost
        COMMAND bash "${PROJECT_SOURCE_DIR}/bench/support/compile_cost.sh" "$<TARGET_FILE:child_cost>"
            "${CMAKE_CXX_COMPILER}" "${HYDRALORA_INCLUDE_FLAGS}" "${CMAKE_CURRENT_BINARY_DIR}/compile_cost")
    set_tests_properties(house.compile_cost PROPERTIES LABELS house)
endif()
