// A training step of a small decoder, timed on request by bench/peers/cpu_step.py in turn with PyTorch's.
//
//   about                       the instructions that run
//   model HEADS FOLDER          FOLDER/{weights,adapters}.f32, every tensor in visiting order, and {ids,labels}.i32; "ok"
//   step                        one: its loss and the norm of its gradients before clipping
//   time REPEATS                seconds of one
//
// Vocabulary 260, width 256, 6 layers, 8 heads, feed-forward 704, 8 sequences of 256 tokens; adapters on all seven linear
// layers, r = 8. A step is forward, loss, backward, clipping to norm 1, AdamW on the adapters, zeroing of their gradients.

#include <cstdint>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/model/llama.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <memory>

#include "requests.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;
using Folder = std::filesystem::path;

/// The frozen matrices with their adapters, in the form that is quickest on the backend.
using Projections = JoinedProjections<B>;

const LlamaConfig base{.vocabulary = 260,
                       .width = 256,
                       .layers = 6,
                       .heads = 8,
                       .kv_heads = 8,
                       .head_dim = 32,
                       .feed_forward = 704,
                       .max_positions = 256};
constexpr Index sequences = 8, length = 256, tokens = sequences * length;

LlamaAdapterConfig adapters_of(Index heads) {
    LlamaAdapterConfig c{.adapter = {.rank = 8, .heads = heads, .alpha = 32}};
    for (std::size_t t = 0; t < target_count; ++t) c.targets.push_back(static_cast<Target>(t));
    return c;
}

template <class Set>
void read_set(const Folder& file, Set& set) {
    std::ifstream from = bench::open_to_read(file);
    visit([&](const ParamPath& path, auto& m) { bench::read_rows(from, m.view(), file.string() + ", " + path.name()); },
          set);
    check(from.peek() == std::ifstream::traits_type::eof(), file.string(), ": longer than all tensors");
}

/// Model, adapters, one batch, and the optimiser's state.
class Training {
public:
    Training(B& be, Index heads, const Folder& from)
        : be_(be),
          config_(adapters_of(heads)),
          weights_(make_buffers(be, weight_shapes(base))),
          params_(make_buffers(be, adapter_shapes(base, config_))),
          grads_(make_buffers(be, adapter_shapes(base, config_))),
          ids_(be, 1, tokens),
          labels_(be, 1, tokens),
          loss_(be, 1, 1),
          state_(rule_.init(be, params_)),
          projections_(be, base, config_),
          model_((read(from), make_model())) {}

    void step() {
        be_.fill(loss_.view(), 0.0);
        const TokenBatch<B> batch{ids_.view(), labels_.view(), sequences};
        model_.forward(be_, batch, cache_);
        model_.backward(be_, batch, 1.0 / labelled_, cache_, loss_.view(), views(grads_));
        rule_.step(be_, params_, grads_, state_, {.gradient = ClipByGlobalNorm{}.factor(be_, grads_, norm_)});
        visit([&](const ParamPath&, auto& g) { be_.fill(g.view(), 0.0f); }, grads_);
        projections_.refresh(be_, params_);
    }

    /// Of the last step: the mean over labelled tokens, and the norm before clipping.
    [[nodiscard]] double loss() { return loss_.view()(0, 0) / labelled_; }
    [[nodiscard]] double gradient_norm() const { return norm_.read(be_); }

private:
    void read(const Folder& from) {
        read_set(from / "weights.f32", weights_);
        read_set(from / "adapters.f32", params_);
        bench::read_matrix(from / "ids.i32", ids_.view());
        bench::read_matrix(from / "labels.i32", labels_.view());
        check_ids(ids_.view(), base.vocabulary);
        check_labels(labels_.view(), base.vocabulary);
        for (Index t = 0; t < tokens; ++t) labelled_ += labels_.view()(0, t) == ignored_label ? 0 : 1;
    }
    [[nodiscard]] Llama<B> make_model() {
        projections_.copy_frozen(be_, views(std::as_const(weights_)));
        return {be_, base, views(std::as_const(weights_)), config_, views(std::as_const(params_)), projections_};
    }

    B& be_;
    LlamaAdapterConfig config_;
    LlamaWeights<ParamBuffer<B>> weights_;
    LlamaAdapters<ParamBuffer<B>> params_, grads_;
    Buffer<B, std::int32_t> ids_, labels_;
    Buffer<B, double> loss_;
    double labelled_ = 0;
    AdamW rule_{.lr = 2e-4, .weight_decay = 0};
    decltype(rule_.init(be_, params_)) state_;
    GradientNorm<B> norm_;
    Projections projections_;
    Llama<B> model_;
    Llama<B>::Cache cache_;
};

}  // namespace

int main(int argc, char** argv) {
    B be({.threads = bench::threads_of(argc, argv)});
    std::unique_ptr<Training> training;
    return bench::serve([&](const std::string& what, std::istream& words, std::ostream& said) {
        if (what == "about") {
            said << isa_name();
            return;
        }
        if (what == "model") {
            training.reset();
            const auto heads = bench::next<Index>(words, "HEADS");
            training = std::make_unique<Training>(be, heads, bench::next<std::string>(words, "FOLDER"));
            said << "ok";
            return;
        }
        check(training != nullptr, "ask for a model first");
        if (what == "step") {
            training->step();
            said << training->loss() << ' ' << training->gradient_norm();
        } else if (what == "time") {
            said << bench::seconds_of(bench::next<int>(words, "REPEATS"), [&] { training->step(); });
        } else {
            fail("no such request: ", what);
        }
    });
}
