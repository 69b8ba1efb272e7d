// The way of a call through BasicCudnnBackend - cuDNN's or composed, workspace, order of the statistics - on the host, with
// plain loops in the place of cuDNN.
#include <hydralora/thrust/cudnn_backend.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <hydralora/nn/attention.hpp>
#include <hydralora/thrust/cpp_system.hpp>
#include <string>
#include <vector>

#include "support/draw.hpp"
#include "support/plain_attention.hpp"

namespace thrust_cudnn_backend_test {

using namespace hydralora;
using cudnn::Direction;

namespace {

using Composed = ThrustBackend<CppSystem, Precision<float, bfloat16, float>>;

/// What cudnn::Attention does, as plain loops; counts its calls and checks the workspace it is brought.
class PlainEngine {
public:
    static constexpr Index workspace = 1000;
    inline static int forwards = 0, backwards = 0;
    inline static std::string declines;  // what `plan` says, after the rule
    static void reset() { forwards = backwards = 0, declines.clear(); }

    template <class System>
    PlainEngine(const System&, const cudnn::Options&) {}

    const cudnn::Plan& plan(const cudnn::Problem& problem) {
        plan_ = {workspace, std::string(cudnn::refusal(problem, {90, 91900}))};
        if (plan_.taken()) plan_.refusal = declines;
        return plan_;
    }
    void run(const cudnn::Problem& p, const cudnn::ForwardMemory& m, void* scratch) {
        ++forwards;
        take(scratch);
        const auto plain = plain_of(p, m.q, m.k, m.v);
        write(plain.o, m.o, query_rows(p), p.ld.o);
        const AttentionShape& s = p.shape;
        for (Index t = 0; t < query_rows(p); ++t)
            for (Index h = 0; h < s.heads; ++h)
                m.statistics[(t / s.queries * s.heads + h) * s.queries + t % s.queries] =
                    static_cast<float>(plain.log_sum_exp[static_cast<std::size_t>(t * s.heads + h)]);
    }
    void run(const cudnn::Problem& p, const cudnn::BackwardMemory& m, void* scratch) {
        ++backwards;
        take(scratch);
        auto plain = plain_of(p, m.q, m.k, m.v);
        const AttentionShape& s = p.shape;
        for (Index t = 0; t < query_rows(p); ++t)
            for (Index h = 0; h < s.heads; ++h)
                plain.log_sum_exp[static_cast<std::size_t>(t * s.heads + h)] =
                    static_cast<double>(m.statistics[(t / s.queries * s.heads + h) * s.queries + t % s.queries]);
        const Index width = s.heads * s.head_dim;
        plain.o = read(m.o, query_rows(p), width, p.ld.o);
        plain.backward(read(m.do_, query_rows(p), width, p.ld.do_));
        write(plain.dq, m.dq, query_rows(p), p.ld.dq);
        write(plain.dk, m.dk, key_rows(p), p.ld.dk);
        write(plain.dv, m.dv, key_rows(p), p.ld.dv);
    }

private:
    static Index query_rows(const cudnn::Problem& p) { return p.shape.sequences * p.shape.queries; }
    static Index key_rows(const cudnn::Problem& p) { return p.shape.sequences * p.shape.keys; }
    static void take(void* scratch) {
        CHECK(reinterpret_cast<std::uintptr_t>(scratch) % 256 == 0);
        std::memset(scratch, 1, workspace);  // all of it is ours
    }
    static std::vector<double> read(const void* from, Index rows, Index cols, Index ld) {
        std::vector<double> values;
        for (Index i = 0; i < rows; ++i)
            for (Index j = 0; j < cols; ++j)
                values.push_back(widened<double>(static_cast<const bfloat16*>(from)[i * ld + j]));
        return values;
    }
    static void write(const std::vector<double>& values, void* to, Index rows, Index ld) {
        const Index cols = static_cast<Index>(values.size()) / rows;
        for (Index i = 0; i < rows; ++i)
            for (Index j = 0; j < cols; ++j)
                static_cast<bfloat16*>(to)[i * ld + j] =
                    bfloat16(static_cast<float>(values[static_cast<std::size_t>(i * cols + j)]));
    }
    static test::PlainAttention plain_of(const cudnn::Problem& p, const void* q, const void* k, const void* v) {
        const AttentionShape& s = p.shape;
        CHECK(s.kv_stride() == s.keys);
        const Index width = s.heads * s.head_dim, kv_width = s.kv_heads * s.head_dim;
        return {s, read(q, query_rows(p), width, p.ld.q), read(k, key_rows(p), kv_width, p.ld.k),
                read(v, key_rows(p), kv_width, p.ld.v)};
    }

