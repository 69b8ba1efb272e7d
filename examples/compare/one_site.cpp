#include "one_site.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include <hydralora/adapter/router_probe.hpp>
#include <hydralora/backend/compose/add.hpp>
#include <hydralora/core/mutual_information.hpp>
#include <hydralora/nn/cross_entropy.hpp>
#include <hydralora/nn/rms_norm.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <hydralora/optim/schedule.hpp>

#include "components.hpp"

namespace compare {

using namespace hydralora;

namespace {

constexpr Index L = sequence_length, batch_size = 64;
constexpr Index labelled_by_components = 1600;  // training sequences that are searched for components

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

std::vector<Example> examples_of(Mix mix, Seed seed, bool held_out, Index per_task) {
    std::vector<Example> examples;
    for (Index i = 0; i < per_task; ++i)
        for (Index task = 0; task < task_count(mix); ++task)
            examples.push_back(example_of(mix, task, seed, held_out, i));
    return examples;
}

/// Which head each sequence goes to, given what it loses with each (S, N): the best, with heads kept about equally busy by
/// a few rounds of Sinkhorn's scaling.
std::vector<std::int32_t> balanced_winners(const DoubleMatrix& losses) {
    DoubleMatrix share(losses.rows, losses.cols);
    for (Index s = 0; s < losses.rows; ++s) {
        const double least = *std::min_element(losses.row(s), losses.row(s) + losses.cols);
        for (Index i = 0; i < losses.cols; ++i) share(s, i) = std::exp(least - losses(s, i));
    }
    for (int round = 0; round < 20; ++round) {
        for (Index i = 0; i < share.cols; ++i) {
            double sum = 0;
            for (Index s = 0; s < share.rows; ++s) sum += share(s, i);
            for (Index s = 0; s < share.rows; ++s) share(s, i) /= sum;
        }
        for (Index s = 0; s < share.rows; ++s) {
            const double sum = std::accumulate(share.row(s), share.row(s) + share.cols, 0.0);
            for (Index i = 0; i < share.cols; ++i) share(s, i) /= sum;
        }
    }
    std::vector<std::int32_t> winners;
    for (Index s = 0; s < share.rows; ++s)
        winners.push_back(
            static_cast<std::int32_t>(std::max_element(share.row(s), share.row(s) + share.cols) - share.row(s)));
    return winners;
}

/// The rows of some sequences side by side.
template <class T>
void gather(const std::vector<T>& from, std::span<const Index> sequences, Index width, std::vector<T>& to) {
    to.resize(sequences.size() * at(L * width));
    for (std::size_t s = 0; s < sequences.size(); ++s)
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(sequences[s] * L * width), L * width,
                    to.begin() + static_cast<std::ptrdiff_t>(s) * L * width);
}

/// A batch at the site, through adapter, norm and head.
class SiteModel {
public:
    using Adapter = HydraAdapter<Backend>;

    SiteModel(Backend& be, const SiteData& data, const RmsNorm<Backend>& norm, const LmHeadCrossEntropy<Backend>& head,
              StoredView<Backend> head_weight, Index in, Index out)
        : be_(be),
          data_(data),
          norm_(norm),
          head_(head),
          head_weight_(head_weight),
          in_(in),
          out_(out),
          loss_sum_(be, 1, 1) {}

    void read(std::span<const Index> sequences) {
        gather(data_.x, sequences, in_, x_memory_);
        gather(data_.rest, sequences, out_, rest_memory_);
        gather(data_.labels, sequences, 1, labels_);
        gather(data_.tasks, sequences, 1, assigned_);
        sequences_ = static_cast<Index>(sequences.size());
        labelled_ = std::count_if(labels_.begin(), labels_.end(), [](auto l) { return l != ignored_label; });
        x_ = host_view(std::as_const(x_memory_).data(), sequences_ * L, in_);
        y_.resize(be_, x_.rows, out_);
        hidden_.resize(be_, x_.rows, out_);
    }
    /// The head of every token, for Gate::assigned.
    void assign(std::span<const std::int32_t> heads) {
        for (std::size_t t = 0; t < assigned_.size(); ++t) assigned_[t] = heads[t / at(L)];
    }

