#include <doctest/doctest.h>

#include <hydralora/backend/concept.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <type_traits>

#include "support/team.hpp"

namespace backend_concept_test {

using namespace hydralora;

namespace {

// Backends that lack one primitive: a member of the same name hides the inherited one.
struct NoUpload : EigenBackend {
    void upload() {}
};
struct NoBatched : EigenBackend {
    void gemm_batched() {}
};
struct NoSegments : EigenBackend {
    void segments() {}
};
struct NoReduce : EigenBackend {
    void reduce() {}
};

template <class B>
constexpr int parts = MemoryBackend<B> * 1 + BlasBackend<B> * 2 + NnBackend<B> * 4 + OptimBackend<B> * 8;

}  // namespace

TEST_CASE("Backend: the Eigen backends are one, and what lacks a primitive fails in its own quarter") {
    static_assert(Backend<EigenBackend>);
    static_assert(Backend<BasicEigenBackend<double>>);
    static_assert(Backend<test::TeamBackend<float>>);
    static_assert(!Backend<int>);
    CHECK(parts<EigenBackend> == 15);
    CHECK(parts<NoUpload> == 15 - 1);
    CHECK(parts<NoBatched> == 15 - 2);
    CHECK(parts<NoSegments> == 15 - 4);
    CHECK(parts<NoReduce> == 15 - 8);
}

TEST_CASE("Views and buffers of a backend by role") {
    static_assert(std::is_same_v<View<EigenBackend>, MatrixView<float>>);
    static_assert(std::is_same_v<ConstAccumView<BasicEigenBackend<double>>, MatrixView<const double>>);
    static_assert(std::is_same_v<ParamBuffer<EigenBackend>, Buffer<EigenBackend, float>>);
    static_assert(std::is_same_v<ViewOf<EigenBackend, const int>, MatrixView<const int, host>>);
}

TEST_CASE("Batched: matrix (o, i) begins at o * outer + i * inner, in the shape of the first") {
    float memory[100];
    const Batched<float, host> b{host_view(memory, 2, 3, 10), 40, 5};
    const Batched<const float, host> constant = b;
    CHECK(b.at(0, 0).data == memory);
    CHECK(constant.at(1, 2).data == memory + 50);
    CHECK(constant.at(1, 2).shape() == Shape{2, 3});
    CHECK(constant.at(1, 2).ld == 10);
}

}  // namespace backend_concept_test
