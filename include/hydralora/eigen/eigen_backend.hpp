// The CPU backend: products of floats and their attention by the micro-kernels of panel/, products of doubles by Eigen's
// kernel (product.hpp), loops in the processor's vectors (vector_loops.hpp), all spread over a small pool of threads.
//
// Sums over tokens are cut in slabs of slab_rows terms added in order, each computed by one thread from start to end; no
// other cut changes a sum. So 1, 2, 3 or 4 threads give the same bits.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <type_traits>
#include <vector>

#include "../backend/compose/row_loops.hpp"
#include "../backend/concept.hpp"
#include "../backend/group.hpp"
#include "../core/check.hpp"
#include "../core/thread_pool.hpp"
#include "../core/vector_loops.hpp"
#include "../panel/product.hpp"
#include "../quant/decode.hpp"
#include "attention.hpp"
#include "attention_backward.hpp"
#include "attention_few.hpp"
#include "product.hpp"

namespace hydralora {

/// How the backend works; no option changes what is computed, slab_rows changes how sums are rounded.
struct EigenOptions {
    int threads = 0;  ///< 0: as many as the machine has
    Index slab_rows =
        128;  ///< rows a slab of a sum over tokens; micro-batches that are multiples of it add up to the same bits
};

/// Backend on host memory with element type T for every role. Not copyable; one caller at a time; buffers must not outlive it.
template <class T>
class BasicEigenBackend {
public:
    using space = host;
    using precision = Precision<T>;
    using arena_type = Arena<BasicEigenBackend>;

    explicit BasicEigenBackend(EigenOptions options = {});
    BasicEigenBackend(const BasicEigenBackend&) = delete;
    BasicEigenBackend& operator=(const BasicEigenBackend&) = delete;
    ~BasicEigenBackend();

    [[nodiscard]] int threads() const { return pool_.size(); }
    [[nodiscard]] Index slab_rows() const { return slab_rows_; }
    [[nodiscard]] arena_type& arena() { return arena_; }

    // --- memory -----------------------------------------------------------------------------------------------------

    template <class U>
    [[nodiscard]] U* allocate(Index count) {
        const auto bytes = static_cast<std::size_t>(count) * sizeof(U);
        void* p = ::operator new(bytes, alignment, std::nothrow);
        check(p != nullptr, "EigenBackend: out of memory: ", bytes, " bytes wanted");
        return static_cast<U*>(p);
    }
    template <class U>
    void deallocate(U* p, Index) noexcept {
        ::operator delete(p, alignment);
    }
    template <class U>
    void fill(MatrixView<U> to, std::type_identity_t<U> value) {
        for (Index i = 0; i < to.rows; ++i) std::fill_n(to.row(i), to.cols, value);
    }
    template <class From, class To>
    void cast(MatrixView<From> from, MatrixView<To> to) {
        check(from.shape() == to.shape(), "EigenBackend: copy of a (", from.rows, ", ", from.cols, ") matrix to a (",
              to.rows, ", ", to.cols, ") one");
        constexpr bool narrowed = sizeof(To) == 2 && !std::is_same_v<std::remove_const_t<From>, To>;
        in_vectors([&] {
            for (Index i = 0; i < to.rows; ++i) {
                const From* const row = from.row(i);
                functor::row_map<std::conditional_t<narrowed, float, To>>(Solo{}, to.cols, functor::Set{}, row,
                                                                          functor::Out{to.row(i)});
            }
        });
    }
    template <class U>
    void copy(MatrixView<const U> from, MatrixView<std::type_identity_t<U>> to) {
        cast(from, to);
    }
    template <class U>
    void copy(MatrixView<U> from, MatrixView<U> to) {
        cast(from, to);
    }
    /// to = a matrix of blocks.
    template <class To>
    void decode(const QuantView<host>& from, MatrixView<To> to) {
        pool_.run(to.rows, [&](Index i, int) {
            if constexpr (std::is_same_v<To, float>) {
                quant::decode(from, i, 1, 0, from.cols, to.row(i), to.ld);
            } else {
                float run[quant_run];
                for (Index col = 0; col < to.cols; col += quant_run) {
                    const Index count = std::min(quant_run, to.cols - col);
                    quant::decode(from, i, 1, col, count, run, quant_run);
                    for (Index j = 0; j < count; ++j) to(i, col + j) = static_cast<To>(run[j]);
                }
            }
        });
    }
    template <class From, class To>
    void upload(MatrixView<From> from, MatrixView<To> to) {
        cast(from, to);
    }
    template <class From, class To>
    void download(MatrixView<From> from, MatrixView<To> to) {
        cast(from, to);
    }