    void forward(const Adapter& adapter, Mode mode, bool dense = false, RoutingLoss<Backend>* routing = nullptr) {
        Pass<Backend> pass;
        pass.mode = mode;
        pass.dense = dense;
        if (routing != nullptr) {
            routing->labelled = labelled_;
            routing->labels = host_view(std::as_const(labels_).data(), 1, x_.rows);
            pass.routing = routing;
        }
        pass.assigned = host_view(std::as_const(assigned_).data(), 1, x_.rows);
        pass.sequences.count = sequences_;
        std::copy(rest_memory_.begin(), rest_memory_.end(), y_.view().data);
        adapter.forward(be_, x_, y_.view(), cache_, pass);
        norm_.forward(be_, y_.view(), hidden_.view(), norm_cache_);
    }
    /// The mean loss, and the adapter's gradients += its.
    double backward(const Adapter& adapter, const Adapter::Grads& grads) {
        be_.fill(loss_sum_.view(), 0.0);
        const auto labels = host_view(std::as_const(labels_).data(), 1, x_.rows);
        head_.loss_and_gradient(be_, hidden_.view(), labels, 1.0 / static_cast<double>(labelled_), loss_sum_.view(),
                                hidden_.view(), {});
        norm_.backward(be_, y_.view(), hidden_.view(), norm_cache_, hidden_.view(), {});
        adapter.backward(be_, x_, hidden_.view(), cache_, {}, grads);
        return loss_sum_.view()(0, 0) / static_cast<double>(labelled_);
    }
    /// (1, T) after forward.
    [[nodiscard]] MatrixView<const float> token_losses() {
        losses_.resize(be_, 1, x_.rows);
        head_.token_losses(be_, hidden_.view(), host_view(std::as_const(labels_).data(), 1, x_.rows), losses_.view());
        return std::as_const(losses_).view();
    }
    [[nodiscard]] MatrixView<const float> logits() {
        logits_.resize(be_, x_.rows, head_weight_.rows);
        ops::stored_product(be_, ConstView<Backend>(hidden_.view()), Op::transpose, head_weight_, 0.0f, logits_.view());
        return std::as_const(logits_).view();
    }
    [[nodiscard]] MatrixView<const float> gates() const { return cache_.g.view(); }
    [[nodiscard]] const std::vector<std::int32_t>& labels() const { return labels_; }
    [[nodiscard]] Index sequences() const { return sequences_; }
    [[nodiscard]] MatrixView<const float> x() const { return x_; }

private:
    Backend& be_;
    const SiteData& data_;
    const RmsNorm<Backend>& norm_;
    const LmHeadCrossEntropy<Backend>& head_;
    StoredView<Backend> head_weight_;
    Index in_, out_, sequences_ = 0, labelled_ = 0;
    std::vector<float> x_memory_, rest_memory_;
    std::vector<std::int32_t> labels_, assigned_;
    MatrixView<const float> x_;
    Buffer<Backend, float> y_, hidden_, losses_, logits_;
    Buffer<Backend, double> loss_sum_;
    Adapter::Cache cache_;
    RmsNorm<Backend>::Cache norm_cache_;
};

/// Rows of a router that tells `labels` of the first training sequences apart, from what the router reads of them.
DoubleMatrix fitted_router(const AdapterConfig& config, const SiteData& data, std::span<const std::int32_t> labels,
                           const RouterProbeOptions& how) {
    RouterProbe probe(config.in, config.heads);
    std::vector<float> x;
    std::vector<std::int32_t> of_token(at(L));
    for (std::size_t s = 0; s < labels.size(); ++s) {
        const Index sequence = static_cast<Index>(s);
        gather(data.x, std::span(&sequence, 1), config.in, x);
        const auto rows = host_view(x.data(), L, config.in);
        if (config.router_pooling == RouterPooling::context) pool_context(rows, 1);
        for (Index t = 0; t < L; ++t)
            of_token[at(t)] = data.labels[s * at(L) + at(t)] == ignored_label ? -1 : labels[s];
        probe.add(MatrixView<const float>(rows), host_view(std::as_const(of_token).data(), 1, L));
    }
    return probe.rows(config.heads, how);
}

}  // namespace

Site::Site(const std::filesystem::path& base) : files_(io::open_llama(host_, base)), weights_(files_.views) {}

