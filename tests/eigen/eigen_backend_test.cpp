// Memory, element-wise and row-wise primitives; products are in gemm_test.cpp.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <hydralora/backend/compose/dropout.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <initializer_list>
#include <map>
#include <vector>

#include "support/matrix.hpp"

namespace eigen_eigen_backend_test {

using namespace hydralora;
using test::Matrix;
using test::random_matrix;

namespace {

struct Square {
    const double* x;
    double* y;
    std::atomic<long>* calls;
    void operator()(Index i) const {
        y[i] = x[i] * x[i];
        ++*calls;
    }
};

struct RowSum {
    const double* x;
    double* y;
    Index cols;
    template <class Group>
    void operator()(const Group& group, Index row) const {
        double sum = 0;
        for (Index j = group.rank(); j < cols; j += group.size()) sum += x[row * cols + j];
        sum = group.sum(sum);
        if (group.rank() == 0) y[row] += sum;
    }
};

struct Term {
    const double* x;
    double operator()(Index i) const { return x[i]; }
};

struct Collect {
    std::vector<std::vector<Index>>* positions;
    template <class Group>
    void operator()(const Group&, std::int32_t id, const Index* at, Index n) const {
        auto& to = (*positions)[static_cast<std::size_t>(id)];
        to.insert(to.end(), at, at + n);
    }
};

}  // namespace

TEST_CASE("EigenBackend: fill, copy and cast keep to the view") {
    EigenBackend be({.threads = 1});
    const auto from = random_matrix<double>(5, 7, 1, 3);
    Matrix<float> to(5, 7, 4);
    be.cast(from.view(), to.view());
    for (Index i = 0; i < 5; ++i)
        for (Index j = 0; j < 7; ++j) CHECK(to(i, j) == static_cast<float>(from(i, j)));
    CHECK(to.padding_untouched());
    Matrix<float> other(5, 7, 1);
    be.copy(to.cview(), other.view());
    CHECK(test::same_bits(to.view(), other.view()));
    CHECK(other.padding_untouched());
    be.fill(to.view(), 3.0f);
    CHECK(test::max_difference(to.view(), other.view()) > 2);
    CHECK(to(4, 6) == 3.0f);
    CHECK(to.padding_untouched());
    Matrix<float> host_side(5, 7, 2);
    be.upload(other.cview(), to.view());
    be.download(to.cview(), host_side.view());
    CHECK(test::same_bits(other.view(), host_side.view()));
    CHECK_THROWS_WITH_AS(be.copy(other.cview(), Matrix<float>(7, 5).view()),
                         "EigenBackend: copy of a (5, 7) matrix to a (7, 5) one", Error);
}

TEST_CASE("EigenBackend: memory is aligned to 64 bytes") {
    EigenBackend be({.threads = 1});
    for (const Index n : {1, 3, 1000}) {
        auto* p = be.allocate<char>(n);
        CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
        be.deallocate(p, n);
    }
    CHECK_THROWS_AS(static_cast<void>(be.allocate<double>(Index{1} << 55)), Error);
}

TEST_CASE("EigenBackend: each calls f once for every index") {
    for (const int threads : {1, 3})
        for (const Index n : {0, 1, 8191, 8192, 8193, 50000}) {
            EigenBackend be({.threads = threads});
            const auto x = random_matrix<double>(1, n, 2);
            Matrix<double> y(1, n);
            std::atomic<long> calls{0};
            be.each(n, Square{x.data.data(), y.data.data(), &calls});
            CHECK(calls == n);
            long wrong = 0;
            for (Index i = 0; i < n; ++i) wrong += y(0, i) != x(0, i) * x(0, i);
            CHECK(wrong == 0);
        }
}

TEST_CASE("EigenBackend: rows calls f once for every row") {
    for (const int threads : {1, 4})
        for (const Index n : {0, 1, 7, 8, 9, 100}) {
            EigenBackend be({.threads = threads});
            const auto x = random_matrix<double>(n, 13, 3);
            Matrix<double> y(1, n);
            be.rows(n, RowSum{x.data.data(), y.data.data(), 13});
            for (Index i = 0; i < n; ++i) {
                double sum = 0;
                for (Index j = 0; j < 13; ++j) sum += x(i, j);
                CHECK(y(0, i) == sum);
            }
        }
}

TEST_CASE("EigenBackend: reduce adds slabs of slab_rows terms in order, onto what is there") {
    const auto x = random_matrix<double>(1, 20000, 4);
    for (const Index slab : {4, 128})
        for (const Index n : {0, 1, 4, 127, 128, 129, 20000}) {
            double expected = 0.25;
            for (Index s = 0; s < n; s += slab) {
                double sum = 0;
                for (Index i = s; i < std::min(n, s + slab); ++i) sum += x(0, i);
                expected += sum;
            }
            for (const int threads : {1, 2, 3, 4}) {
                EigenBackend be({.threads = threads, .slab_rows = slab});
                double out = 0.25;
                be.reduce(n, Term{x.data.data()}, host_view(&out, 1, 1));
                CHECK(out == expected);
            }
        }
}

TEST_CASE("EigenBackend: segments hands out each id once, in its positions ascending; negative ids are left out") {
    for (const int threads : {1, 4}) {
        EigenBackend be({.threads = threads});
        for (const Index n : {0, 1, 5, 3000}) {
            std::vector<std::int32_t> ids(static_cast<std::size_t>(n));
            std::map<std::int32_t, std::vector<Index>> expected;
            for (Index i = 0; i < n; ++i) {
                const auto id = static_cast<std::int32_t>((i * 7919 + i * i) % 41) - 3;
                ids[static_cast<std::size_t>(i)] = id;
                if (id >= 0) expected[id].push_back(i);
            }
            std::vector<std::vector<Index>> found(64);
            be.segments(host_view(static_cast<const std::int32_t*>(ids.data()), 1, n), Collect{&found});
            for (std::size_t id = 0; id < found.size(); ++id)
                CHECK(found[id] == expected[static_cast<std::int32_t>(id)]);
        }
        const std::vector<std::int32_t> none(9, -1);
        std::vector<std::vector<Index>> found(1);
        be.segments(host_view(none.data(), 1, 9), Collect{&found});
        CHECK(found[0].empty());
    }
}

TEST_CASE("EigenBackend: slab_rows out of range is named") {
    for (const Index bad : {0, -4, 2, 6}) CHECK_THROWS_AS((EigenBackend({.threads = 1, .slab_rows = bad})), Error);
    CHECK_THROWS_WITH_AS((EigenBackend({.threads = 1, .slab_rows = 6})),
                         "EigenBackend: slab_rows = 6, expected a positive multiple of 4", Error);
    CHECK(EigenBackend({.threads = 3, .slab_rows = 8}).slab_rows() == 8);
    CHECK(EigenBackend({.threads = 3}).threads() == 3);
}

namespace {
/// A user's backend: one operation of its own, all else inherited.
struct CountsDropout : EigenBackend {
    using EigenBackend::EigenBackend;
    int calls = 0;
    void dropout(MatrixView<const float> x, const DropoutMask&, MatrixView<float> y, Grad) {
        ++calls;
        cast(x, y);
    }
};
}  // namespace

TEST_CASE("EigenBackend: a derived backend's own operation is the one used") {
    static_assert(Backend<CountsDropout>);
    CountsDropout be({.threads = 1});
    const auto x = random_matrix<float>(3, 4, 5);
    Matrix<float> y(3, 4);
    ops::dropout(be, x.cview(), DropoutMask{}, y.view());
    CHECK(be.calls == 1);
    CHECK(test::same_bits(x.view(), y.view()));
}

}  // namespace eigen_eigen_backend_test
