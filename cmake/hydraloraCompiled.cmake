# hydralora::compiled, the library's usual templates compiled once (hydralora/compiled.hpp): a static library of the build
# that asks for it, so that its instructions and its standard library are that build's. Linking it defines HYDRALORA_COMPILED.
# Included by the project itself and by its package file; hydralora_include_dir is where the headers are.
if(NOT TARGET hydralora::compiled)
    add_library(hydralora_compiled STATIC EXCLUDE_FROM_ALL "${hydralora_include_dir}/hydralora/compiled.cpp")
    add_library(hydralora::compiled ALIAS hydralora_compiled)
    set_target_properties(hydralora_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
    target_link_libraries(hydralora_compiled PUBLIC hydralora::hydralora)
    target_compile_definitions(hydralora_compiled INTERFACE HYDRALORA_COMPILED)
    if(TARGET nlohmann_json::nlohmann_json)  # the parser of io/json.hpp besides
        target_link_libraries(hydralora_compiled PRIVATE $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
        target_compile_definitions(hydralora_compiled
            PRIVATE HYDRALORA_COMPILING_JSON INTERFACE HYDRALORA_COMPILED_JSON)
    endif()
    if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")  # a debug build wants its own code debugged, and products in time
        target_compile_options(hydralora_compiled PRIVATE $<$<NOT:$<CONFIG:Release,RelWithDebInfo>>:-O2>)
    endif()
endif()
