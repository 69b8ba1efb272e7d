// What Thrust's host systems have in common: host memory, groups of one, products as loops.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>

#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/sort.h>
#include <thrust/system/cpp/execution_policy.h>

#include "../backend/concept.hpp"
#include "../backend/group.hpp"
#include "../core/check.hpp"
#include "host_product.hpp"

namespace hydralora {

namespace functor {

/// A row functor called with a group of one.
template <class F>
struct AloneInRow {
    F f;
    void operator()(Index row) const { f(Solo{}, row); }
};

/// One matrix of a batch of products.
template <class A, class TA, class TB, class TC>
struct ProductOfBatch {
    ProductTile<A, TA, TB, TC> first;
    Index inner;
    Index a_outer, a_inner, b_outer, b_inner, c_outer, c_inner;

    void operator()(Index i) const {
        ProductTile<A, TA, TB, TC> product = first;
        product.a += i / inner * a_outer + i % inner * a_inner;
        product.b += i / inner * b_outer + i % inner * b_inner;
        product.c += i / inner * c_outer + i % inner * c_inner;
        for (Index tile = 0; tile < product.count(product.m, product.n); ++tile) product(tile);
    }
};

}  // namespace functor

/// How a host system works; no option changes what is computed, slab_rows changes how sums are rounded.
struct HostOptions {
    int threads = 0;        ///< 0: as many as the system chooses
    Index slab_rows = 128;  ///< rows a slab of a sum over tokens
};

/// The system of a Thrust execution policy on the host. Policy()() is the policy, Policy::Threads(n) an object while which
/// lives n threads are used.
template <class Policy>
class HostSystem {
public:
    using space = host;
    using Options = HostOptions;

    explicit HostSystem(const Options& options) : threads_(options.threads) {
        check(threads_ >= 0 && threads_ <= 1024, "ThrustBackend: threads = ", threads_, ", expected 0 (all) to 1024");
    }

    [[nodiscard]] void* allocate(std::size_t bytes) {
        void* p = ::operator new(bytes, alignment, std::nothrow);
        check(p != nullptr, "ThrustBackend: out of memory: ", bytes, " bytes wanted");
        return p;
    }
    void deallocate(void* p) noexcept { ::operator delete(p, alignment); }

    template <class T>
    void fill(MatrixView<T> to, T value) {
        for (Index i = 0; i < to.rows; ++i) std::fill_n(to.row(i), to.cols, value);
    }
    template <class T>
    void copy(MatrixView<const T> from, MatrixView<T> to) {
        for (Index i = 0; i < to.rows; ++i) std::copy_n(from.row(i), from.cols, to.row(i));
    }
    template <class T>
    void upload(MatrixView<const T> from, MatrixView<T> to) {
        copy(from, to);
    }
    template <class T>
    void download(MatrixView<const T> from, MatrixView<T> to) {
        copy(from, to);
    }

    template <class F>
    void each(Index n, const F& f) {
        if (n == 1 || threads_ == 1) {  // without a team of threads, which OpenMP would allocate
            for (Index i = 0; i < n; ++i) f(i);
            return;
        }
        const typename Policy::Threads threads(threads_);
        ::thrust::for_each_n(Policy()(), ::thrust::counting_iterator<Index>(0), n, f);
    }
    template <class F>
    void rows(Index n, const F& f) {
        each(n, functor::AloneInRow<F>{f});
    }
    /// By one thread: OpenMP's sort allocates, and the keys are as few as the tokens.
    template <class Key, class Allocator>
    void sort(Key* keys, Index n, Allocator& allocator) {
        ::thrust::sort(::thrust::cpp::par(allocator), keys, keys + n);
    }

    template <class A, class TA, class TB, class TC>
    void gemm(Op op_a, Op op_b, A alpha, MatrixView<const TA> a, MatrixView<const TB> b, A beta, MatrixView<TC> c,
              Index slab) {
        each(functor::ProductTile<A, TA, TB, TC>::count(c.rows, c.cols), tile(op_a, op_b, alpha, a, b, beta, c, slab));
    }
    template <class A, class TA, class TB, class TC>
    void gemm_batched(BatchCount count, Op op_a, Op op_b, A alpha, Batched<const TA, host> a, Batched<const TB, host> b,
                      A beta, Batched<TC, host> c, Index slab) {
        each(count.outer * count.inner,
             functor::ProductOfBatch<A, TA, TB, TC>{tile(op_a, op_b, alpha, a.first, b.first, beta, c.first, slab),
                                                    count.inner, a.outer, a.inner, b.outer, b.inner, c.outer, c.inner});
    }

private:
    static constexpr std::align_val_t alignment{64};

    template <class A, class TA, class TB, class TC>
    static functor::ProductTile<A, TA, TB, TC> tile(Op op_a, Op op_b, A alpha, MatrixView<const TA> a,
                                                    MatrixView<const TB> b, A beta, MatrixView<TC> c, Index slab) {
        return {a.data,
                b.data,
                c.data,
                c.rows,
                c.cols,
                op_a == Op::none ? a.cols : a.rows,
                a.ld,
                b.ld,
                c.ld,
                alpha,
                beta,
                slab,
                op_a == Op::transpose,
                op_b == Op::transpose};
    }

    int threads_;
};

}  // namespace hydralora
