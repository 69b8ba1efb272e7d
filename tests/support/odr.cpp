// Linked into every test program: a second unit with all headers, so that a definition without `inline` does not link.
#if __has_include(<hydralora/hydralora.hpp>)
#include <hydralora/hydralora.hpp>
#endif
#if __has_include(<hydralora/fwd.hpp>)
#include <hydralora/fwd.hpp>
#endif
