// Sets of parameters: one aggregate template per layer serves values, gradients, moments, shapes and file entries.
//
// A parameter set is a class template P<M> (M = view, buffer, shape, ...) with
//     template <class F, class... P> static void visit_at(const ParamPath& path, F&& f, P&&... sets);
//     template <class N> P<N> like() const;                        // same structure, elements default-constructed
// visit_at calls f(path, m...) once a tensor, the sets in lockstep. It is the only list of parameters there is.
#pragma once

#include <string>
#include <string_view>

#include "check.hpp"
#include "view.hpp"

namespace hydralora {

/// What a parameter is to the optimiser: learning-rate ratios go by role, weight decay spares norms and biases.
enum class Role { a, b, router, weight, norm, bias };

/// Dotted name of a parameter, built only when asked for: a step visits parameters without allocating.
struct ParamPath {
    const ParamPath* parent = nullptr;
    std::string_view part;
    Index number = -1;  // of an element of a list, -1 for none
    Role role = Role::weight;

    [[nodiscard]] ParamPath operator/(std::string_view name) const { return {this, name, -1, Role::weight}; }
    [[nodiscard]] ParamPath operator/(Index i) const { return {this, {}, i, Role::weight}; }
    [[nodiscard]] ParamPath with(Role r) const { return {parent, part, number, r}; }

    [[nodiscard]] std::string name() const {
        const std::string own = number >= 0 ? std::to_string(number) : std::string(part);
        if (parent == nullptr) return own;
        const std::string above = parent->name();
        return above.empty() ? own : above + '.' + own;
    }
};

/// Calls f(path, m...) for each tensor of the sets, in lockstep and in a fixed order.
template <class F, class First, class... Rest>
void visit(F&& f, First&& first, Rest&&... rest) {
    std::remove_cvref_t<First>::visit_at(ParamPath{}, f, first, rest...);
}

namespace params_detail {
/// One tensor of several sets: absent ones (empty in every set) are not visited.
template <class F, class... M>
void visit_tensor(const ParamPath& path, F&& f, M&&... m) {
    if (!(m.empty() && ...)) f(path, m...);
}
}  // namespace params_detail

/// A set of N with the structure of `source`, element by element convert(path, source element).
template <class N, class Source, class Convert>
[[nodiscard]] auto map_params(Source&& source, Convert&& convert) {
    auto result = source.template like<N>();
    visit([&](const ParamPath& path, auto& to, auto& from) { to = convert(path, from); }, result, source);
    return result;
}

/// Number of scalars in a set.
template <class P>
[[nodiscard]] Index parameter_count(const P& set) {
    Index count = 0;
    visit([&](const ParamPath&, const auto& m) { count += m.shape().size(); }, set);
    return count;
}

}  // namespace hydralora
