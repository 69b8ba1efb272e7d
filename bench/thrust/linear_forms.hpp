// The linear layer in the forms that are timed. A form is what one training step needs of a layer: prepare() after the
// parameters have changed, forward(), backward() with the gradients of input and adapter.
//   T tokens, r rank, N heads
#pragma once

#include <hydralora/adapter/hydra_linear.hpp>
#include <hydralora/adapter/joined_linear.hpp>
#include <string>

#include "measure.hpp"

namespace bench {

struct LinearShape {
    Index in = 0, out = 0, tokens = 0;

    friend bool operator==(const LinearShape&, const LinearShape&) = default;
    [[nodiscard]] std::string words() const {
        return std::to_string(in) + (in == out ? "^2" : "->" + std::to_string(out)) + ", T = " + std::to_string(tokens);
    }
    /// Of one product with the weight.
    [[nodiscard]] double flops() const {
        return 2.0 * static_cast<double>(in) * static_cast<double>(out) * static_cast<double>(tokens);
    }
};

inline constexpr Index bench_rank = 8, bench_heads = 4;

[[nodiscard]] inline hydralora::AdapterConfig adapter_of(const LinearShape& s, double dropout = 0) {
    return {.in = s.in, .out = s.out, .rank = bench_rank, .heads = bench_heads, .alpha = 32, .dropout = dropout};
}

/// What the forms of one shape share.
template <class B>
struct LinearMemory {
    B& be;
    LinearShape shape;
    hydralora::ActivationBuffer<B> w, x, dy, y, dx;

    LinearMemory(B& b, const LinearShape& s)
        : be(b),
          shape(s),
          w(noise<hydralora::Scalar<B>>(b, s.out, s.in, 1, 0.02f)),
          x(noise<hydralora::Scalar<B>>(b, s.tokens, s.in, 2)),
          dy(noise<hydralora::Scalar<B>>(b, s.tokens, s.out, 3, 0.01f)),
          y(b, s.tokens, s.out),
          dx(b, s.tokens, s.in) {}

    [[nodiscard]] hydralora::ConstView<B> x_view() const { return x.view(); }
    [[nodiscard]] hydralora::ConstView<B> dy_view() const { return dy.view(); }
    [[nodiscard]] hydralora::DenseWeight<B> weight() const { return {hydralora::ConstView<B>(w.view())}; }
};

/// The frozen product alone: y = x W^T, dx = dy W.
template <class B>
struct FrozenForm {
    LinearMemory<B>& m;

    void prepare() {}
    void forward() { m.weight().apply(m.be, m.x_view(), m.y.view()); }
    void backward() { m.weight().apply_transposed(m.be, m.dy_view(), m.dx.view()); }
};

/// HydraLinear: the adapter is added after the frozen product, with passes of its own over y and dx (beta = 1).
template <class B>
struct AddedForm {
    static constexpr const char* name = "HydraLinear";
    LinearMemory<B>& m;
    hydralora::AdapterParams<hydralora::ParamBuffer<B>> params, grads;
    hydralora::HydraLinear<B> layer;
    typename hydralora::HydraLinear<B>::Cache cache;

    explicit AddedForm(LinearMemory<B>& memory, double dropout = 0)
        : m(memory),
          params(make_params(memory.be, adapter_of(memory.shape))),
          grads(make_params(memory.be, adapter_of(memory.shape))),
          layer(memory.weight(), hydralora::HydraAdapter<B>(memory.be, adapter_of(memory.shape, dropout),
                                                            hydralora::views(std::as_const(params)))) {
        initialise(m.be, params, adapter_of(m.shape), hydralora::Seed{42});
        fill_with_noise(m.be, params.B, 4, 0.02f);
    }

    void prepare() {}
    void forward() { layer.forward(m.be, m.x_view(), m.y.view(), cache); }
    void backward() { layer.backward(m.be, m.x_view(), m.dy_view(), cache, m.dx.view(), hydralora::views(grads)); }
    /// What forward keeps for backward besides x, which the layer before keeps anyway.
    [[nodiscard]] Index saved_bytes() const {
        return (cache.u.size() + cache.g.size()) * static_cast<Index>(sizeof(hydralora::AccumScalar<B>));
    }
};

/// JoinedLinear: the adapter rides inside the frozen product. Its x and dy have room behind their rows.
template <class B>
struct JoinedForm {
    static constexpr const char* name = "JoinedLinear";
    LinearMemory<B>& m;
    hydralora::AdapterParams<hydralora::ParamBuffer<B>> params, grads;
    hydralora::JoinedWeight<B> weight;
    hydralora::JoinedLinear<B> layer;
    hydralora::ActivationBuffer<B> x, dy;
    typename hydralora::JoinedLinear<B>::Cache cache;

    explicit JoinedForm(LinearMemory<B>& memory, double dropout = 0)
        : m(memory),
          params(make_params(memory.be, adapter_of(memory.shape))),
          grads(make_params(memory.be, adapter_of(memory.shape))),
          weight(memory.be, adapter_of(memory.shape)),
          layer(memory.be, weight,
                hydralora::HydraAdapter<B>(memory.be, adapter_of(memory.shape, dropout),
                                           hydralora::views(std::as_const(params)))),
          x(noise<hydralora::Scalar<B>>(memory.be, memory.shape.tokens, layer.x_ld(), 2)),
          dy(noise<hydralora::Scalar<B>>(memory.be, memory.shape.tokens, layer.dy_ld(), 3, 0.01f)) {
        m.be.copy(hydralora::ConstView<B>(m.w.view()), weight.frozen());
        initialise(m.be, params, adapter_of(m.shape), hydralora::Seed{42});
        fill_with_noise(m.be, params.B, 4, 0.02f);
    }

    void prepare() { weight.refresh(m.be, params); }
    void forward() { layer.forward(m.be, x_view(), m.y.view(), cache); }
    void backward() {
        layer.backward(m.be, x_view(), dy.view().col_slice(0, m.shape.out), cache, m.dx.view(),
                       hydralora::views(grads));
    }
    /// With the room behind x, which stands as long as x does, though layers of one input share it.
    [[nodiscard]] Index saved_bytes() const {
        return (cache.u.size() + cache.g.size()) * static_cast<Index>(sizeof(hydralora::AccumScalar<B>)) +
               m.shape.tokens * weight.shape().tail_cols() * static_cast<Index>(sizeof(hydralora::Scalar<B>));
    }

private:
    [[nodiscard]] hydralora::View<B> x_view() { return x.view().col_slice(0, m.shape.in); }
};

/// The form that the targets are about.
template <class B>
using BestForm = JoinedForm<B>;

template <class Form>
void step(Form& form) {
    form.prepare();
    form.forward();
    form.backward();
}

}  // namespace bench
