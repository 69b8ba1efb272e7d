// Which vector instructions run, and who decides. The registered variants of this test force them through the environment.
#include <hydralora/core/isa.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "support/message_of.hpp"

namespace core_isa_test {

namespace {

using namespace hydralora;
using namespace hydralora::isa_detail;

TEST_CASE("the instructions are those asked for, or the best that the processor has, whatever the build is for") {
    const char* wanted = std::getenv("HYDRALORA_KERNEL");
    if (wanted != nullptr && *wanted != '\0') {
        CHECK(isa_name() == wanted);
        return;
    }
    MESSAGE("instructions of this process: ", std::string(isa_name()));
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        CHECK(isa_name() == "avx512");
    else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        CHECK(isa_name() == "avx2");
    else
        CHECK(isa_name() == "baseline");
#endif
}

TEST_CASE("instructions that are unknown or not to be had here are refused by name") {
    CHECK(choose("") == choose(nullptr));
    CHECK(choose(std::string(baseline_name).c_str()) == Isa::baseline);
    CHECK(test::message_of([] { (void)choose("avx1024"); }) ==
          "HYDRALORA_KERNEL=avx1024: unknown kernel, expected avx512, avx2 or " + std::string(baseline_name));
    for (const Isa isa : {Isa::avx2, Isa::avx512}) {
        const std::string name(name_of(isa));
        if (supports(isa))
            CHECK(choose(name.c_str()) == isa);
        else
            CHECK(
                test::message_of([&] { (void)choose(name.c_str()); }) ==
                "HYDRALORA_KERNEL=" + name +
                    ": this processor does not have these instructions; unset the variable to run the best kernel that "
                    "it has");
    }
}

}  // namespace

}  // namespace core_isa_test