AdapterConfig Site::config(const Method& method) const {
    AdapterConfig c = method.adapter;
    const Shape shape = target_shape(files_.config, Target::down_proj);
    c.in = shape.cols;
    c.out = shape.rows;
    c.alpha = 2 * static_cast<double>(c.rank);
    return c;
}

Index Site::parameters(const Method& method) const { return parameter_count(adapter_shapes(config(method))); }

SiteData Site::data(Mix mix, Seed seed, Index training_per_task, Index held_out_per_task) const {
    Backend be({.threads = 1});
    const Llama<Backend> model(be, files_.config, weights_);
    Llama<Backend>::Cache cache;
    Pass<Backend> pass;
    pass.mode = Mode::inference;
    SiteData d;
    d.training = training_per_task * task_count(mix);
    d.held_out = held_out_per_task * task_count(mix);
    auto examples = examples_of(mix, seed, false, training_per_task);
    const auto tests = examples_of(mix, seed, true, held_out_per_task);
    const auto searched = std::span(examples).first(std::min(examples.size(), at(labelled_by_components)));
    d.components = components_of(searched, task_count(mix));
    std::vector<std::int32_t> tasks;
    for (const Example& e : searched) tasks.push_back(e.task);
    d.component_fit =
        mutual_information(std::span<const std::int32_t>(d.components), std::span<const std::int32_t>(tasks))
            .normalised();

    examples.insert(examples.end(), tests.begin(), tests.end());
    TaskBatch batch;
    for (std::size_t begin = 0; begin < examples.size(); begin += 128) {
        const auto some = std::span(examples).subspan(begin, std::min(std::size_t{128}, examples.size() - begin));
        batch.assign(some);
        model.forward(be, batch.view(), cache, pass);
        Buffer<Backend, float> read(be, cache.x.rows(), files_.config.feed_forward);
        model.projection_input(be, cache, files_.config.layers - 1, Target::down_proj, read.view());
        const MatrixView<const float> x = read.view();
        d.x.insert(d.x.end(), x.data, x.data + x.size());
        Buffer<Backend, float> rest(be, x.rows, files_.config.width);
        ops::stored_product(be, x, Op::transpose, weights_.layers.back().projections[index_of(Target::down_proj)], 0.0f,
                            rest.view());
        ops::add(be, cache.blocks.back().middle.view(), rest.view());
        d.rest.insert(d.rest.end(), rest.view().data, rest.view().data + rest.size());
        d.labels.insert(d.labels.end(), batch.labels.begin(), batch.labels.end());
        for (const Example& e : some) d.tasks.insert(d.tasks.end(), at(L), e.task);
    }
    return d;
}

