// A build without PCRE2: the header compiles, and a pattern is refused with the way out.
#undef HYDRALORA_PCRE2
#include <hydralora/text/regex.hpp>

#include <doctest/doctest.h>

#include "support/message_of.hpp"

TEST_CASE("without PCRE2") {
    CHECK(!hydralora::text::Regex::available);
    CHECK(test::message_of([] { hydralora::text::Regex regex("a+"); }) ==
          "this build has no PCRE2, which it needs: install it (libpcre2-dev on Debian and Ubuntu) and configure "
          "again, or define "
          "HYDRALORA_PCRE2 and link pcre2-8");
}
