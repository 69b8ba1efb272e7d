// The parameters of one adapter: values, gradients, moments and shapes are the same struct.
#pragma once

#include <cmath>
#include <vector>

#include "../backend/concept.hpp"
#include "../core/params.hpp"
#include "../core/random.hpp"
#include "config.hpp"

namespace hydralora {

/// r rank, N heads. A tensor that a configuration does without is empty and is not visited.
template <class M>
struct AdapterParams {
    M A;            // (r, in); own_a: (N*r, in), head i in rows i*r .. i*r + r - 1
    M B;            // (out, N*r), head i in columns i*r .. i*r + r - 1
    M router;       // (N, in); router_input a_x: (N, rows of A)
    M router_bias;  // (1, N)

    template <class F, class... P>
    static void visit_at(const ParamPath& path, F&& f, P&&... p) {
        params_detail::visit_tensor((path / "A").with(Role::a), f, p.A...);
        params_detail::visit_tensor((path / "B").with(Role::b), f, p.B...);
        params_detail::visit_tensor((path / "router").with(Role::router), f, p.router...);
        params_detail::visit_tensor((path / "router_bias").with(Role::router), f, p.router_bias...);
    }
    template <class F, class... P>
    static void visit(F&& f, P&&... p) {
        visit_at(ParamPath{}, f, p...);
    }
    template <class N>
    [[nodiscard]] AdapterParams<N> like() const {
        return {};
    }
};

/// Shapes of the parameters of a configuration.
template <class Rank, class Heads>
[[nodiscard]] AdapterParams<Shape> adapter_shapes(const BasicAdapterConfig<Rank, Heads>& c) {
    validate(c);
    AdapterParams<Shape> shapes;
    shapes.A = {c.a_rows(), c.in};
    shapes.B = {c.out, c.heads * c.rank};
    if (c.routed()) shapes.router = {c.heads, c.router_cols()};
    if (c.router_bias == RouterBias::trained) shapes.router_bias = {1, c.heads};
    return shapes;
}

/// Buffers of a set of shapes, zero.
template <Backend B, class Shapes>
[[nodiscard]] auto make_buffers(B& be, const Shapes& shapes) {
    return map_params<ParamBuffer<B>>(shapes, [&](const ParamPath&, const Shape& s) { return ParamBuffer<B>(be, s); });
}

/// Parameters (or gradients) of a configuration in the backend's memory, zero.
template <Backend B, class Rank, class Heads>
[[nodiscard]] AdapterParams<ParamBuffer<B>> make_params(B& be, const BasicAdapterConfig<Rank, Heads>& config) {
    return make_buffers(be, adapter_shapes(config));
}

/// Views of a set of buffers: constant ones of a constant set.
template <template <class> class P, class B, class T>
[[nodiscard]] P<MatrixView<T, typename B::space>> views(P<Buffer<B, T>>& set) {
    return map_params<MatrixView<T, typename B::space>>(set,
                                                        [](const ParamPath&, Buffer<B, T>& m) { return m.view(); });
}
template <template <class> class P, class B, class T>
[[nodiscard]] P<MatrixView<const T, typename B::space>> views(const P<Buffer<B, T>>& set) {
    return map_params<MatrixView<const T, typename B::space>>(
        set, [](const ParamPath&, const Buffer<B, T>& m) { return m.view(); });
}

/// How the start of training differs from the released one: B drawn from a normal distribution, so that heads differ from
/// step 0 and the adapter is not nothing there, and a router whose gates are sharper.
struct AdapterStart {
    double b_std = 0;         ///< 0: B is 0
    double router_scale = 1;  ///< of the router's rows
};

inline void validate(const AdapterStart& s) {
    check(s.b_std >= 0 && std::isfinite(s.b_std), "AdapterStart: b_std = ", s.b_std, ", expected 0 or more");
    check(s.router_scale > 0 && std::isfinite(s.router_scale), "AdapterStart: router_scale = ", s.router_scale,
          ", expected above 0");
}

/// Start of training: A and router uniform in +-1/sqrt(columns) (Kaiming uniform with a = sqrt(5)), B and the bias 0, so that
/// the adapter is exactly nothing at step 0. `stream` tells adapters of one seed apart.
/// The random steps are the last three, so that dropout on the same stream draws others.
/// Source: Clin0212/HydraLoRA, HydraLoRA/peft/tuners/lora.py, Linear.reset_parameters.
template <Backend B, class M, class Rank, class Heads>
void initialise(B& be, AdapterParams<M>& params, const BasicAdapterConfig<Rank, Heads>& config, Seed seed,
                std::uint32_t stream = 0, const AdapterStart& start = {}) {
    validate(config);
    validate(start);
    const auto draw = [&](auto to, std::uint32_t part, auto&& number) {
        std::vector<ParamScalar<B>> values(static_cast<std::size_t>(to.size()));
        for (std::size_t i = 0; i < values.size(); ++i)
            values[i] = static_cast<ParamScalar<B>>(number(RandomKey{seed, stream, 0xffffffffu - part}, i));
        be.upload(host_view(values.data(), to.rows, to.cols), to);
    };
    const auto uniform_rows = [&](auto to, std::uint32_t part, double scale) {
        const double bound = scale / std::sqrt(static_cast<double>(to.cols));
        draw(to, part, [bound](RandomKey key, std::size_t i) { return bound * (2.0 * uniform<double>(key, i) - 1.0); });
    };
    uniform_rows(view_of(params.A), 0, 1.0);
    if (start.b_std > 0)
        draw(view_of(params.B), 2, [&](RandomKey key, std::size_t i) { return start.b_std * normal<double>(key, i); });
    else
        be.fill(view_of(params.B), ParamScalar<B>{0});
    if (config.routed()) uniform_rows(view_of(params.router), 1, start.router_scale);
    if (config.router_bias == RouterBias::trained) be.fill(view_of(params.router_bias), ParamScalar<B>{0});
}

}  // namespace hydralora
