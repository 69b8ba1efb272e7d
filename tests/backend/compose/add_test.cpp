#include <doctest/doctest.h>

#include <hydralora/backend/compose/add.hpp>

#include "support/backend.hpp"
#include "support/matrix.hpp"

namespace backend_compose_add_test {

using namespace hydralora;

TEST_CASE("add: y += x for any leading dimension, and nothing beside it") {
    test::TestBackend be({.threads = 2});
    for (const Index rows : {0, 1, 9, 40})
        for (const Index cols : {1, 5, 33})
            for (const Index pad : {0, 3}) {
                const auto x = test::random_matrix<float>(rows, cols, 1, pad);
                auto y = test::random_matrix<float>(rows, cols, 2, 2 * pad);
                const auto before = y;
                ops::add(be, x.view(), y.view());
                for (Index i = 0; i < rows; ++i)
                    for (Index j = 0; j < cols; ++j) CHECK(y(i, j) == before(i, j) + x(i, j));
                CHECK(y.padding_untouched());
            }
}

TEST_CASE("add: a matrix to itself") {
    test::TestBackend be({.threads = 2});
    auto y = test::random_matrix<float>(7, 5, 3);
    const auto before = y;
    ops::add(be, y.cview(), y.view());
    for (Index i = 0; i < 7; ++i)
        for (Index j = 0; j < 5; ++j) CHECK(y(i, j) == 2 * before(i, j));
}

}  // namespace backend_compose_add_test
