# hydralora::pcre2: PCRE2 in units of 8 bits, for the regular expressions of tokenizer.json that are not among the built-in ones
# (hydralora/text/regex.hpp); not defined where the library is not found. Included by the project itself and by its package file.
find_path(HYDRALORA_PCRE2_INCLUDE_DIR pcre2.h DOC "folder of pcre2.h")
find_library(HYDRALORA_PCRE2_LIBRARY pcre2-8 DOC "PCRE2 in units of 8 bits")
mark_as_advanced(HYDRALORA_PCRE2_INCLUDE_DIR HYDRALORA_PCRE2_LIBRARY)
if(HYDRALORA_PCRE2_INCLUDE_DIR AND HYDRALORA_PCRE2_LIBRARY AND NOT TARGET hydralora::pcre2)
    add_library(hydralora::pcre2 INTERFACE IMPORTED GLOBAL)
    target_include_directories(hydralora::pcre2 SYSTEM INTERFACE "${HYDRALORA_PCRE2_INCLUDE_DIR}")
    target_link_libraries(hydralora::pcre2 INTERFACE "${HYDRALORA_PCRE2_LIBRARY}")
    target_compile_definitions(hydralora::pcre2 INTERFACE HYDRALORA_PCRE2)
endif()
