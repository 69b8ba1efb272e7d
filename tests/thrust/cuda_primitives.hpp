// Every primitive of the backend on the device beside Thrust's sequential system, at odd shapes and leading dimensions.
#pragma once

#include <algorithm>
#include <cmath>
#include <hydralora/thrust.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cuda_expect.hpp"
#include "support/draw.hpp"

namespace test {

/// A (rows, cols) matrix with the same numbers on both sides, what lies between its rows included.
template <class Gpu, class T>
class Twin {
public:
    using Index = hydralora::Index;

    Twin(Gpu& gpu, Index rows, Index cols, Index padding, std::uint64_t seed)
        : gpu_(gpu),
          rows_(rows),
          cols_(cols),
          ld_(cols + padding),
          host_(static_cast<std::size_t>(rows * ld_)),
          there_(gpu, 1, rows * ld_) {
        Draw draw(seed);
        for (T& value : host_) value = static_cast<T>(static_cast<float>(draw.normal()));
        upload();
    }
    void upload() { gpu_.upload(hydralora::host_view(host_.data(), 1, rows_ * ld_), there_.view()); }

    hydralora::MatrixView<T> here() { return {host_.data(), rows_, cols_, ld_}; }
    hydralora::MatrixView<T, hydralora::device> there() { return {there_.view().data, rows_, cols_, ld_}; }
    hydralora::MatrixView<const T> chere() { return here(); }
    hydralora::MatrixView<const T, hydralora::device> cthere() { return there(); }

    /// The largest difference of all elements and of the padding, relative to numbers above 1.
    double difference() {
        std::vector<T> found(host_.size());
        gpu_.download(std::as_const(there_).view(), hydralora::host_view(found.data(), 1, rows_ * ld_));
        double most = 0;
        for (std::size_t i = 0; i < found.size(); ++i) {
            const double a = hydralora::widened<double>(host_[i]), b = hydralora::widened<double>(found[i]);
            const double each = a == b ? 0 : std::abs(a - b) / std::max(1.0, std::abs(a));
            most = each <= most ? most : std::isnan(each) ? HUGE_VAL : each;
        }
        return most;
    }

private:
    Gpu& gpu_;
    Index rows_, cols_, ld_;
    std::vector<T> host_;
    hydralora::Buffer<Gpu, T> there_;
};

template <class Numbers>
struct Primitives {
    using Index = hydralora::Index;
    using Op = hydralora::Op;
    using Gpu = hydralora::ThrustBackend<hydralora::CudaSystem, Numbers>;
    using Cpu = hydralora::ThrustBackend<hydralora::CppSystem, Numbers>;
    using Accum = typename Numbers::accum;
    using Compute = typename Numbers::compute;
    template <class T>
    using Pair = Twin<Gpu, T>;

    Gpu gpu{};
    Cpu cpu{};
    std::string name;
    double tolerance;  // of a product

    template <class TA, class TB, class TC>
    void products() {
        double most = 0;
        for (const auto& [op_a, op_b] :
             {std::pair{Op::none, Op::none}, {Op::none, Op::transpose}, {Op::transpose, Op::none}})
            for (const auto& [m, n, k] : {std::tuple<Index, Index, Index>{1, 1, 1},
                                          {3, 5, 7},
                                          {17, 130, 33},
                                          {40, 2, 300},
                                          {64, 96, 128},
                                          {9, 4, 0}})
                for (const Index padding : {0, 3, 8})
                    for (const double beta : {0.0, 1.0, -0.5}) {
                        const bool ta = op_a == Op::transpose, tb = op_b == Op::transpose;
                        Pair<TA> a(gpu, ta ? k : m, ta ? m : k, padding, 1);
                        Pair<TB> b(gpu, tb ? n : k, tb ? k : n, padding, 2);
                        Pair<TC> c(gpu, m, n, padding, 3);
                        if (beta == 0) {  // what is overwritten is not read
                            c.here()(0, 0) = static_cast<TC>(NAN);
                            c.upload();
                        }
                        for (int again = 0; again < 2; ++again) {  // once with a plan made, once with it kept
                            cpu.gemm(op_a, op_b, Accum(0.5), a.chere(), b.chere(), Accum(beta), c.here());
                            gpu.gemm(op_a, op_b, Accum(0.5), a.cthere(), b.cthere(), Accum(beta), c.there());
                        }
                        most = std::max(most, c.difference());
                    }
        expect_near(most, tolerance, name + ": gemm");
    }