    // --- products ---------------------------------------------------------------------------------------------------

    /// c (m, n) = alpha op(a) (m, k) op(b) (k, n) + beta c
    void gemm(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const T> b, T beta, MatrixView<T> c);
    /// The same with b as it is stored, in 16 bits, widened on the way; a is not transposed.
    void gemm(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const bfloat16> b, T beta, MatrixView<T> c);
    void gemm(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const float16> b, T beta, MatrixView<T> c);

    /// The same with b in blocks, decoded on the way: in floats alone.
    void gemm(Op op_a, Op op_b, T alpha, MatrixView<const T> a, const QuantView<host>& b, T beta,
              MatrixView<T> c) requires std::is_same_v<T, float>;

    /// gemm for each matrix of the batches: of float one after another, of double one task a matrix.
    void gemm_batched(BatchCount count, Op op_a, Op op_b, T alpha, Batched<const T, host> a, Batched<const T, host> b,
                      T beta, Batched<T, host> c);

    // --- element-wise and row-wise work -----------------------------------------------------------------------------

    template <class F>
    void each(Index n, F f) {
        constexpr Index chunk = 8192;
        pool_.run((n + chunk - 1) / chunk, [&](Index task, int) {
            const Index end = std::min(n, (task + 1) * chunk);
            in_vectors([&] {
                F g = f;  // a copy the compiler can keep in registers
                for (Index i = task * chunk; i < end; ++i) g(i);
            });
        });
    }

    template <class F>
    void rows(Index n, F f) {
        constexpr Index chunk = 8;
        pool_.run((n + chunk - 1) / chunk, [&](Index task, int) {
            const Index end = std::min(n, (task + 1) * chunk);
            in_vectors([&] {
                F g = f;
                for (Index i = task * chunk; i < end; ++i) g(Solo{}, i);
            });
        });
    }

    template <class F>
    void tasks(Index n, F f) {
        pool_.run(n, f);
    }

    /// out(0, 0) += sum of f(i), slab by slab
    template <class F, class U>
    void reduce(Index n, F f, MatrixView<U> out) {
        const Index slabs = (n + slab_rows_ - 1) / slab_rows_;
        typename arena_type::Frame frame(*this);
        const auto sums = frame.template matrix<U>(1, slabs);
        constexpr Index chunk = 64;  // slabs a task
        pool_.run((slabs + chunk - 1) / chunk, [&](Index task, int) {
            const Index end = std::min(slabs, (task + 1) * chunk);
            in_vectors([&] {
                F g = f;
                for (Index s = task * chunk; s < end; ++s) {
                    U sum{};
                    for (Index i = s * slab_rows_; i < std::min(n, (s + 1) * slab_rows_); ++i) sum += g(i);
                    sums(0, s) = sum;
                }
            });
        });
        for (Index s = 0; s < slabs; ++s) out(0, 0) += sums(0, s);
    }

    template <class F>
    void segments(MatrixView<const std::int32_t> ids, F f) {
        typename arena_type::Frame frame(*this);
        const auto keys = frame.template matrix<std::uint64_t>(1, ids.cols);  // id << 32 | position: one sort, no ties
        const auto order = frame.template matrix<Index>(1, ids.cols);
        const auto starts = frame.template matrix<Index>(1, ids.cols + 1);
        Index count = 0, segments = 0;
        for (Index i = 0; i < ids.cols; ++i)
            if (ids(0, i) >= 0)
                keys(0, count++) = static_cast<std::uint64_t>(ids(0, i)) << 32 | static_cast<std::uint64_t>(i);
        std::sort(keys.data, keys.data + count);
        for (Index i = 0; i < count; ++i) {
            order(0, i) = static_cast<Index>(keys(0, i) & 0xffffffffu);
            if (i == 0 || keys(0, i) >> 32 != keys(0, i - 1) >> 32) starts(0, segments++) = i;
        }
        starts(0, segments) = count;
        pool_.run(segments, [&](Index s, int) {
            const Index begin = starts(0, s), end = starts(0, s + 1);
            const auto id = static_cast<std::int32_t>(keys(0, begin) >> 32);
            in_vectors([&] {
                F g = f;
                g(Solo{}, id, order.data + begin, end - begin);
            });
        });
    }

