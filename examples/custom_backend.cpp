// A backend of your own, twice: complete, from plain loops, and as one operation put in the place of Eigen's.
//
// PlainBackend gives the primitives that backend/concept.hpp asks for, and with them the whole library. OwnDropout
// derives from EigenBackend and declares one fused operation. Both train a small adapter, and the program checks them
// against Eigen.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <hydralora/adapter/hydra_adapter.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/optim/adamw.hpp>
#include <map>
#include <new>
#include <type_traits>
#include <vector>

namespace hl = hydralora;
using hl::Index, hl::MatrixView, hl::Op;

class PlainBackend {
public:
    using space = hl::host;
    using precision = hl::Precision<float>;
    using arena_type = hl::Arena<PlainBackend>;

    PlainBackend() = default;
    PlainBackend(const PlainBackend&) = delete;
    PlainBackend& operator=(const PlainBackend&) = delete;
    ~PlainBackend() { arena_.release(*this); }

    arena_type& arena() { return arena_; }
    Index slab_rows() const { return 128; }

    // Memory.
    template <class T>
    T* allocate(Index n) {
        return static_cast<T*>(::operator new (static_cast<std::size_t>(n) * sizeof(T), std::align_val_t{64}));
    }
    template <class T>
    void deallocate(T* p, Index) noexcept {
        ::operator delete (p, std::align_val_t{64});
    }
    template <class T>
    void fill(MatrixView<T> to, std::type_identity_t<T> value) {
        for (Index i = 0; i < to.rows; ++i) std::fill_n(to.row(i), to.cols, value);
    }
    template <class From, class To>
    void cast(MatrixView<From> from, MatrixView<To> to) {
        for (Index i = 0; i < to.rows; ++i)
            for (Index j = 0; j < to.cols; ++j) to(i, j) = static_cast<To>(from(i, j));
    }
    void copy(auto from, auto to) { cast(from, to); }
    void upload(auto from, auto to) { cast(from, to); }
    void download(auto from, auto to) { cast(from, to); }

    // Products: c (m, n) = alpha op(a) (m, k) op(b) (k, n) + beta c.
    void gemm(Op op_a, Op op_b, float alpha, MatrixView<const float> a, MatrixView<const float> b, float beta,
              MatrixView<float> c) {
        const Index depth = op_a == Op::none ? a.cols : a.rows;
        for (Index i = 0; i < c.rows; ++i)
            for (Index j = 0; j < c.cols; ++j) {
                float sum = beta == 0 ? 0 : beta * c(i, j);
                for (Index k = 0; k < depth; ++k)
                    sum += alpha * (op_a == Op::none ? a(i, k) : a(k, i)) * (op_b == Op::none ? b(k, j) : b(j, k));
                c(i, j) = sum;
            }
    }
    void gemm_batched(hl::BatchCount n, Op op_a, Op op_b, float alpha, hl::Batched<const float, space> a,
                      hl::Batched<const float, space> b, float beta, hl::Batched<float, space> c) {
        for (Index o = 0; o < n.outer; ++o)
            for (Index i = 0; i < n.inner; ++i) gemm(op_a, op_b, alpha, a.at(o, i), b.at(o, i), beta, c.at(o, i));
    }

    // Element-wise and row-wise work.
    void each(Index n, auto f) {
        for (Index i = 0; i < n; ++i) f(i);
    }
    void rows(Index n, auto f) {
        for (Index i = 0; i < n; ++i) f(hl::Solo{}, i);
    }
    void segments(MatrixView<const std::int32_t> ids, auto f) {
        std::map<std::int32_t, std::vector<Index>> positions;
        for (Index i = 0; i < ids.cols; ++i)
            if (ids(0, i) >= 0) positions[ids(0, i)].push_back(i);
        for (const auto& [id, at] : positions) f(hl::Solo{}, id, at.data(), static_cast<Index>(at.size()));
    }
    template <class T>
    void reduce(Index n, auto f, MatrixView<T> out) {
        for (Index begin = 0; begin < n; begin += slab_rows()) {
            T sum{};
            for (Index i = begin; i < std::min(n, begin + slab_rows()); ++i) sum += f(i);
            out(0, 0) += sum;
        }
    }

private:
    arena_type arena_;
};

