#include <hydralora/thrust/product_plans.hpp>

#include <doctest/doctest.h>

#include <vector>

namespace thrust_product_plans_test {

using namespace hydralora;

namespace {

/// Keys that differ from the first, and from one another, in one place each.
std::vector<ProductKey> keys() {
    const ProductKey base{.m = 8, .n = 16, .k = 32, .ld_a = 8, .ld_b = 32, .ld_c = 8};
    std::vector<ProductKey> all(19, base);
    std::size_t at = 1;
    for (Index ProductKey::*place :
         {&ProductKey::m, &ProductKey::n, &ProductKey::k, &ProductKey::ld_a, &ProductKey::ld_b, &ProductKey::ld_c,
          &ProductKey::stride_a, &ProductKey::stride_b, &ProductKey::stride_c, &ProductKey::batch})
        all[at++].*place += 1;
    for (int ProductKey::*place : {&ProductKey::align_a, &ProductKey::align_b, &ProductKey::align_c,
                                   &ProductKey::type_factors, &ProductKey::type_result, &ProductKey::type_sums})
        all[at++].*place += 1;
    all[at++].transpose_a = true;
    all[at++].transpose_b = true;
    REQUIRE(at == all.size());
    return all;
}

}  // namespace

TEST_CASE("ProductKey: every member counts, for equality and for the hash") {
    // A member added later is to be added to keys(), and to the hash.
    static_assert(sizeof(ProductKey) == 10 * sizeof(Index) + 6 * sizeof(int) + 8);
    const auto all = keys();
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t j = 0; j < all.size(); ++j) {
            CHECK((all[i] == all[j]) == (i == j));
            CHECK((ProductKey::Hash{}(all[i]) == ProductKey::Hash{}(all[j])) == (i == j));
        }
}

TEST_CASE("ProductPlans: a plan is made once for a key, and not more are kept than wanted") {
    const auto all = keys();
    ProductPlans<int> plans(all.size());
    int made = 0;
    const auto make = [&](const ProductKey&) { return ++made; };
    for (int round = 0; round < 3; ++round)
        for (std::size_t i = 0; i < all.size(); ++i) CHECK(plans.of(all[i], make) == static_cast<int>(i) + 1);
    CHECK(plans.size() == all.size());
    plans.of(all[3], make) = 77;  // what the caller learns about a plan stays with it
    CHECK(plans.of(all[3], make) == 77);

    ProductPlans<int> few(4);
    made = 0;
    for (const ProductKey& key : all) {
        static_cast<void>(few.of(key, make));
        CHECK(few.size() <= 4);
    }
    CHECK(made == static_cast<int>(all.size()));
}

TEST_CASE("alignment_of: a power of two, 16 at most") {
    alignas(64) const char memory[64] = {};
    const int expected[] = {16, 1, 2, 1, 4, 1, 2, 1, 8, 1, 2, 1, 4, 1, 2, 1};
    for (int i = 0; i < 64; ++i) CHECK(alignment_of(memory + i) == expected[i % 16]);
}

}  // namespace thrust_product_plans_test