    // --- attention --------------------------------------------------------------------------------------------------

    /// ops::attention and ops::attention_backward on the micro-kernels.
    void attention(const AttentionShape& shape, MatrixView<const T> q, MatrixView<const T> k, MatrixView<const T> v,
                   MatrixView<T> o, MatrixView<T> log_sum_exp) requires std::is_same_v<T, float> {
        if (panel_attention::few(shape)) return panel_attention::forward_few(*this, shape, q, k, v, o, log_sum_exp);
        if (shape.head_dim > panel::most_depth) return attention_detail::compose(*this, shape, q, k, v, o, log_sum_exp);
        panel_attention::forward(*this, shape, q, k, v, o, log_sum_exp);
    }
    void attention_backward(const AttentionShape& shape, MatrixView<const T> q, MatrixView<const T> k,
                            MatrixView<const T> v, MatrixView<const T> o, MatrixView<const T> d_o,
                            MatrixView<const T> log_sum_exp, MatrixView<T> dq, MatrixView<T> dk,
                            MatrixView<T> dv) requires std::is_same_v<T, float> {
        if (shape.head_dim > panel::most_depth)
            return attention_detail::compose_backward(*this, shape, q, k, v, o, d_o, log_sum_exp, dq, dk, dv);
        panel_attention::backward(*this, shape, q, k, v, o, d_o, log_sum_exp, dq, dk, dv);
    }

private:
    static constexpr std::align_val_t alignment{64};

    struct Tiles {
        Index rows, cols, row_count, col_count;
    };

    /// Tiles of a product's result, fixed by its shape: some eight of them, near square, for each packs its own rows of both
    /// sides. Edges fall on multiples of 48 columns and 4 rows, Eigen's register blocks, so an element's bits do not depend
    /// on the number of rows beside it.
    static Tiles tiles_of(Shape c, Index k) {
        if (c.empty() || c.rows * c.cols * k < (Index{1} << 16)) return {c.rows, c.cols, c.empty() ? 0 : 1, 1};
        const auto share = [](Index n, Index parts, Index multiple) {
            const Index part = (n + parts - 1) / parts;
            return (part + multiple - 1) / multiple * multiple;
        };
        const Index cols = c.cols <= 384 ? c.cols : share(c.cols, (c.cols + 255) / 256, 48);
        const Index col_count = (c.cols + cols - 1) / cols;
        const Index rows = std::clamp(share(c.rows, std::max(Index{1}, 8 / col_count), 32), Index{64}, Index{512});
        return {rows, cols, (c.rows + rows - 1) / rows, col_count};
    }

    /// Whether b is stored otherwise than in T.
    template <class V>
    static constexpr bool is_stored = !std::is_same_v<V, MatrixView<const T>>;

    template <class V>
    void gemm_of(Op op_a, Op op_b, T alpha, MatrixView<const T> a, const V& b, T beta, MatrixView<T> c) {
        check_product(op_a, op_b, a, b, c);
        check(op_a == Op::none || !is_stored<V>,
              "EigenBackend: gemm with a transposed and b in 16 bits or blocks is not offered");
        if (op_b == Op::transpose && c.rows < panel::few_tokens) return gemm_dots(alpha, a, b, beta, c);
        if constexpr (std::is_same_v<T, float>) {
            const Grad mode = beta == T{0} ? Grad::overwrite : Grad::accumulate;
            if (beta != T{1} && !(op_a == Op::none && beta == T{0})) scale(c, beta);
            if (op_a == Op::none) return panel::multiply(*this, alpha, a, op_b, b, c, mode);
            if constexpr (!is_stored<V>) panel::add_sums(*this, alpha, a, b, c);
        } else {
            gemm_tiles(op_a, op_b, alpha, a, b, beta, c);
        }
    }

