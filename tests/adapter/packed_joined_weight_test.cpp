// The joined form on packed factors, and HydraLinear on a packed weight, against the plain layer: in double, where the
// factors are plain matrices, over the whole family and with central differences; in float on panels at larger shapes.
#include <hydralora/adapter/packed_joined_weight.hpp>

#include <doctest/doctest.h>

#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/weight/packed_weight.hpp>
#include <utility>
#include <vector>

#include "adapter/joined_case.hpp"
#include "support/block_matrix.hpp"
#include "support/finite_difference.hpp"
#include "support/message_of.hpp"
#include "support/same_bits.hpp"

namespace adapter_packed_joined_weight_test {

namespace {

using namespace test;
using F = BasicEigenBackend<float>;
using PackedCase = BasicJoinedCase<PackedJoinedWeight<Double>>;

TEST_CASE("in double the packed joined layer is HydraLinear, for every member of the family") {
    Double be({.threads = 2, .slab_rows = 4});
    Draw draw(71);
    for (int n = trials(500, 10'000); n > 0; --n) {
        AdapterCase c(be, draw_config(draw), draw.one_of<Index>({1, 2, 3, 5, 9, 21}), draw);
        c.pass.mode = draw.one_of({Mode::train, Mode::train, Mode::inference});
        PackedCase j(c, draw, draw.integer(0, 3));
        Matrix<double> y(c.tokens, c.config.out), dx(c.tokens, c.config.in);
        const Grad mode = draw.one_of({Grad::overwrite, Grad::accumulate});
        dx.fill(mode == Grad::overwrite ? 99 : 2);
        j.dx.fill(mode == Grad::overwrite ? -99 : 2);
        j.plain.forward(be, c.x.view(), y.view(), c.cache, c.pass);
        j.plain.backward(be, c.x.view(), c.dy.view(), c.cache, dx.view(), views(c.grads), mode);
        j.forward();
        j.backward(mode);
        REQUIRE(relative_difference(j.y.view(), y.view()) <= 1e-12);
        REQUIRE(relative_difference(j.dx.view(), dx.view()) <= 1e-12);
        visit(
            [&](const ParamPath& path, auto& found, auto& expected) {
                REQUIRE_MESSAGE(relative_difference(found.view(), expected.view()) <= 1e-12, path.name());
            },
            j.grads, c.grads);
        REQUIRE((j.y.padding_untouched() && j.dx.padding_untouched()));
        REQUIRE((j.extra_untouched(j.x) && j.extra_untouched(j.dy)));
    }
}

TEST_CASE("gradients agree with central differences, on packed weights of both forms") {
    Double be({.threads = 1, .slab_rows = 4});
    Draw draw(53);  // the cases of joined_linear_test, whose gradients stand above the rounding of the differences
    for (int n = trials(60, 1000); n > 0; --n) {
        AdapterCase c(be, draw_config(draw), draw.integer(1, 9), draw);
        PackedCase j(c, draw);
        const HydraLinear<Double, PackedWeight<Double>> linear({be, j.w0.view(), j.bias.view()}, c.adapter());
        const auto weighted = [&](const Matrix<double>& y) {
            double sum = 0;
            for (Index t = 0; t < c.tokens; ++t)
                for (Index o = 0; o < c.config.out; ++o) sum += j.dy(t, o) * y(t, o);
            return sum;
        };
        const auto compare = [&](MatrixView<double> x, MatrixView<const double> dx, auto& grads, auto&& loss) {
            WorstError error;
            compare_gradient(error, "x", x, dx, loss, 24);
            visit(
                [&](const ParamPath& path, auto& value, auto& gradient) {
                    compare_gradient(error, path.name(), value.view(), gradient.view(), loss, 24);
                },
                c.params, grads);
            CHECK_MESSAGE(error.error <= 1e-6, error);
        };
        j.forward();
        j.backward();
        compare(j.x.view(), j.dx.cview(), j.grads, [&] {
            j.weight.refresh(be, c.params);
            j.forward();
            return weighted(j.y);
        });
        Matrix<double> y(c.tokens, c.config.out), dx(c.tokens, c.config.in);
        linear.forward(be, c.x.view(), y.view(), c.cache, c.pass);
        linear.backward(be, c.x.view(), j.dy.view(), c.cache, dx.view(), views(c.grads));
        compare(c.x.view(), dx.cview(), c.grads, [&] {
            linear.forward(be, c.x.view(), y.view(), c.cache, c.pass);
            return weighted(y);
        });
    }
}

/// y, dx and the gradients of a layer in float, of a case that the seed alone decides.
struct Results {
    Matrix<float> y, dx;
    AdapterParams<ParamBuffer<F>> grads;
};
enum class Form { plain, packed, joined };

Results run(F& be, AdapterConfig config, Index tokens, Form form) {
    Draw draw(73);
    AdapterCase<F> c(be, config, tokens, draw);
    Matrix<float> w0(config.out, config.in), bias(1, config.out);
    draw.normal(w0.view());
    draw.normal(bias.view());
    Results r{Matrix<float>(tokens, config.out), Matrix<float>(tokens, config.in), make_params(be, config)};
    const auto pass = [&](const auto& layer, auto x, auto dy) {
        layer.forward(be, x, r.y.view(), c.cache, c.pass);
        layer.backward(be, x, dy, c.cache, r.dx.view(), views(r.grads));
    };
    if (form == Form::plain)
        pass(HydraLinear(DenseWeight<F>{w0.view(), bias.view()}, c.adapter()), c.x.view(), c.dy.view());
    if (form == Form::packed)
        pass(HydraLinear(PackedWeight(be, w0.view(), bias.view()), c.adapter()), c.x.view(), c.dy.view());
    if (form == Form::joined) {
        PackedJoinedWeight<F> weight(be, config);
        weight.put_frozen(be, w0.view());
        const JoinedLinear layer(be, weight, c.adapter(), bias.cview());
        const PackedJoinedWeight<F> elsewhere(std::move(weight));  // the memory stays where it is
        Matrix<float> x(tokens, config.in, layer.x_ld() - config.in),
            dy(tokens, config.out, layer.dy_ld() - config.out);
        be.copy(c.x.view(), x.view());
        be.copy(c.dy.view(), dy.view());
        pass(layer, x.view(), dy.view());
    }
    return r;
}

const AdapterConfig configs[] = {{.in = 301, .out = 517, .rank = 8, .heads = 3, .alpha = 16},
                                 {.in = 517, .out = 90, .rank = 4, .heads = 8, .dropout = 0.1},
                                 {.in = 64, .out = 64, .rank = 3, .heads = 2, .router_input = RouterInput::a_x}};

TEST_CASE("in float both packed forms agree with the dense layer") {
    F be({.threads = 2});
    for (const auto& config : configs)
        for (const Index tokens : {1, 13, 150, 300}) {
            const Results expected = run(be, config, tokens, Form::plain);
            for (const Form form : {Form::packed, Form::joined}) {
                const Results found = run(be, config, tokens, form);
                CHECK(relative_difference(found.y.view(), expected.y.view()) <= 1e-5);
                CHECK(relative_difference(found.dx.view(), expected.dx.view()) <= 1e-5);
                visit(
                    [&](const ParamPath& path, const auto& a, const auto& b) {
                        CHECK_MESSAGE(relative_difference(a.view(), b.view()) <= 1e-5, path.name());
                    },
                    found.grads, expected.grads);
            }
        }
}

TEST_CASE("W0 in panels of bfloat16 is the same layer in half the memory, where it is stored so") {
    F be({.threads = 2});
    Draw draw(75);
    for (const auto& config : configs) {
        AdapterCase<F> c(be, config, 37, draw);
        Matrix<float> w0(config.out, config.in), bias(1, config.out);
        draw.normal(bias.view());
        std::vector<bfloat16> stored;
        for (Index i = 0; i < w0.rows * w0.cols; ++i) stored.emplace_back(static_cast<float>(draw.normal()));
        const auto half = host_view(std::as_const(stored).data(), config.out, config.in);
        be.cast(half, w0.view());
        const auto run = [&](const PackOptions& pack, bool back) {
            PackedJoinedWeight<F> weight(be, config, pack);
            weight.put_frozen(be, half);
            const JoinedLinear layer(be, weight, c.adapter(), bias.cview());
            Results r{Matrix<float>(37, config.out), Matrix<float>(37, config.in), make_params(be, config)};
            Matrix<float> x(37, config.in, layer.x_ld() - config.in), dy(37, config.out, layer.dy_ld() - config.out);
            be.copy(c.x.view(), x.view());
            be.copy(c.dy.view(), dy.view());
            layer.forward(be, x.view(), r.y.view(), c.cache, c.pass);
            if (back) layer.backward(be, x.view(), dy.view(), c.cache, r.dx.view(), views(r.grads));
            return r;
        };
        const Results wide = run({}, true), narrow = run({.storage = PanelStorage::bfloat16}, true);
        CHECK(relative_difference(narrow.y.view(), wide.y.view()) <= 1e-5);
        CHECK(relative_difference(narrow.dx.view(), wide.dx.view()) <= 1e-5);
        visit([&](const ParamPath& path, const auto& a,
                  const auto& b) { CHECK_MESSAGE(relative_difference(a.view(), b.view()) <= 1e-5, path.name()); },
              narrow.grads, wide.grads);
        const PackOptions forward{Directions::forward, PanelStorage::bfloat16};
        CHECK(same_bits(run(forward, false).y.view(), narrow.y.view()));
        CHECK(message_of([&] { run(forward, true); }) ==
              "PackedJoinedWeight: packed for Directions::forward, a backward pass needs Directions::both");
        PackedJoinedWeight<F> weight(be, config, {.storage = PanelStorage::bfloat16});
        CHECK(message_of([&] { weight.put_frozen(be, w0.view()); }) ==
              "PackedJoinedWeight: panels of bfloat16 keep a matrix that is stored in bfloat16, or round a quantised "
              "one, found one in the "
              "parameter type; pack it as PanelStorage::compute");
    }
}

TEST_CASE("W0 in blocks, read where it lies, is the layer of its decoded values, with the same bits for any threads") {
    const AdapterConfig shapes[] = {{.in = 320, .out = 517, .rank = 8, .heads = 3, .alpha = 16},
                                    {.in = 1024, .out = 90, .rank = 4, .heads = 8, .dropout = 0.1}};
    for (const auto& config : shapes)
        for (const Index tokens : {1, 3, 13, 150, 300}) {
            Draw draw(77);
            const test::BlockMatrix blocks(config.in == 1024 ? QuantFormat::q4_k : QuantFormat::q4_1, config.out,
                                           config.in, draw);
            const auto values = blocks.values();
            const auto run = [&](const StoredView<F>& w0, PanelStorage storage, int threads) {
                F be({.threads = threads});
                Draw numbers(78);
                AdapterCase<F> c(be, config, tokens, numbers);
                Matrix<float> bias(1, config.out);
                numbers.normal(bias.view());
                PackedJoinedWeight<F> weight(be, config, {.storage = storage});
                weight.put_frozen(be, w0);
                const JoinedLinear layer(be, weight, c.adapter(), bias.cview());
                Results r{Matrix<float>(tokens, config.out), Matrix<float>(tokens, config.in), make_params(be, config)};
                Matrix<float> x(tokens, config.in, layer.x_ld() - config.in),
                    dy(tokens, config.out, layer.dy_ld() - config.out);
                be.copy(c.x.view(), x.view());
                be.copy(c.dy.view(), dy.view());
                layer.forward(be, x.view(), r.y.view(), c.cache, c.pass);
                layer.backward(be, x.view(), dy.view(), c.cache, r.dx.view(), views(r.grads));
                if (storage == PanelStorage::in_place)  // no copy of W0 for either direction
                    CHECK(PackedJoinedWeight<F>(be, config).bytes() - weight.bytes() >= 8 * config.in * config.out);
                return r;
            };
            const Results expected = run(values.view(), PanelStorage::compute, 2);
            const Results found = run(blocks.view(), PanelStorage::in_place, 1);
            CHECK(relative_difference(found.y.view(), expected.y.view()) <= 1e-5);
            CHECK(relative_difference(found.dx.view(), expected.dx.view()) <= 1e-5);
            visit([&](const ParamPath& path, const auto& a,
                      const auto& b) { CHECK_MESSAGE(relative_difference(a.view(), b.view()) <= 1e-5, path.name()); },
                  found.grads, expected.grads);
            for (int threads = 2; threads <= 4; ++threads) {
                const Results again = run(blocks.view(), PanelStorage::in_place, threads);
                CHECK(same_bits(again.y.view(), found.y.view()));
                CHECK(same_bits(again.dx.view(), found.dx.view()));
                visit([](const ParamPath& path, const auto& a,
                         const auto& b) { CHECK_MESSAGE(same_bits(a.view(), b.view()), path.name()); },
                      again.grads, found.grads);
            }
        }
}

TEST_CASE("1, 2, 3 and 4 threads give the same bits") {
    for (const auto& config : configs) {
        F one({.threads = 1});
        const Results expected = run(one, config, 157, Form::joined);
        for (int threads = 2; threads <= 4; ++threads) {
            F be({.threads = threads});
            const Results found = run(be, config, 157, Form::joined);
            CHECK(same_bits(found.y.view(), expected.y.view()));
            CHECK(same_bits(found.dx.view(), expected.dx.view()));
            visit([](const ParamPath& path, const auto& a,
                     const auto& b) { CHECK_MESSAGE(same_bits(a.view(), b.view()), path.name()); },
                  found.grads, expected.grads);
        }
    }
}

TEST_CASE("the parameters are read at the last refresh; a second step, refresh among it, allocates nothing") {
    F be({.threads = 3});
    Draw draw(74);
    AdapterCase<F> c(be, {.in = 130, .out = 70, .rank = 8, .heads = 3}, 20, draw);
    PackedJoinedWeight<F> weight(be, c.config);
    Matrix<float> w0(70, 130), before(20, 70);
    draw.normal(w0.view());
    weight.put_frozen(be, w0.view());
    const JoinedLinear layer(be, weight, c.adapter());
    Matrix<float> x(20, 130, layer.x_ld() - 130), dy(20, 70, layer.dy_ld() - 70);
    be.copy(c.x.view(), x.view());
    be.copy(c.dy.view(), dy.view());
    layer.forward(be, x.view(), before.view(), c.cache);
    visit([&](const ParamPath&, auto& m) { draw.normal(m.view()); }, c.params);
    layer.forward(be, x.view(), c.y.view(), c.cache);
    CHECK(same_bits(c.y.view(), before.view()));
    const auto grads = views(c.grads);
    check_second_allocates_nothing([&] {
        weight.refresh(be, c.params);
        layer.forward(be, x.view(), c.y.view(), c.cache);
        layer.backward(be, x.view(), dy.view(), c.cache, c.dx.view(), grads);
    });
    Matrix<float> y(20, 70);
    HydraLinear(DenseWeight<F>{w0.view()}, c.adapter()).forward(be, c.x.view(), y.view(), c.cache);
    CHECK(relative_difference(c.y.view(), y.view()) <= 1e-5);
    CHECK(relative_difference(before.view(), y.view()) > 0.1);
}

TEST_CASE("the memory it holds, in bytes, and mistakes named") {
    F be({.threads = 1});
    const AdapterConfig config{.in = 70, .out = 50, .rank = 2, .heads = 3};
    PackedJoinedWeight<F> weight(be, config);
    const Index width = panel::kernel<float>().cols;
    const Index in = (70 + width - 1) / width * width, out = (50 + width - 1) / width * width;
    const Index narrow = (2 + 3 + width - 1) / width * width, heads = (6 + width - 1) / width * width;
    CHECK(weight.bytes() == 4 * ((70 + 6) * out + (50 + 2 + 3) * in + 70 * narrow + 50 * heads));
    for (const Directions directions : {Directions::both, Directions::forward})
        for (const PanelStorage storage : {PanelStorage::compute, PanelStorage::bfloat16}) {
            const PackOptions pack{directions, storage};
            CHECK(PackedJoinedWeight<F>(be, config, pack).bytes() ==
                  PackedJoinedWeight<F>::planned_bytes(weight.shape(), pack));
        }
    CHECK(message_of([&] { weight.put_frozen(be, Matrix<float>(50, 71).cview()); }) ==
          "PackedJoinedWeight: W0 is (50, 71), expected (out, in) = (50, 70)");
    auto params = make_params(be, config);
    params.B = ParamBuffer<F>(be, 50, 4);
    CHECK(message_of([&] { weight.refresh(be, params); }) == "PackedJoinedWeight: B is (50, 4), expected (50, 6)");
    params = make_params(be, config);
    const HydraAdapter adapter(be, config, views(params));
    const Matrix<float> bias(1, 3);
    CHECK(message_of([&] { JoinedLinear(be, weight, adapter, bias.cview()); }) ==
          "PackedJoinedWeight: bias is (1, 3), expected (1, out) = (1, 50)");
    const PackedJoinedWeight<F> moved = std::move(weight);
    const std::string nothing = "PackedJoinedWeight: holds nothing: default-constructed, or moved from";
    CHECK(message_of([&] { weight.put_frozen(be, Matrix<float>(50, 70).cview()); }) == nothing);
    CHECK(message_of([&] { weight.refresh(be, params); }) == nothing);
    CHECK(message_of([] { static_cast<void>(PackedJoinedWeight<F>().products({})); }) == nothing);
}

TEST_CASE("backward on a weight packed forward only throws before it writes") {
    F be({.threads = 1});
    Draw draw(75);
    AdapterCase<F> c(be, {.in = 30, .out = 20, .rank = 2, .heads = 2}, 5, draw);
    PackedJoinedWeight<F> weight(be, c.config, {.directions = Directions::forward});
    const JoinedLinear layer(be, weight, c.adapter());
    Matrix<float> x(5, 30, layer.x_ld() - 30), dy(5, 20, layer.dy_ld() - 20);
    be.copy(c.x.view(), x.view());
    be.copy(c.dy.view(), dy.view());
    layer.forward(be, x.view(), c.y.view(), c.cache);
    visit([&](const ParamPath&, auto& m) { be.fill(m.view(), 0.0f); }, c.grads);
    const auto grads = views(c.grads);
    CHECK(message_of([&] { layer.backward(be, x.view(), dy.view(), c.cache, c.dx.view(), grads); }) ==
          "PackedJoinedWeight: packed for Directions::forward, a backward pass needs Directions::both");
    const Matrix<float> zeros(20, 4);
    CHECK(same_bits(std::as_const(c.grads.B).view(), zeros.view()));
    CHECK(dy.padding_untouched());
}

}  // namespace

}  // namespace adapter_packed_joined_weight_test
