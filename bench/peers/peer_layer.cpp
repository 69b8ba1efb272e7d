// One linear layer of this library, timed on request by bench/peers/cpu_layer.py in turn with PyTorch's.
//
//   about                                    the instructions that run; whether they multiply bfloat16
//   layer IN OUT TOKENS HEADS FOLDER         the layer of FOLDER/{w,a,b,router,x,dy}.f32; "ok"
//   passes FOLDER                            one forward and backward; FOLDER/{y,dx,da,db,drouter}.f32; "ok"
//   time CASE REPEATS                        seconds of one
//   saved                                    bytes kept for backward besides x, and of the room behind x
//
// Cases: layer, layer_dropout, layer_dropout_per_head, layer_bfloat16: the joined form on packed factors, forward, backward
// and what a step needs besides, packing A, B and the router. frozen, frozen_bfloat16: W0 alone, y and dX. bfloat16: W0 is
// held in it, and multiplied in it where the processor can.

#include <hydralora/adapter/joined_linear.hpp>
#include <hydralora/adapter/packed_joined_weight.hpp>
#include <hydralora/core/isa.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/panel/kernel.hpp>
#include <hydralora/weight/packed_weight.hpp>
#include <memory>
#include <optional>

#include "requests.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;
using Folder = std::filesystem::path;

struct LayerShape {
    Index in, out, tokens, heads;

    /// As in bench/peers/adapter_forms.py.
    [[nodiscard]] AdapterConfig config(double dropout = 0, MaskSharing mask = MaskSharing::shared) const {
        return {.in = in, .out = out, .rank = 8, .heads = heads, .alpha = 32, .dropout = dropout, .dropout_mask = mask};
    }
};

/// The layer in every form, over one set of parameters, inputs and results.
class Layer {
    using Joined = JoinedLinear<B, AdapterConfig, PackedJoinedWeight<B>>;

public:
    Layer(B& be, const LayerShape& shape, const Folder& from)
        : be_(be),
          shape_(shape),
          w_(be, shape.out, shape.in),
          params_(make_params(be, shape.config())),
          grads_(make_params(be, shape.config())),
          weight_(be, shape.config()),
          plain_(be, weight_, (read_parameters(from), adapter(shape.config()))),
          shared_mask_(be, weight_, adapter(shape.config(dropout))),
          mask_per_head_(be, weight_, adapter(shape.config(dropout, MaskSharing::per_head))),
          x_(be, shape.tokens, plain_.x_ld()),
          dy_(be, shape.tokens, plain_.dy_ld()),
          y_(be, shape.tokens, shape.out),
          dx_(be, shape.tokens, shape.in) {
        bench::read_matrix(from / "x.f32", x());
        bench::read_matrix(from / "dy.f32", dy());
        weight_.put_frozen(be, w_.view());
    }

    void write_passes(const Folder& to) {
        visit([&](const ParamPath&, auto& g) { be_.fill(g.view(), 0.0f); }, grads_);
        step(plain_, weight_);
        bench::write_matrix(to / "y.f32", y_.view());
        bench::write_matrix(to / "dx.f32", dx_.view());
        bench::write_matrix(to / "da.f32", grads_.A.view());
        bench::write_matrix(to / "db.f32", grads_.B.view());
        bench::write_matrix(to / "drouter.f32", grads_.router.view());
    }

    [[nodiscard]] double time(const std::string& what, int repeats) {
        if (what == "layer") return bench::seconds_of(repeats, [&] { step(plain_, weight_); });
        if (what == "layer_dropout") return bench::seconds_of(repeats, [&] { step(shared_mask_, weight_); });
        if (what == "layer_dropout_per_head") return bench::seconds_of(repeats, [&] { step(mask_per_head_, weight_); });
        if (what == "frozen") {
            if (!floats_) floats_.emplace(be_, w_.view());
            return bench::seconds_of(repeats, [&] { frozen_step(*floats_); });
        }
        if (what == "frozen_bfloat16") return bench::seconds_of(repeats, [&] { frozen_step(halves().frozen); });
        if (what == "layer_bfloat16") return bench::seconds_of(repeats, [&] { step(halves().layer, halves().weight); });
        fail("no such case: ", what);
    }