    /// c = alpha a b^T + beta c, element by element, in runs of columns.
    template <class S>
    void gemm_dots(T alpha, MatrixView<const T> a, MatrixView<const S> b, T beta, MatrixView<T> c) {
        const Tiles tiles = tiles_of(c.shape(), a.cols);
        pool_.run(tiles.col_count, [&](Index tile, int) {
            const Index s = tile * tiles.cols, cols = std::min(tiles.cols, c.cols - s);
            const auto to = c.col_slice(s, cols);
            if (beta != T{1}) scale(to, beta);
            in_vectors([&] {
                for (Index i = 0; i < to.rows; ++i)
                    for (Index j = 0; j < cols; ++j)
                        to(i, j) +=
                            alpha * functor::row_sum<T>(Solo{}, a.cols, functor::Product{}, a.row(i), b.row(s + j));
            });
        });
    }

    /// The same with b in blocks.
    void gemm_dots(T alpha, MatrixView<const T> a, const QuantView<host>& b, T beta, MatrixView<T> c) {
        constexpr Index some = 48;
        typename arena_type::Frame frame(*this);
        const auto sums = frame.template matrix<float>(a.rows, quant::dot_sums(a.cols));
        for (Index i = 0; i < a.rows; ++i) quant::sum_sixteens(a.row(i), a.cols, sums.row(i));
        pool_.run((c.cols + some - 1) / some, [&](Index task, int) {
            const Index first = task * some, count = std::min(some, c.cols - first);
            const auto to = c.col_slice(first, count);
            if (beta != T{1}) scale(to, beta);
            for (Index i = 0; i < to.rows; ++i) {
                float products[some];
                quant::dot(b, first, count, a.row(i), sums.row(i), products);
                for (Index j = 0; j < count; ++j) to(i, j) += alpha * products[j];
            }
        });
    }

    static void scale(MatrixView<T> c, T factor) {
        for (Index i = 0; i < c.rows; ++i)
            for (Index j = 0; j < c.cols; ++j) c(i, j) = factor == T{0} ? T{0} : factor * c(i, j);
    }

    template <class S>
    void gemm_tiles(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const S> b, T beta, MatrixView<T> c) {
        prepare_packing();
        if constexpr (sizeof(S) == 2) {
            for (auto& memory : packing_)
                if (memory.wide == nullptr) memory.wide = allocate<T>(memory.wide_size);
        }
        const Index k = op_a == Op::none ? a.cols : a.rows;
        const Tiles tiles = tiles_of(c.shape(), k);
        pool_.run(tiles.row_count * tiles.col_count, [&](Index tile, int worker) {
            const Index r = tile / tiles.col_count * tiles.rows, rows = std::min(tiles.rows, c.rows - r);
            const Index s = tile % tiles.col_count * tiles.cols, cols = std::min(tiles.cols, c.cols - s);
            const auto tile_a = op_a == Op::none ? a.row_slice(r, rows) : a.col_slice(r, rows);
            const auto tile_b = op_b == Op::none ? b.col_slice(s, cols) : b.row_slice(s, cols);
            accumulate(op_a, op_b, alpha, tile_a, tile_b, beta, c.row_slice(r, rows).col_slice(s, cols), worker);
        });
    }

    template <class V>
    void check_product(Op op_a, Op op_b, MatrixView<const T> a, const V& b, MatrixView<T> c) const {
        const Shape sa = op_a == Op::none ? a.shape() : Shape{a.cols, a.rows};
        const Shape sb = op_b == Op::none ? b.shape() : Shape{b.cols, b.rows};
        check(op_a == Op::none || op_b == Op::none, "EigenBackend: gemm with both sides transposed is not offered");
        check(sa.rows == c.rows && sb.cols == c.cols && sa.cols == sb.rows, "EigenBackend: gemm of (", sa.rows, ", ",
              sa.cols, ") and (", sb.rows, ", ", sb.cols, ") into (", c.rows, ", ", c.cols, ")");
        const bool wide = is_quant_view<V> || b.ld >= b.cols || b.rows <= 1;
        check((a.ld >= a.cols || a.rows <= 1) && wide && (c.ld >= c.cols || c.rows <= 1),
              "EigenBackend: gemm with a leading dimension below the number of columns: a ", a.ld, " of ", a.cols,
              ", b ", b.ld, " of ", b.cols, ", c ", c.ld, " of ", c.cols);
    }