    cudnn::Plan plan_;
};

using Through = BasicCudnnBackend<Composed, PlainEngine>;
static_assert(Backend<Through>);

/// A matrix at a multiple of 16 bytes, or `off` elements beyond one, with `pad` unused columns.
struct Matrix {
    Index rows, cols, ld;
    std::vector<bfloat16> memory;
    bfloat16* first;

    Matrix(Index r, Index c, Index pad, Index off, std::uint64_t seed = 0)
        : rows(r), cols(c), ld(c + pad), memory(static_cast<std::size_t>(r * ld + 16)) {
        const auto misplaced = static_cast<Index>(reinterpret_cast<std::uintptr_t>(memory.data()) % 16 / 2);
        first = memory.data() + (8 - misplaced) % 8 + off;
        test::Draw draw(seed);
        for (Index i = 0; seed > 0 && i < r; ++i)
            for (Index j = 0; j < c; ++j) first[i * ld + j] = bfloat16(static_cast<float>(draw.normal()));
    }
    MatrixView<bfloat16> view() { return {first, rows, cols, ld}; }
    double operator()(Index i, Index j) const { return widened<double>(first[i * ld + j]); }
};

double difference(const Matrix& a, const Matrix& b) {
    double most = 0;
    for (Index i = 0; i < a.rows; ++i)
        for (Index j = 0; j < a.cols; ++j) most = std::max(most, std::abs(a(i, j) - b(i, j)));
    return most;
}

/// S sequences, L queries and K keys each
struct Case {
    Index S = 2, L = 21, K = 21, heads = 4, kv_heads = 2, D = 16, pad = 8, off = 0;
};

/// The tensors of a layer's two passes; log_sum_exp as the layer keeps it.
struct Run {
    Case c;
    Matrix q, k, v, dout, o, dq, dk, dv;
    std::vector<float> log_sum_exp;

    explicit Run(const Case& of)
        : c(of),
          q(c.S * c.L, c.heads * c.D, c.pad, c.off, 1),
          k(c.S * c.K, c.kv_heads * c.D, 2 * c.pad, 0, 2),
          v(c.S * c.K, c.kv_heads * c.D, 0, 0, 3),
          dout(q.rows, q.cols, c.pad, 0, 4),
          o(q.rows, q.cols, 0, 0),
          dq(q.rows, q.cols, 0, 0),
          dk(k.rows, k.cols, c.pad, 0),
          dv(k.rows, k.cols, 0, 0) {}

