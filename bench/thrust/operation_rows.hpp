// Rows about operations that memory bounds: bytes that must be read and written a second, as a share of what copying
// reaches in the same rounds (the better of the device's own copy and a plain kernel of 16-byte words).
//   T tokens, d width, f feed_forward
#pragma once

#include <algorithm>
#include <hydralora/backend/compose.hpp>
#include <hydralora/nn/rope.hpp>
#include <string>
#include <vector>

#include "measure.hpp"

namespace bench {

namespace functor {
struct alignas(16) Word {
    std::uint64_t low, high;
};
struct CopyWords {
    const Word* from;
    Word* to;

    HYDRALORA_HD void operator()(Index i) const { to[i] = from[i]; }
};
}  // namespace functor

struct Operation {
    std::string name;
    double bytes;
    Case run;
};

/// The operations at the shapes of a decoder block, and memory for them.
template <class B>
class Operations {
    using T = hydralora::Scalar<B>;

public:
    Operations(B& be, const Sizes& sizes)
        : be_(be),
          t_(sizes.tokens()),
          d_(sizes.of(4096, 32)),
          f_(sizes.of(11008, 48)),
          head_dim_(sizes.of(128, 8)),
          length_(sizes.of(2048, 16)),
          x_(noise<T>(be, t_, d_, 1)),
          y_(noise<T>(be, t_, d_, 2)),
          z_(noise<T>(be, t_, d_, 3)),
          wide_(noise<float>(be, t_, d_, 4)),
          gate_(noise<T>(be, t_, f_, 5)),
          up_(noise<T>(be, t_, f_, 6)),
          dy_(noise<T>(be, t_, f_, 7)),
          dgate_(be, t_, f_),
          dup_(be, t_, f_),
          norm_(noise<float>(be, 1, d_, 8)),
          inv_rms_(be, t_, 1),
          rope_(be, {.head_dim = head_dim_, .max_positions = length_}),
          p_(noise<float>(be, d_, d_, 9)),
          g_(noise<float>(be, d_, d_, 10)),
          m_(be, d_, d_),
          v_(be, d_, d_) {}

    [[nodiscard]] std::vector<Operation> all() {
        using namespace hydralora;
        const double e = sizeof(T), td = static_cast<double>(t_ * d_), tf = static_cast<double>(t_ * f_),
                     dd = static_cast<double>(d_ * d_);
        const auto x = [this] { return ConstView<B>(x_.view()); };
        const auto y = [this] { return ConstView<B>(y_.view()); };
        const auto z = [this] { return z_.view(); };
        const auto gate = [this] { return ConstView<B>(gate_.view()); };
        const auto up = [this] { return ConstView<B>(up_.view()); };
        const auto dy = [this] { return ConstView<B>(dy_.view()); };
        return {
            {"rms_norm", 2 * e * td,
             [=, this] { ops::rms_norm(be_, x(), std::as_const(norm_).view(), 1e-6, z(), inv_rms_.view()); }},
            {"rms_norm_backward", 4 * e * td,
             [=, this] {
                 ops::rms_norm_backward(be_, x(), std::as_const(norm_).view(), std::as_const(inv_rms_).view(), y(), z(),
                                        Grad::accumulate);
             }},
            {"swiglu", 3 * e * tf, [=, this] { ops::swiglu(be_, gate(), up(), dup_.view()); }},
            {"swiglu_backward", 5 * e * tf,
             [=, this] { ops::swiglu_backward(be_, gate(), up(), dy(), dgate_.view(), dup_.view()); }},
            {"add", 3 * e * td, [=, this] { ops::add(be_, x(), z()); }},
            {"rope", 2 * e * td, [=, this] { rope_.rotate(be_, y_.view(), length_); }},
            {"dropout", 2 * e * td,
             [=, this] {
                 ops::dropout(be_, x(), {{Seed{1}, 0, 0}, {}, 0.05}, z());
             }},
            {"cast float -> bfloat16", (4 + e) * td, [=, this] { be_.cast(std::as_const(wide_).view(), z()); }},
            {"adamw", 28 * dd,
             [=, this] {
                 const AdamWFactors f{.decay = 1, .beta1 = 0.9, .beta2 = 0.999, .step = 1e-6, .root = 1, .eps = 1e-8};
                 ops::adamw(be_, p_.view(), std::as_const(g_).view(), m_.view(), v_.view(), f);
             }},
        };
    }

private:
    B& be_;
    Index t_, d_, f_, head_dim_, length_;
    hydralora::ActivationBuffer<B> x_, y_, z_;
    hydralora::Buffer<B, float> wide_;
    hydralora::ActivationBuffer<B> gate_, up_, dy_, dgate_, dup_;
    hydralora::ParamBuffer<B> norm_;
    hydralora::AccumBuffer<B> inv_rms_;
    hydralora::Rope<B> rope_;
    hydralora::ParamBuffer<B> p_, g_;
    hydralora::AccumBuffer<B> m_, v_;
};

template <class D>
void operation_rows(Report& report, const Sizes& sizes) {
    using B = HalfBackend<D>;
    using functor::Word;
    B be;
    Operations<B> operations(be, sizes);
    const Index words = sizes.of(Index{1} << 24, 1 << 10);  // 256 MiB: beyond the caches
    const auto from = noise<float>(be, words, 4, 11);
    hydralora::Buffer<B, float> to(be, words, 4);
    const double bytes = 2.0 * sizeof(Word) * static_cast<double>(words);
    const Case copy = [&] { be.copy(from.view(), to.view()); };
    const Case own_copy = [&] {
        be.each(words, functor::CopyWords{reinterpret_cast<const Word*>(from.view().data),
                                          reinterpret_cast<Word*>(to.view().data)});
    };
    const auto gigabytes = [](double moved, const std::vector<double>& seconds) {
        std::vector<double> rate;
        for (const double s : seconds) rate.push_back(1e-9 * moved / s);
        return rate;
    };
    report.add(
        {{"copy of 256 MiB", "by the device", "GB/s"}, {"copy of 256 MiB", "by a kernel of 16-byte words", "GB/s"}},
        [&] {
            const Times t = interleave<D>(be, {copy, own_copy}, sizes.effort(1));
            return std::vector<Spread>{spread_of(gigabytes(bytes, t[0])), spread_of(gigabytes(bytes, t[1]))};
        });
    const std::string shape = ", T = " + std::to_string(sizes.tokens());
    for (const Operation& op : operations.all()) {
        report.add({{"share of the copy bandwidth", op.name + shape, "x", at_least(0.75)},
                    {"bytes moved", op.name + shape, "GB/s"}},
                   [&] {
                       const Times t = interleave<D>(be, {copy, op.run, own_copy}, sizes.effort(1));
                       const auto rate = gigabytes(op.bytes, t[1]), device = gigabytes(bytes, t[0]),
                                  own = gigabytes(bytes, t[2]);
                       std::vector<double> best(rate.size());
                       for (std::size_t i = 0; i < best.size(); ++i) best[i] = std::max(device[i], own[i]);
                       return std::vector<Spread>{spread_of(ratios(rate, best)), spread_of(rate)};
                   });
    }
}

}  // namespace bench
