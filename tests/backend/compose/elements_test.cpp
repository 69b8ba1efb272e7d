#include <doctest/doctest.h>

#include <hydralora/backend/compose/elements.hpp>
#include <set>

namespace backend_compose_elements_test {

using namespace hydralora;

namespace {

/// Offsets of all elements of a (rows, cols) matrix with leading dimension ld, as the cut visits them; empty if one
/// is visited twice.
std::set<Index> visited(Index rows, Index cols, Index ld, Index other_ld) {
    float* none = nullptr;
    const auto v = host_view(none, rows, cols, ld);
    const auto cut = ElementRows::of(v.shape(), v, host_view(none, rows, cols, other_ld));
    std::set<Index> offsets;
    for (Index t = 0; t < cut.count(); ++t)
        for (Index j = 0; j < cut.length(t); ++j)
            if (!offsets.insert(t * cut.step(ld) + j).second) return {};
    return offsets;
}

std::set<Index> expected(Index rows, Index cols, Index ld) {
    std::set<Index> offsets;
    for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < cols; ++j) offsets.insert(i * ld + j);
    return offsets;
}

}  // namespace

TEST_CASE("ElementRows visits every element of every matrix once") {
    for (const Index rows : {0, 1, 2, 3, 300})
        for (const Index cols : {0, 1, 5, 1023, 1024, 1025})
            for (const Index pad : {0, 3})
                for (const Index other : {0, 7})
                    CHECK(visited(rows, cols, cols + pad, cols + other) == expected(rows, cols, cols + pad));
}

TEST_CASE("ElementRows: long, thin and square contiguous matrices make pieces of the same size") {
    float* none = nullptr;
    for (const Shape s : {Shape{1, 4096}, Shape{4096, 1}, Shape{64, 64}})
        CHECK(ElementRows::of(s, host_view(none, s.rows, s.cols)).count() == 4);
}

}  // namespace backend_compose_elements_test