    /// Packing memory for every thread at the first product: which thread takes part in which product is chance.
    void prepare_packing() {
        for (auto& memory : packing_) {
            if (memory.left == nullptr) memory.left = allocate<T>(memory.left_size);
            if (memory.right == nullptr) memory.right = allocate<T>(memory.right_size);
        }
    }

    /// One tile by one thread; sums over tokens (a transposed) slab by slab.
    template <class S>
    void accumulate(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const S> b, T beta, MatrixView<T> c,
                    int worker) {
        if (beta != T{1}) scale(c, beta);
        const auto& memory = packing_[static_cast<std::size_t>(worker)];
        if constexpr (sizeof(S) == 2) {
            product_of_stored(op_b, alpha, a, b, c, memory);
        } else {
            if (op_a == Op::none) return product(op_a, op_b, alpha, a, b, c, memory);
            for (Index s = 0; s < a.rows; s += slab_rows_) {
                const Index n = std::min(slab_rows_, a.rows - s);
                product(op_a, op_b, alpha, a.row_slice(s, n), b.row_slice(s, n), c, memory);
            }
        }
    }

    ThreadPool pool_;
    Index slab_rows_;
    std::vector<ProductMemory<T>> packing_;  // one a thread
    arena_type arena_;
};

template <class T>
BasicEigenBackend<T>::BasicEigenBackend(EigenOptions options) : pool_(options.threads), slab_rows_(options.slab_rows) {
    check(slab_rows_ >= 4 && slab_rows_ % 4 == 0, "EigenBackend: slab_rows = ", slab_rows_,
          ", expected a positive multiple of 4");
    packing_.resize(static_cast<std::size_t>(pool_.size()));
}

template <class T>
BasicEigenBackend<T>::~BasicEigenBackend() {
    for (auto& p : packing_) {
        if (p.left != nullptr) deallocate(p.left, p.left_size);
        if (p.right != nullptr) deallocate(p.right, p.right_size);
        if (p.wide != nullptr) deallocate(p.wide, p.wide_size);
    }
    arena_.release(*this);
}

template <class T>
void BasicEigenBackend<T>::gemm(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const T> b, T beta,
                                MatrixView<T> c) {
    gemm_of(op_a, op_b, alpha, a, b, beta, c);
}

template <class T>
void BasicEigenBackend<T>::gemm(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const bfloat16> b, T beta,
                                MatrixView<T> c) {
    gemm_of(op_a, op_b, alpha, a, b, beta, c);
}

template <class T>
void BasicEigenBackend<T>::gemm(Op op_a, Op op_b, T alpha, MatrixView<const T> a, MatrixView<const float16> b, T beta,
                                MatrixView<T> c) {
    gemm_of(op_a, op_b, alpha, a, b, beta, c);
}

template <class T>
void BasicEigenBackend<T>::gemm(Op op_a, Op op_b, T alpha, MatrixView<const T> a, const QuantView<host>& b, T beta,
                                MatrixView<T> c) requires std::is_same_v<T, float> {
    gemm_of(op_a, op_b, alpha, a, b, beta, c);
}

template <class T>
void BasicEigenBackend<T>::gemm_batched(BatchCount count, Op op_a, Op op_b, T alpha, Batched<const T, host> a,
                                        Batched<const T, host> b, T beta, Batched<T, host> c) {
    check_product(op_a, op_b, a.first, b.first, c.first);
    if constexpr (std::is_same_v<T, float>) {
        for (Index o = 0; o < count.outer; ++o)
            for (Index n = 0; n < count.inner; ++n)
                gemm_of(op_a, op_b, alpha, a.at(o, n), b.at(o, n), beta, c.at(o, n));
    } else {
        prepare_packing();
        pool_.run(count.outer * count.inner, [&](Index i, int worker) {
            const Index o = i / count.inner, n = i % count.inner;
            accumulate(op_a, op_b, alpha, a.at(o, n), b.at(o, n), beta, c.at(o, n), worker);
        });
    }
}

using EigenBackend = BasicEigenBackend<float>;

}  // namespace hydralora