    template <class B>
    void forward(B& be, typename Attention<B>::Cache& cache, ViewOf<B, const std::int32_t> starts = {}) {
        layer<B>().forward(be, c.S, q.view(), k.view(), v.view(), o.view(), cache, 0, starts);
        const auto kept = cache.log_sum_exp.view();
        log_sum_exp.assign(kept.data, kept.data + kept.size());
    }
    template <class B>
    void backward(B& be, typename Attention<B>::Cache& cache, ViewOf<B, const std::int32_t> starts = {}) {
        layer<B>().backward(be, c.S, q.view(), k.view(), v.view(), o.view(), dout.view(), cache, dq.view(), dk.view(),
                            dv.view(), starts);
    }
    template <class B>
    void both(B& be) {
        typename Attention<B>::Cache cache;
        forward(be, cache);
        backward(be, cache);
    }

private:
    template <class B>
    Attention<B> layer() const {
        return Attention<B>({c.heads, c.kv_heads, c.D});
    }
};

void check_near(const Run& found, const Run& expected) {
    CHECK(difference(found.o, expected.o) <= 0.04);  // the composed one rounds probabilities to bfloat16
    CHECK(difference(found.dq, expected.dq) <= 0.08);
    CHECK(difference(found.dk, expected.dk) <= 0.16);
    CHECK(difference(found.dv, expected.dv) <= 0.16);
    REQUIRE(found.log_sum_exp.size() == expected.log_sum_exp.size());
    for (std::size_t i = 0; i < found.log_sum_exp.size(); ++i)
        CHECK(found.log_sum_exp[i] == doctest::Approx(expected.log_sum_exp[i]).epsilon(0.02));
}

void check_same(const Run& found, const Run& expected) {
    for (const auto m : {&Run::o, &Run::dq, &Run::dk, &Run::dv}) CHECK(difference(found.*m, expected.*m) == 0);
    CHECK(found.log_sum_exp == expected.log_sum_exp);
}

Run composed(const Case& c) {
    Composed be;
    Run run(c);
    run.both(be);
    return run;
}

}  // namespace

TEST_CASE("CudnnBackend: both passes through the engine are the composed ones to rounding") {
    for (const Case& c : {Case{}, Case{.kv_heads = 4}, Case{.K = 40}, Case{.S = 1, .kv_heads = 1, .D = 8, .pad = 0}}) {
        PlainEngine::reset();
        Through be;
        Run found(c);
        found.both(be);
        CHECK(PlainEngine::forwards == 1);
        CHECK(PlainEngine::backwards == 1);
        CHECK(be.why_composed().empty());
        check_near(found, composed(c));
    }
}

TEST_CASE("CudnnBackend: each pass may go its own way") {
    const Run expected = composed({});
    for (const bool forward_first : {true, false}) {
        PlainEngine::reset();
        Through be;
        Attention<Through>::Cache cache;
        Run found({});
        PlainEngine::declines = forward_first ? "" : "no kernel";
        found.forward(be, cache);
        PlainEngine::declines = forward_first ? "no kernel" : "";
        found.backward(be, cache);
        CHECK(PlainEngine::forwards == (forward_first ? 1 : 0));
        CHECK(PlainEngine::backwards == (forward_first ? 0 : 1));
        CHECK(be.why_composed() == "no kernel");
        check_near(found, expected);
    }
}

TEST_CASE("CudnnBackend: what is not the engine's has the bits of the composed operation") {
    for (const auto& [c, why] : {std::pair<Case, const char*>{{.D = 12}, "multiple of 8"},
                                 {{.pad = 4}, "leading dimension"},
                                 {{.off = 1}, "16 bytes"},
                                 {{.L = 1}, "single query"}}) {
        PlainEngine::reset();
        Through be;
        Run found(c);
        found.both(be);
        CHECK(PlainEngine::forwards + PlainEngine::backwards == 0);
        CHECK(be.why_composed().find(why) != std::string::npos);
        check_same(found, composed(c));
    }
}

TEST_CASE("CudnnBackend: sequences of several documents are composed, also after others of their shape") {
    PlainEngine::reset();
    Through through;
    Composed plain;
    const Case c;
    Run first(c), found(c), expected(c);
    first.both(through);
    std::vector<std::int32_t> starts(static_cast<std::size_t>(c.S * c.L), 0);
    for (std::size_t t = 0; t < starts.size(); ++t) starts[t] = t % 21 >= 9 ? 9 : 0;
    const auto view = host_view<const std::int32_t>(starts.data(), 1, c.S * c.L);
    Attention<Through>::Cache cache;
    Attention<Composed>::Cache plain_cache;
    found.forward(through, cache, view);
    found.backward(through, cache, view);
    expected.forward(plain, plain_cache, view);
    expected.backward(plain, plain_cache, view);
    CHECK(PlainEngine::forwards == 1);
    CHECK(PlainEngine::backwards == 1);
    check_same(found, expected);
}

TEST_CASE("CudnnBackend: a repeated step takes no more memory and has the same bits") {
    PlainEngine::reset();
    Through be;
    Run first({}), again({});
    Attention<Through>::Cache cache;
    first.forward(be, cache);
    first.backward(be, cache);
    const Index held = be.arena().bytes();
    again.forward(be, cache);
    again.backward(be, cache);
    CHECK(be.arena().bytes() == held);
    check_same(again, first);
}

}  // namespace thrust_cudnn_backend_test
