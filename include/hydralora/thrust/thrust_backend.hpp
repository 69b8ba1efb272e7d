// The backend over Thrust: one class, whose system (CppSystem, OmpSystem, CudaSystem) is chosen by type.
//
// All work is ordered on the system's stream. Element-wise and row-wise work is cut by shape and type alone and sums are
// made in a fixed order without atomics, so that a system gives the same bits from run to run, whatever its threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "../backend/compose/elements.hpp"
#include "../backend/compose/row_loops.hpp"
#include "../backend/concept.hpp"
#include "../core/check.hpp"

namespace hydralora {

namespace functor {

/// Row t of work of to = from, element by element, with another type.
template <class From, class To>
struct CastRow {
    const From* from;
    To* to;
    Index ld_from, ld_to;
    ElementRows elements;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index t) const {
        row_map<To>(group, elements.length(t), Set{}, from + t * ld_from, Out{to + t * ld_to});
    }
};

/// sums[s] = the sum of f(i) over slab s
template <class F, class T>
struct SlabSum {
    F f;
    T* sums;
    Index n, slab;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index s) const {
        const Index end = (s + 1) * slab < n ? (s + 1) * slab : n;
        T sum{};
        for (Index i = s * slab + group.rank(); i < end; i += group.size()) sum += f(i);
        sum = group.sum(sum);
        if (group.rank() == 0) sums[s] = sum;
    }
};

/// Term i of a sum of sums.
template <class T>
struct SumAt {
    const T* sums;
    HYDRALORA_HD T operator()(Index i) const { return sums[i]; }
};

/// *out += the sums, one after another
template <class T>
struct AddSums {
    const T* sums;
    T* out;
    Index count;

    HYDRALORA_HD void operator()(Index) const {
        constexpr int together = 16;  // read before any is added: a thread of a GPU waits once for all of them
        T sum = *out;
        Index s = 0;
        for (; s + together <= count; s += together) {
            T next[together];
            for (int l = 0; l < together; ++l) next[l] = sums[s + l];
            for (int l = 0; l < together; ++l) sum += next[l];
        }
        for (; s < count; ++s) sum += sums[s];
        *out = sum;
    }
};

/// keys[i] = id << 32 | position: sorted, the positions of an id stand together and ascend; negative ids come last.
struct PositionKeys {
    const std::int32_t* ids;
    std::uint64_t* keys;

    HYDRALORA_HD void operator()(Index i) const {
        keys[i] = static_cast<std::uint64_t>(static_cast<std::uint32_t>(ids[i])) << 32 | static_cast<std::uint64_t>(i);
    }
};

struct PositionOfKey {
    const std::uint64_t* keys;
    Index* positions;

    HYDRALORA_HD void operator()(Index i) const { positions[i] = static_cast<Index>(keys[i] & 0xffffffffu); }
};

/// f for the segment that begins at sorted place i, if one does: how many there are is nobody's to know beforehand.
template <class F>
struct AtSegmentStart {
    static constexpr bool wide_rows = true;  // few begin one, and one may be long: padding is all of one id

    const std::uint64_t* keys;
    const Index* positions;
    Index n;
    F f;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, Index i) const {
        const auto id = static_cast<std::int32_t>(keys[i] >> 32);
        if (id < 0 || (i > 0 && keys[i - 1] >> 32 == keys[i] >> 32)) return;
        Index end = i + 1;
        for (Index beyond = n; end < beyond;) {  // the first place of a larger id, by halves
            const Index middle = end + (beyond - end) / 2;
            if (keys[middle] >> 32 == keys[i] >> 32)
                end = middle + 1;
            else
                beyond = middle;
        }
        f(group, id, positions + i, end - i);
    }
};

}  // namespace functor

/// Backend on a Thrust system. Numbers: element types by role; Precision<float, bfloat16, float> computes in bfloat16
/// with float masters and sums. Not copyable; one caller at a time; buffers must not outlive it.
template <class System, class Numbers = Precision<float>>
class ThrustBackend {
    template <class T>
    static constexpr bool is_role = std::is_same_v<std::remove_const_t<T>, typename Numbers::param> ||
                                    std::is_same_v<std::remove_const_t<T>, typename Numbers::compute> ||
                                    std::is_same_v<std::remove_const_t<T>, typename Numbers::accum>;

public:
    using system = System;
    using space = typename System::space;
    using precision = Numbers;
    using arena_type = Arena<ThrustBackend>;

    using Options = typename System::Options;

