// What hydralora::compiled holds: the bodies that headers leave out where HYDRALORA_COMPILED is defined, and the templates
// that compiled.hpp lists.
#if defined(HYDRALORA_COMPILED)
#error "hydralora: compiled.cpp holds the bodies and is compiled without HYDRALORA_COMPILED"
#endif
#define HYDRALORA_COMPILING

#include "compiled.hpp"

#if defined(HYDRALORA_COMPILING_JSON)
#include "io/json_definitions.hpp"
#endif
