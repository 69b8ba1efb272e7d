// THE specification of a backend: an object, passed first to every call, that owns or borrows what calls need.
//
// A backend gives the primitives below and is complete from then on: every fused operation (ops::rms_norm, ops::attention,
// ...) has a default written from the primitives in compose.hpp. A backend that can do better declares a member function of
// the same name and arguments as the operation; a user overrides one by deriving from a backend and adding that member.
//
// All calls are ordered one after another on the backend (a stream); on a CPU they have finished when they return.
#pragma once

#include <concepts>

#include "../core/precision.hpp"
#include "../core/view.hpp"
#include "buffer.hpp"

namespace hydralora {

enum class Op { none, transpose };

/// Whether an output is replaced or added to.
enum class Grad { overwrite, accumulate };

/// Element types by role, and the views and buffers a layer on backend B speaks in.
template <class B>
using ParamScalar = typename B::precision::param;
template <class B>
using Scalar = typename B::precision::compute;
template <class B>
using AccumScalar = typename B::precision::accum;

template <class B, class T>
using ViewOf = MatrixView<T, typename B::space>;
template <class B>
using View = ViewOf<B, Scalar<B>>;
template <class B>
using ConstView = ViewOf<B, const Scalar<B>>;
template <class B>
using ParamView = ViewOf<B, ParamScalar<B>>;
template <class B>
using ConstParamView = ViewOf<B, const ParamScalar<B>>;
template <class B>
using AccumView = ViewOf<B, AccumScalar<B>>;
template <class B>
using ConstAccumView = ViewOf<B, const AccumScalar<B>>;
template <class B>
using ParamBuffer = Buffer<B, ParamScalar<B>>;
template <class B>
using ActivationBuffer = Buffer<B, Scalar<B>>;
template <class B>
using AccumBuffer = Buffer<B, AccumScalar<B>>;
template <class B>
using Scratch = typename B::arena_type::Frame;

/// A regular array of outer x inner matrices of one shape: matrix (o, i) begins at first.data + o * outer + i * inner.
template <class T, class Space>
struct Batched {
    MatrixView<T, Space> first;
    Index outer = 0, inner = 0;  // strides in elements

    constexpr MatrixView<T, Space> at(Index o, Index i) const {
        return {first.data + o * outer + i * inner, first.rows, first.cols, first.ld};
    }
    template <class U>
    requires(std::is_same_v<U, const T>) constexpr operator Batched<U, Space>() const { return {first, outer, inner}; }
};

/// Matrices of a Batched: outer * inner.
struct BatchCount {
    Index outer = 1, inner = 1;
};

namespace concept_detail {
/// The functors a backend must accept, named so that a diagnostic says which primitive is missing.
template <class T>
struct ElementFunctor {
    HYDRALORA_HD void operator()(Index) const {}
};
template <class T>
struct RowFunctor {
    template <class Group>
    HYDRALORA_HD void operator()(const Group&, Index) const {}
};
template <class T>
struct TermFunctor {
    HYDRALORA_HD T operator()(Index) const { return T{}; }
};
template <class T>
struct SegmentFunctor {
    template <class Group>
    HYDRALORA_HD void operator()(const Group&, std::int32_t, const Index*, Index) const {}
};
struct TaskFunctor {
    void operator()(Index, int) const {}
};
}  // namespace concept_detail

/// Memory: allocate, deallocate, copy, fill, host transfer, scratch.
template <class B>
concept MemoryBackend = requires(B& be, ViewOf<B, float> f, ViewOf<B, const float> cf, ViewOf<B, const double> cd,
                                 MatrixView<float, host> h, MatrixView<const float, host> ch, float* p, Index n) {
    typename B::space;
    typename B::precision;
    { be.template allocate<float>(n) } -> std::same_as<float*>;  // uninitialised, aligned to 64 bytes
    be.deallocate(p, n);                                         // never throws
    be.fill(f, 0.0f);                                            // each element of the view = value
    be.copy(cf, f);                                              // same shape, any ld, same element type
    be.cast(cd, f);                                              // same shape, converts the element type
    be.upload(ch, f);                                            // host -> backend
    be.download(cf, h);                                          // backend -> host, finished on return
    { be.arena() } -> std::same_as<typename B::arena_type&>;     // scratch memory, an Arena; see Arena::Frame
};

/// Products: c = alpha op(a) op(b) + beta c with views and leading dimensions, sums in accum precision. op(a), op(b) are not
/// both transposed. For Op::transpose on a the sum runs over rows (tokens): it is made slab by slab, each of
/// be.slab_rows() rows and added to c in order, so that a sum over several calls has the bits of one call. Where the roles are
/// of different types, a, b and c are each of any of them, and the factors are rounded to the compute type.
template <class B>
concept BlasBackend = requires(B& be, ConstView<B> a, View<B> c, Batched<const Scalar<B>, typename B::space> ba,
                               Batched<Scalar<B>, typename B::space> bc, AccumScalar<B> s, BatchCount n) {
    be.gemm(Op::none, Op::transpose, s, a, a, s, c);
    be.gemm_batched(n, Op::none, Op::transpose, s, ba, ba, s, bc);
    { be.slab_rows() } -> std::convertible_to<Index>;
};

/// Element-wise and row-wise work. each: f(i) for i in [0, n). rows: f(group, row) for each row, where the members of the
/// group share the row: member group.rank() of group.size() takes its part (compose/row_loops.hpp); group.sum(v) and
/// group.max(v) combine over the group; group.sync() waits. segments: for each distinct id of ids (1, n), in ascending order,
/// f(group, id, positions, count) with the positions of that id ascending; negative ids are left out.
template <class B>
concept NnBackend = requires(B& be, Index n, ViewOf<B, const std::int32_t> ids) {
    be.each(n, concept_detail::ElementFunctor<float>{});
    be.rows(n, concept_detail::RowFunctor<float>{});
    be.segments(ids, concept_detail::SegmentFunctor<float>{});
};

/// What optimisers need besides each: out(0, 0) += sum of f(i), i in [0, n), over fixed chunks of be.slab_rows() terms in
/// order; more than 2048 chunks may be summed by chunks themselves.
template <class B>
concept OptimBackend = requires(B& be, Index n, ViewOf<B, double> out) {
    be.reduce(n, concept_detail::TermFunctor<double>{}, out);
};

template <class B>
concept Backend = MemoryBackend<B> && BlasBackend<B> && NnBackend<B> && OptimBackend<B>;

/// Beyond that, on host memory, and not asked of every backend: threads for work that lays out its own memory. tasks:
/// f(i, worker) once for each i in [0, n), worker in [0, threads()); finished on return, the first exception rethrown.
template <class B>
concept TaskBackend = Backend<B> && std::same_as<typename B::space, host> && requires(B& be, Index n) {
    { be.threads() } -> std::convertible_to<int>;
    be.tasks(n, concept_detail::TaskFunctor{});
};

}  // namespace hydralora
