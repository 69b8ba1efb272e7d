#include <doctest/doctest.h>

#include <hydralora/core/params.hpp>
#include <string>
#include <vector>

namespace core_params_test {

using namespace hydralora;

namespace {

/// A leaf, a list of leaves' sets and a set inside a set, as a model has them.
template <class M>
struct Pair {
    M first, second;

    template <class F, class... P>
    static void visit_at(const ParamPath& path, F&& f, P&&... p) {
        params_detail::visit_tensor((path / "first").with(Role::a), f, p.first...);
        params_detail::visit_tensor((path / "second").with(Role::norm), f, p.second...);
    }
    template <class N>
    [[nodiscard]] Pair<N> like() const {
        return {};
    }
};

template <class M>
struct Stack {
    std::vector<Pair<M>> layers;
    M head;

    template <class F, class First, class... P>
    static void visit_at(const ParamPath& path, F&& f, First&& set, P&&... p) {
        for (std::size_t i = 0; i < set.layers.size(); ++i)
            Pair<M>::visit_at(path / "layers" / static_cast<Index>(i), f, set.layers[i], p.layers[i]...);
        params_detail::visit_tensor(path / "head", f, set.head, p.head...);
    }
    template <class N>
    [[nodiscard]] Stack<N> like() const {
        Stack<N> result;
        result.layers.resize(layers.size());
        return result;
    }
};

Stack<Shape> shapes() { return {{{{1, 2}, {3, 4}}, {{5, 6}, {}}}, {7, 8}}; }

}  // namespace

TEST_CASE("visit: dotted names, roles and a fixed order; a tensor that is absent everywhere is left out") {
    std::string names;
    std::vector<Role> roles;
    visit(
        [&](const ParamPath& path, const Shape&) {
            names += path.name() + ' ';
            roles.push_back(path.role);
        },
        shapes());
    CHECK(names == "layers.0.first layers.0.second layers.1.first head ");
    CHECK((roles == std::vector<Role>{Role::a, Role::norm, Role::a, Role::weight}));
}

TEST_CASE("visit: several sets in lockstep, present in one is visited in all") {
    auto a = shapes();
    auto b = shapes();
    b.layers[1].second = {2, 2};
    b.head = {9, 9};
    int tensors = 0;
    visit(
        [&](const ParamPath& path, Shape& x, const Shape& y) {
            ++tensors;
            if (path.name() == "layers.1.second") {
                CHECK(x.empty());
                CHECK(y == Shape{2, 2});
            }
            x = y;
        },
        a, b);
    CHECK(tensors == 5);
    CHECK(a.head == Shape{9, 9});
}

TEST_CASE("map_params: the same structure with other elements") {
    const auto counts = map_params<Shape>(shapes(), [](const ParamPath&, const Shape& s) {
        return Shape{1, s.size()};
    });
    CHECK(counts.layers.size() == 2);
    CHECK(counts.layers[0].second == Shape{1, 12});
    CHECK(counts.layers[1].second.empty());
    CHECK(counts.head == Shape{1, 56});
}

TEST_CASE("parameter_count adds up all tensors") {
    CHECK(parameter_count(shapes()) == 2 + 12 + 30 + 56);
    CHECK(parameter_count(Stack<Shape>{}) == 0);
}

TEST_CASE("ParamPath: a root without a name adds no dot, with() keeps the name") {
    const ParamPath root;
    CHECK(root.name().empty());
    CHECK((root / "a").name() == "a");
    const ParamPath a = root / "a", b = a / 12;
    CHECK((b / "c").with(Role::bias).name() == "a.12.c");
    CHECK((b / "c").with(Role::bias).role == Role::bias);
    CHECK((root / Index{0} / "x").name() == "0.x");
}

}  // namespace core_params_test