    ThrustBackend() : ThrustBackend(Options{}) {}
    explicit ThrustBackend(const Options& options) : system_(options), slab_rows_(options.slab_rows) {
        check(slab_rows_ >= 4 && slab_rows_ % 4 == 0, "ThrustBackend: slab_rows = ", slab_rows_,
              ", expected a positive multiple of 4");
    }
    /// On the caller's stream.
    template <class Stream>
    requires(std::is_pointer_v<Stream>&& requires(Stream s) { Options{s}; }) explicit ThrustBackend(Stream stream)
        : ThrustBackend(Options{stream}) {}
    ThrustBackend(const ThrustBackend&) = delete;
    ThrustBackend& operator=(const ThrustBackend&) = delete;
    ~ThrustBackend() { arena_.release(*this); }

    [[nodiscard]] Index slab_rows() const { return slab_rows_; }
    [[nodiscard]] arena_type& arena() { return arena_; }
    [[nodiscard]] const System& on() const { return system_; }
    [[nodiscard]] System& on() { return system_; }

    /// How attention cuts its work, where the system has a way of its own.
    [[nodiscard]] auto attention_cut() const requires requires { System::attention_cut; }
    { return System::attention_cut; }
    /// How many logits are held at a time, likewise.
    [[nodiscard]] Index most_logits() const requires requires { System::most_logits; }
    { return System::most_logits; }

    // --- memory -----------------------------------------------------------------------------------------------------

    template <class T>
    [[nodiscard]] T* allocate(Index count) {
        return static_cast<T*>(system_.allocate(static_cast<std::size_t>(count) * sizeof(T)));
    }
    template <class T>
    void deallocate(T* p, Index) noexcept {
        system_.deallocate(p);
    }
    template <class T>
    void fill(MatrixView<T, space> to, std::type_identity_t<T> value) {
        if (!to.empty()) system_.fill(to, value);
    }
    template <class From, class To>
    void cast(MatrixView<From, space> from, MatrixView<To, space> to) {
        using F = std::remove_const_t<From>;
        check_same("copy", from, to);
        if (to.empty()) return;
        if constexpr (std::is_same_v<F, To>) {
            system_.copy(MatrixView<const To, space>(from), to);
        } else {
            const auto elements = ElementRows::of(to.shape(), from, to);
            system_.rows(elements.count(), functor::CastRow<F, To>{from.data, to.data, elements.step(from.ld),
                                                                   elements.step(to.ld), elements});
        }
    }
    template <class T>
    void copy(MatrixView<const T, space> from, MatrixView<std::type_identity_t<T>, space> to) {
        cast(from, to);
    }
    template <class T>
    void copy(MatrixView<T, space> from, MatrixView<T, space> to) {
        cast(from, to);
    }
    /// Elements of one type, from the host, which have been read on return: unless they lie in page-locked memory, of which a
    /// device's copy may still be under way.
    template <class From, class T>
    void upload(MatrixView<From, host> from, MatrixView<T, space> to) {
        static_assert(std::is_same_v<std::remove_const_t<From>, T>, "ThrustBackend: upload of another type of element");
        check_same("upload", from, to);
        if (!to.empty()) system_.upload(MatrixView<const T, host>(from), to);
    }
    /// Elements of one type, to the host; finished on return.
    template <class From, class T>
    void download(MatrixView<From, space> from, MatrixView<T, host> to) {
        static_assert(std::is_same_v<std::remove_const_t<From>, T>,
                      "ThrustBackend: download of another type of element");
        check_same("download", from, to);
        if (!to.empty()) system_.download(MatrixView<const T, space>(from), to);
    }

    // --- products ---------------------------------------------------------------------------------------------------

    /// c (m, n) = alpha op(a) (m, k) op(b) (k, n) + beta c. Both sides are computed in the compute type: parameters, which
    /// are small beside it, are converted first where their type is another.
    template <class TA, class TB, class TC>
    void gemm(Op op_a, Op op_b, std::type_identity_t<AccumScalar<ThrustBackend>> alpha, MatrixView<TA, space> a,
              MatrixView<TB, space> b, std::type_identity_t<AccumScalar<ThrustBackend>> beta,
              MatrixView<TC, space> c) requires(is_role<TA>&& is_role<TB>&& is_role<TC>) {
        check_product(op_a, op_b, a, b, c);
        if (c.empty()) return;
        typename arena_type::Frame frame(*this);
        system_.gemm(op_a, op_b, alpha, computed(frame, a), computed(frame, b), beta, c, slab_rows_);
    }