static_assert(hl::Backend<PlainBackend>);

/// Eigen's backend with a dropout of its own: one random word an element, looked up anew.
struct OwnDropout : hl::EigenBackend {
    int calls = 0;

    void dropout(MatrixView<const float> x, const hl::DropoutMask& mask, MatrixView<float> y, hl::Grad mode) {
        ++calls;
        for (Index t = 0; t < x.rows; ++t)
            for (Index j = 0; j < x.cols; ++j) {
                const auto index = static_cast<std::uint64_t>(mask.rows(t) * x.cols + j);
                const bool keep = hl::random_word(mask.key, index) >= mask.threshold();
                const float value = keep ? x(t, j) * static_cast<float>(mask.scale()) : 0.0f;
                y(t, j) = mode == hl::Grad::accumulate ? y(t, j) + value : value;
            }
    }
};

/// Ten steps on a fixed input towards a fixed output; the trained B, and the loss on the way.
template <class B>
std::vector<float> train(B& be, const char* name) {
    constexpr Index tokens = 32;
    const hl::AdapterConfig config{.in = 24, .out = 20, .rank = 4, .heads = 3, .alpha = 8, .dropout = 0.1};
    auto params = hl::make_params(be, config), grads = hl::make_params(be, config);
    hl::initialise(be, params, config, hl::Seed{1});
    const hl::HydraAdapter adapter(be, config, hl::views(params));
    typename decltype(adapter)::Cache cache;
    const hl::AdamW adamw{.lr = 2e-2};
    auto state = adamw.init(be, params);

    std::vector<float> x(tokens * 24), target(tokens * 20), y(tokens * 20), dx(tokens * 24);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = std::cos(0.7f * static_cast<float>(i));
    double loss = 0;
    for (std::uint32_t step = 0; step < 10; ++step) {
        std::fill(y.begin(), y.end(), 0.0f);
        hl::visit([&](const hl::ParamPath&, auto& g) { be.fill(g.view(), 0.0f); }, grads);
        adapter.forward(be, hl::host_view(x.data(), tokens, 24), hl::host_view(y.data(), tokens, 20), cache,
                        {.random = {hl::Seed{2}, 0, step}});
        loss = 0;
        for (std::size_t i = 0; i < y.size(); ++i) {
            y[i] -= target[i];  // from here on dy, the gradient of half the squared error
            loss += 0.5 * static_cast<double>(y[i]) * static_cast<double>(y[i]);
        }
        adapter.backward(be, hl::host_view(x.data(), tokens, 24), hl::host_view(y.data(), tokens, 20), cache,
                         hl::host_view(dx.data(), tokens, 24), hl::views(grads));
        adamw.step(be, params, grads, state);
    }
    std::printf("%-12s loss after 10 steps %.6f\n", name, loss);
    const auto b = params.B.view();
    return std::vector<float>(b.data, b.data + b.size());
}

int main() {
    hl::EigenBackend eigen;
    PlainBackend plain;
    OwnDropout own;
    const auto expected = train(eigen, "Eigen");
    const auto agrees = [&](const std::vector<float>& found) {
        float most = 0;
        for (std::size_t i = 0; i < expected.size(); ++i) most = std::max(most, std::abs(found[i] - expected[i]));
        std::printf("             largest difference of B to Eigen's: %g\n", static_cast<double>(most));
        return most < 1e-4f;
    };
    const bool ok = agrees(train(plain, "plain loops")) && agrees(train(own, "own dropout"));
    std::printf("own dropout was called %d times\n", own.calls);
    return ok && own.calls > 0 ? 0 : 1;
}