    /// Batches whose matrices follow one another, so that one call does, and batches with a gap between the outer ones.
    void batches() {
        double most = 0;
        for (const auto& [outer, inner] : {std::pair<Index, Index>{1, 1}, {3, 2}, {2, 5}, {4, 1}})
            for (const Index gap : {0, 16})
                for (const auto& [op_a, op_b] :
                     {std::pair{Op::none, Op::none}, {Op::none, Op::transpose}, {Op::transpose, Op::none}}) {
                    const Index m = 11, n = 6, k = 9, all = outer * inner;
                    const bool ta = op_a == Op::transpose, tb = op_b == Op::transpose;
                    Pair<Compute> a(gpu, 1, all * m * k + outer * gap, 0, 1),
                        b(gpu, 1, all * n * k + outer * gap, 0, 2), c(gpu, 1, all * m * n + outer * gap, 0, 3);
                    const auto batch = [inner, gap](auto memory, Index rows, Index cols) {
                        using View = decltype(memory);
                        return hydralora::Batched<std::remove_pointer_t<decltype(memory.data)>, typename View::space>{
                            View(memory.data, rows, cols), inner * rows * cols + gap, rows * cols};
                    };
                    const Index ra = ta ? k : m, ca = ta ? m : k, rb = tb ? n : k, cb = tb ? k : n;
                    cpu.gemm_batched({outer, inner}, op_a, op_b, Accum(1), batch(a.chere(), ra, ca),
                                     batch(b.chere(), rb, cb), Accum(0.5), batch(c.here(), m, n));
                    gpu.gemm_batched({outer, inner}, op_a, op_b, Accum(1), batch(a.cthere(), ra, ca),
                                     batch(b.cthere(), rb, cb), Accum(0.5), batch(c.there(), m, n));
                    most = std::max(most, c.difference());
                }
        expect_near(most, tolerance, name + ": gemm_batched");
    }

    /// Memory: exact.
    template <class T>
    void memory() {
        double most = 0;
        for (const auto& [rows, cols] : {std::pair<Index, Index>{1, 1}, {3, 5}, {7, 129}, {300, 1}, {5, 256}})
            for (const Index padding : {0, 1, 8}) {
                Pair<T> from(gpu, rows, cols, padding, 1), copied(gpu, rows, cols, 3, 2),
                    filled(gpu, rows, cols, padding, 3);
                Pair<float> widened(gpu, rows, cols, padding, 4);
                cpu.copy(from.chere(), copied.here());
                gpu.copy(from.cthere(), copied.there());
                cpu.cast(from.here(), widened.here());
                gpu.cast(from.there(), widened.there());
                cpu.fill(filled.here(), static_cast<T>(2.5f));
                gpu.fill(filled.there(), static_cast<T>(2.5f));
                most = std::max({most, copied.difference(), widened.difference(), filled.difference()});
                cpu.cast(widened.here(), filled.here());
                gpu.cast(widened.there(), filled.there());
                // Up and down with leading dimensions: what lies between the rows stays as it is.
                Pair<T> up(gpu, rows, cols, padding + 2, 5);
                gpu.upload(from.chere(), up.there());
                cpu.copy(from.chere(), up.here());
                most = std::max({most, filled.difference(), up.difference()});
                gpu.download(from.cthere(), copied.here());
                most = std::max(most, copied.difference());
            }
        expect_near(most, 0, name + ": copy, cast, fill, upload, download");
    }
};

namespace cuda_functors {
struct Number {
    double* to;
    HYDRALORA_HD void operator()(hydralora::Index i) const { to[i] = 2.0 * static_cast<double>(i) + 1; }
};
struct Term {
    HYDRALORA_HD double operator()(hydralora::Index i) const { return 1.0 / static_cast<double>(i + 1); }
};
/// Row t: element 0 becomes its sum, element 1 its maximum, the others their double.
template <bool wide>
struct SumAndMax {
    static constexpr bool wide_rows = wide;
    double* x;
    hydralora::Index cols, ld;

    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, hydralora::Index t) const {
        using namespace hydralora;
        double* const row = x + t * ld;
        const double sum = functor::row_sum<double>(
            group, cols, [](double v) { return v; }, static_cast<const double*>(row));
        const double top = functor::row_max<double>(group, cols, row);
        functor::row_map<double>(
            group, cols, [](double& v) { v *= 2; }, row);
        group.sync();
        if (group.rank() == 0) {
            row[0] = sum;
            if (cols > 1) row[1] = top;
        }
    }
};
/// seen (id, 4): count, then positions, one by one of the group's members
struct Note {
    double* seen;
    template <class Group>
    HYDRALORA_HD void operator()(const Group& group, std::int32_t id, const hydralora::Index* positions,
                                 hydralora::Index count) const {
        if (group.rank() == 0) seen[id * 4] += static_cast<double>(count);
        for (hydralora::Index i = group.rank(); i < count; i += group.size())
            seen[id * 4 + 1 + i] = static_cast<double>(positions[i]);
    }
};
}  // namespace cuda_functors