    /// gemm for each matrix of the batches, all of the compute type.
    void gemm_batched(BatchCount count, Op op_a, Op op_b, AccumScalar<ThrustBackend> alpha,
                      Batched<const Scalar<ThrustBackend>, space> a, Batched<const Scalar<ThrustBackend>, space> b,
                      AccumScalar<ThrustBackend> beta, Batched<Scalar<ThrustBackend>, space> c) {
        check_product(op_a, op_b, a.first, b.first, c.first);
        if (!c.first.empty()) system_.gemm_batched(count, op_a, op_b, alpha, a, b, beta, c, slab_rows_);
    }

    // --- element-wise and row-wise work -----------------------------------------------------------------------------

    template <class F>
    void each(Index n, const F& f) {
        if (n > 0) system_.each(n, f);
    }
    template <class F>
    void rows(Index n, const F& f) {
        if (n > 0) system_.rows(n, f);
    }

    /// out(0, 0) += sum of f(i), slab by slab; where there are very many slabs, their sums are summed by slabs first.
    template <class F, class T>
    void reduce(Index n, const F& f, MatrixView<T, space> out) {
        typename arena_type::Frame frame(*this);
        Index count = slabs(n);
        auto sums = frame.template matrix<T>(1, count);
        rows(count, functor::SlabSum<F, T>{f, sums.data, n, slab_rows_});
        while (count > most_sums) {
            const auto fewer = frame.template matrix<T>(1, slabs(count));
            rows(fewer.cols, functor::SlabSum<functor::SumAt<T>, T>{{sums.data}, fewer.data, count, slab_rows_});
            sums = fewer;
            count = fewer.cols;
        }
        each(1, functor::AddSums<T>{sums.data, out.data, count});
    }

    template <class F>
    void segments(MatrixView<const std::int32_t, space> ids, const F& f) {
        const Index n = ids.cols;
        if (n == 0) return;
        typename arena_type::Frame frame(*this);
        const auto keys = frame.template matrix<std::uint64_t>(1, n);
        const auto positions = frame.template matrix<Index>(1, n);
        each(n, functor::PositionKeys{ids.data, keys.data});
        FrameAllocator allocator{&frame};
        system_.sort(keys.data, n, allocator);
        each(n, functor::PositionOfKey{keys.data, positions.data});
        rows(n, functor::AtSegmentStart<F>{keys.data, positions.data, n, f});
    }

private:
    static constexpr Index most_sums = 2048;  // that one thread adds up
    [[nodiscard]] Index slabs(Index n) const { return (n + slab_rows_ - 1) / slab_rows_; }

    /// Temporary memory of Thrust's algorithms, from the arena.
    struct FrameAllocator {
        using value_type = char;
        typename arena_type::Frame* frame;

        char* allocate(std::ptrdiff_t bytes) { return frame->template matrix<char>(1, bytes).data; }
        void deallocate(char*, std::size_t) {}
    };

    /// m itself, or its copy in the compute type.
    template <class T>
    auto computed(typename arena_type::Frame& frame, MatrixView<T, space> m) {
        using Compute = Scalar<ThrustBackend>;
        if constexpr (std::is_same_v<std::remove_const_t<T>, Compute>) {
            return MatrixView<const Compute, space>(m);
        } else {
            const auto converted = frame.template matrix<Compute>(m.rows, m.cols);
            cast(m, converted);
            return MatrixView<const Compute, space>(converted);
        }
    }

    template <class From, class To>
    static void check_same(const char* what, const From& from, const To& to) {
        check(from.shape() == to.shape(), "ThrustBackend: ", what, " of a (", from.rows, ", ", from.cols,
              ") matrix to a (", to.rows, ", ", to.cols, ") one");
    }

    template <class VA, class VB, class VC>
    static void check_product(Op op_a, Op op_b, const VA& a, const VB& b, const VC& c) {
        const Shape sa = op_a == Op::none ? a.shape() : Shape{a.cols, a.rows};
        const Shape sb = op_b == Op::none ? b.shape() : Shape{b.cols, b.rows};
        check(op_a == Op::none || op_b == Op::none, "ThrustBackend: gemm with both sides transposed is not offered");
        check(sa.rows == c.rows && sb.cols == c.cols && sa.cols == sb.rows, "ThrustBackend: gemm of (", sa.rows, ", ",
              sa.cols, ") and (", sb.rows, ", ", sb.cols, ") into (", c.rows, ", ", c.cols, ")");
        check((a.ld >= a.cols || a.rows <= 1) && (b.ld >= b.cols || b.rows <= 1) && (c.ld >= c.cols || c.rows <= 1),
              "ThrustBackend: gemm with a leading dimension below the number of columns: a ", a.ld, " of ", a.cols,
              ", b ", b.ld, " of ", b.cols, ", c ", c.ld, " of ", c.cols);
    }

    System system_;
    Index slab_rows_;
    arena_type arena_;
};

}  // namespace hydralora