Result Site::train(const Method& method, const SiteData& data, Seed seed, double lr, Index steps) const {
    Backend be({.threads = 1});
    const AdapterConfig config = this->config(method);
    auto params = make_params(be, config), grads = make_params(be, config);
    initialise(be, params, config, seed, 0, {method.b_std, method.router_scale});
    if (method.component_start)
        put_router<Backend>(be, fitted_router(config, data, data.components, method.probe), params.router.view());
    const HydraAdapter<Backend> adapter(be, config, views(std::as_const(params)));

    // With winners, the same A and B under gates that the caller assigns.
    AdapterConfig winner_config = config;
    winner_config.gate = Gate::assigned;
    winner_config.router_pooling = RouterPooling::token;
    auto winner_params = views(std::as_const(params));
    winner_params.router = {};
    auto winner_grads = views(grads);
    winner_grads.router = {};
    const HydraAdapter<Backend> winner(be, config.routed() ? winner_config : config,
                                       config.routed() ? winner_params : views(std::as_const(params)));

    const RmsNorm<Backend> norm({files_.config.width, files_.config.norm_eps}, vector_of<Backend>(weights_.norm));
    const LmHeadCrossEntropy<Backend> head(weights_.lm_head);
    SiteModel model(be, data, norm, head, weights_.lm_head, config.in, config.out);
    const auto winners = [&] {  // of the sequences that the model has read
        DoubleMatrix losses(model.sequences(), config.heads);
        for (std::int32_t i = 0; i < config.heads; ++i) {
            model.assign(std::vector<std::int32_t>(at(model.sequences()), i));
            model.forward(winner, Mode::inference);
            const auto of_token = model.token_losses();
            for (Index t = 0; t < of_token.cols; ++t) losses(t / L, i) += static_cast<double>(of_token(0, t));
        }
        return balanced_winners(losses);
    };

    RoutingLoss<Backend> routing{.balance = method.balance};
    Buffer<Backend, float> share(be, 1, config.heads), choices(be, 1, config.heads);
    be.fill(share.view(), 1.0f / static_cast<float>(config.heads));
    be.fill(choices.view(), 0.0f);
    routing.share = std::as_const(share).view();
    routing.choices = choices.view();

    const AdamW adamw{.lr = lr, .beta2 = 0.99, .weight_decay = 0, .ratios = method.ratios};
    auto state = adamw.init(be, params);
    const Schedule schedule{ScheduleKind::cosine, steps, 0.1, 0.05};
    GradientNorm<Backend> gradient_norm;
    const auto winner_steps = static_cast<Index>(method.winner_share * static_cast<double>(steps));
    const auto dense_steps = static_cast<Index>(method.dense_share * static_cast<double>(steps));
    std::vector<Index> sequences(at(batch_size));
    for (Index step = 0; step < steps; ++step) {
        for (Index i = 0; i < batch_size; ++i) sequences[at(i)] = (step * batch_size + i) % data.training;
        if (step == winner_steps && step > 0) {
            std::vector<std::int32_t> chosen;
            std::vector<Index> some(at(batch_size));
            for (Index begin = 0; begin < labelled_by_components; begin += batch_size) {
                std::iota(some.begin(), some.end(), begin);
                model.read(some);
                const auto these = winners();
                chosen.insert(chosen.end(), these.begin(), these.end());
            }
            put_router<Backend>(be, fitted_router(config, data, chosen, method.probe), params.router.view());
        }
        model.read(sequences);
        const bool winning = step < winner_steps;
        if (winning) model.assign(winners());
        visit([&](const ParamPath&, auto& g) { be.fill(g.view(), 0.0f); }, grads);
        model.forward(winning ? winner : adapter, Mode::train, (step < dense_steps),
                      (method.balance > 0 ? &routing : nullptr));
        model.backward(winning ? winner : adapter, winning ? winner_grads : views(grads));
        adamw.step(be, params, grads, state,
                   StepScale<Backend>{schedule.factor(step), ClipByGlobalNorm{1}.factor(be, grads, gradient_norm)});
        if (method.balance > 0)
            be.rows(1, functor::TakeShare<float>{choices.view().data, share.view().data, config.heads});
    }

    std::vector<Index> tests(at(data.held_out));
    std::iota(tests.begin(), tests.end(), data.training);
    model.read(tests);
    model.forward(adapter, Mode::inference);
    const auto logits = model.logits();
    const auto losses = model.token_losses();
    std::vector<std::int32_t> chosen, tasks;
    Result result;
    Index labelled = 0, right = 0, exact = 0;
    for (Index s = 0; s < data.held_out; ++s) {
        bool all = true;
        for (Index t = s * L; t < (s + 1) * L; ++t) {
            const std::int32_t label = model.labels()[at(t)];
            if (label == ignored_label) continue;
            const float* row = logits.row(t);
            const bool hit = std::max_element(row, row + logits.cols) - row == label;
            all = all && hit;
            right += hit ? 1 : 0;
            ++labelled;
            result.loss += static_cast<double>(losses(0, t));
            const float* gate = model.gates().row(t);
            chosen.push_back(static_cast<std::int32_t>(std::max_element(gate, gate + config.heads) - gate));
            tasks.push_back(data.tasks[at((data.training + s) * L)]);
            for (Index i = 0; i < config.heads; ++i)
                if (gate[i] > 0)
                    result.entropy -= static_cast<double>(gate[i]) * std::log(static_cast<double>(gate[i]));
        }
        exact += all ? 1 : 0;
    }
    const auto n = static_cast<double>(labelled);
    result.loss /= n;
    result.tokens = static_cast<double>(right) / n;
    result.exact = static_cast<double>(exact) / static_cast<double>(data.held_out);
    result.entropy = config.heads > 1 ? result.entropy / n / std::log(static_cast<double>(config.heads)) : 0;
    if (config.routed())
        result.nmi = mutual_information(std::span<const std::int32_t>(chosen), std::span<const std::int32_t>(tasks))
                         .normalised();
    return result;
}

}  // namespace compare