    [[nodiscard]] Index saved_bytes() {
        step(plain_, weight_);
        return (cache_.u.size() + cache_.g.size()) * Index{sizeof(float)};
    }
    [[nodiscard]] Index room_bytes() const { return shape_.tokens * (x_.cols() - shape_.in) * Index{sizeof(float)}; }

private:
    static constexpr double dropout = 0.05;

    [[nodiscard]] View<B> x() { return x_.view().col_slice(0, shape_.in); }
    [[nodiscard]] View<B> dy() { return dy_.view().col_slice(0, shape_.out); }
    [[nodiscard]] HydraAdapter<B> adapter(const AdapterConfig& config) {
        return {be_, config, views(std::as_const(params_))};
    }

    void read_parameters(const Folder& from) {
        bench::read_matrix(from / "w.f32", w_.view());
        bench::read_matrix(from / "a.f32", params_.A.view());
        bench::read_matrix(from / "b.f32", params_.B.view());
        bench::read_matrix(from / "router.f32", params_.router.view());
    }

    void step(const Joined& layer, PackedJoinedWeight<B>& weight) {
        weight.refresh(be_, params_);
        Pass<B> pass;
        pass.random = {Seed{1}, 0, ++step_};
        layer.forward(be_, x(), y_.view(), cache_, pass);
        layer.backward(be_, x(), dy(), cache_, dx_.view(), views(grads_));
    }
    void frozen_step(const PackedWeight<B>& weight) {
        weight.apply(be_, x(), y_.view());
        weight.apply_transposed(be_, dy(), dx_.view());
    }

    /// W0 in bfloat16
    struct Halves {
        PackedWeight<B> frozen;
        PackedJoinedWeight<B> weight;
        Joined layer;

        Halves(Layer& of, ViewOf<B, const bfloat16> w0)
            : frozen(of.be_, w0, {}, packing),
              weight(of.be_, of.shape_.config(), packing),
              layer(of.be_, weight, of.adapter(of.shape_.config())) {
            weight.put_frozen(of.be_, w0);
        }
        static constexpr PackOptions packing{.storage = PanelStorage::bfloat16_dots};
    };
    Halves& halves() {
        if (!halves_) {
            Buffer<B, bfloat16> rounded(be_, shape_.out, shape_.in);
            be_.cast(std::as_const(w_).view(), rounded.view());
            halves_.emplace(*this, std::as_const(rounded).view());
        }
        return *halves_;
    }

    B& be_;
    LayerShape shape_;
    ParamBuffer<B> w_;
    AdapterParams<ParamBuffer<B>> params_, grads_;
    PackedJoinedWeight<B> weight_;
    Joined plain_, shared_mask_, mask_per_head_;
    ActivationBuffer<B> x_, dy_, y_, dx_;    // x and dy with room behind their rows
    std::optional<PackedWeight<B>> floats_;  // made when it is first asked for
    std::optional<Halves> halves_;           // the same
    HydraAdapter<B>::Cache cache_;
    std::uint32_t step_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    B be({.threads = bench::threads_of(argc, argv)});
    std::unique_ptr<Layer> layer;
    return bench::serve([&](const std::string& what, std::istream& words, std::ostream& said) {
        if (what == "about") {
            said << isa_name() << (panel::dot_kernel() != nullptr ? ", bfloat16" : "");
            return;
        }
        if (what == "layer") {
            layer.reset();
            LayerShape shape{};
            shape.in = bench::next<Index>(words, "IN");
            shape.out = bench::next<Index>(words, "OUT");
            shape.tokens = bench::next<Index>(words, "TOKENS");
            shape.heads = bench::next<Index>(words, "HEADS");
            layer = std::make_unique<Layer>(be, shape, bench::next<std::string>(words, "FOLDER"));
            said << "ok";
            return;
        }
        check(layer != nullptr, "ask for a layer first");
        if (what == "passes") {
            layer->write_passes(bench::next<std::string>(words, "FOLDER"));
            said << "ok";
        } else if (what == "time") {
            const auto which = bench::next<std::string>(words, "CASE");
            said << layer->time(which, bench::next<int>(words, "REPEATS"));
        } else if (what == "saved") {
            said << layer->saved_bytes() << ' ' << layer->room_bytes();
        } else {
            fail("no such request: ", what);
        }
    });
}
