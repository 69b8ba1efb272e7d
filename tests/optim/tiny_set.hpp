// A small parameter set with one tensor of each role, and the recorded numbers as such sets.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <hydralora/backend/concept.hpp>
#include <hydralora/core/params.hpp>
#include <hydralora/core/view.hpp>

namespace test {

template <class M>
struct TinySet {
    M A, B, router, norm, bias;

    template <class F, class... P>
    static void visit_at(const hydralora::ParamPath& path, F&& f, P&&... p) {
        using hydralora::Role;
        using hydralora::params_detail::visit_tensor;
        visit_tensor((path / "A").with(Role::a), f, p.A...);
        visit_tensor((path / "B").with(Role::b), f, p.B...);
        visit_tensor((path / "router").with(Role::router), f, p.router...);
        visit_tensor((path / "norm").with(Role::norm), f, p.norm...);
        visit_tensor((path / "bias").with(Role::bias), f, p.bias...);
    }
    template <class N>
    [[nodiscard]] TinySet<N> like() const {
        return {};
    }
};

/// The set whose shapes golden/make_optim.py uses.
inline TinySet<hydralora::Shape> tiny_shapes() { return {{3, 5}, {4, 6}, {2, 5}, {1, 4}, {1, 3}}; }
inline constexpr std::size_t tiny_count = 56;

/// Buffers of those shapes with the numbers from `values` on.
template <class B>
auto tiny_set(B& be, const double* values) {
    using Element = hydralora::ParamScalar<B>;
    return hydralora::map_params<hydralora::ParamBuffer<B>>(
        tiny_shapes(), [&](const hydralora::ParamPath&, const hydralora::Shape& shape) {
            hydralora::ParamBuffer<B> m(be, shape);
            for (hydralora::Index i = 0; i < shape.size(); ++i) m.view().data[i] = static_cast<Element>(*values++);
            return m;
        });
}

/// Largest |element - number| / max(|number|, 0.1).
template <class Set>
double relative_difference(const Set& set, const double* values) {
    double most = 0;
    hydralora::visit(
        [&](const hydralora::ParamPath&, const auto& m) {
            for (hydralora::Index i = 0; i < m.size(); ++i, ++values) {
                const double d = std::abs(static_cast<double>(m.view().data[i]) - *values);
                most = std::max(most, d / std::max(std::abs(*values), 0.1));
            }
        },
        set);
    return most;
}

}  // namespace test