/// Element-wise and row-wise work, sums and segments.
inline void loops_agree() {
    using namespace hydralora;
    using namespace cuda_functors;
    CudaBackend gpu;
    ThrustBackend<CppSystem> cpu;
    const auto both = [&](double& most, Index rows, Index cols, auto&& run) {
        Twin<CudaBackend, double> x(gpu, rows, cols, 0, 7);
        run(cpu, x.here());
        run(gpu, x.there());
        most = std::max(most, x.difference());
    };
    double each = 0, rows = 0, reduce = 0, segments = 0;
    for (const Index n : {1, 31, 255, 257, 100003})
        both(each, 1, n + 1, [n](auto& be, auto x) { be.each(n, Number{x.data}); });
    for (const Index cols : {1, 2, 7, 8, 31, 257, 2049, 4099})
        for (const Index count : {1, 13}) {
            both(rows, count, cols, [](auto& be, auto x) { be.rows(x.rows, SumAndMax<false>{x.data, x.cols, x.ld}); });
            both(rows, count, cols, [](auto& be, auto x) { be.rows(x.rows, SumAndMax<true>{x.data, x.cols, x.ld}); });
        }
    for (const Index n : {0, 1, 7, 128, 1000, 1000003})
        both(reduce, 1, 1, [n](auto& be, auto x) { be.reduce(n, Term{}, x); });
    const std::vector<std::int32_t> ids{5, -1, 0, 5, 2, 5, -100, 0};
    Buffer<CudaBackend, std::int32_t> ids_there(gpu, 1, 8);
    gpu.upload(host_view(ids.data(), 1, 8), ids_there.view());
    Twin<CudaBackend, double> seen(gpu, 6, 4, 0, 8);
    cpu.segments(host_view(ids.data(), 1, 8), Note{seen.here().data});
    gpu.segments(std::as_const(ids_there).view(), Note{seen.there().data});
    segments = seen.difference();
    expect_near(each, 0, "each");
    expect_near(rows, 1e-12, "rows, shared by warps and by blocks");
    expect_near(reduce, 1e-14, "reduce");
    expect_near(segments, 0, "segments");
}

/// Memory that an upload has read may be written at once.
inline void uploads_have_read() {
    using namespace hydralora;
    CudaBackend gpu;
    const Index n = Index{1} << 24;
    std::vector<float> values(static_cast<std::size_t>(n), 1.0f), found(values.size());
    Buffer<CudaBackend, float> there(gpu, 1, n);
    for (int again = 0; again < 8; ++again) gpu.fill(there.view(), 0.0f);  // so that the copy has to wait
    gpu.upload(host_view(values.data(), 1, n), there.view());
    std::fill(values.begin(), values.end(), 2.0f);
    gpu.download(std::as_const(there).view(), host_view(found.data(), 1, n));
    expect(std::count(found.begin(), found.end(), 1.0f) == n, "an upload of memory that is written afterwards");
}

inline void primitives_agree() {
    using namespace hydralora;
    Primitives<Precision<float>> floats{.name = "float", .tolerance = 2e-5};
    floats.template products<float, float, float>();
    floats.batches();
    floats.template memory<float>();
    floats.template memory<double>();
    Primitives<Precision<double>> doubles{.name = "double", .tolerance = 1e-12};
    doubles.template products<double, double, double>();
    doubles.batches();
    Primitives<Precision<float, bfloat16, float>> halves{.name = "bfloat16", .tolerance = 3e-2};
    halves.template products<bfloat16, bfloat16, float>();
    halves.template products<bfloat16, bfloat16, bfloat16>();
    halves.template products<float, bfloat16, float>();
    halves.template products<bfloat16, float, bfloat16>();
    halves.batches();
    halves.template memory<bfloat16>();
    loops_agree();
    uploads_have_read();
}

}  // namespace test
