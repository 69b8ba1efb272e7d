#include "all_linears.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <hydralora/adapter/router_probe.hpp>
#include <hydralora/core/mutual_information.hpp>
#include <hydralora/io/adapter_files.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <hydralora/optim/schedule.hpp>

#include "components.hpp"

namespace compare {

using namespace hydralora;

namespace {

constexpr Index L = sequence_length, batch_size = 64, searched_most = 1600;
using Adapters = LlamaAdapters<ParamBuffer<Backend>>;

LlamaAdapterConfig on_all_linears(const AdapterConfig& adapter) {
    LlamaAdapterConfig c;
    c.adapter = adapter;
    c.adapter.alpha = 2 * static_cast<double>(adapter.rank);
    c.targets = {Target::q_proj,    Target::k_proj,  Target::v_proj,   Target::o_proj,
                 Target::gate_proj, Target::up_proj, Target::down_proj};
    return c;
}

/// Heads (T) that the tasks of these sequences are assigned to.
std::vector<std::int32_t> heads_of(std::span<const Example> examples, Index heads) {
    std::vector<std::int32_t> result;
    for (const Example& e : examples)
        result.insert(result.end(), static_cast<std::size_t>(L), static_cast<std::int32_t>(e.task % heads));
    return result;
}

/// Every router becomes the fit of the components on what its layer reads in the base.
void start_routers(Backend& be, const Llama<Backend>& base, const LlamaAdapterConfig& config, const DecoderData& data,
                   const RouterProbeOptions& how, Adapters& adapters) {
    const auto searched = std::span(data.training).first(data.components.size());
    const auto clusters = 1 + *std::max_element(data.components.begin(), data.components.end());
    const bool context = config.adapter.router_pooling == RouterPooling::context;
    std::vector<std::vector<RouterProbe>> probes(adapters.layers.size());
    for (auto& layer : probes)
        for (const Target t : config.targets) layer.emplace_back(target_shape(base.config(), t).cols, clusters);
    Llama<Backend>::Cache cache;
    TaskBatch batch;
    std::vector<float> memory;
    for (std::size_t begin = 0; begin < searched.size(); begin += 64) {
        const auto some = searched.subspan(begin, std::min(std::size_t{64}, searched.size() - begin));
        batch.assign(some);
        base.forward(be, batch.view(), cache, {.mode = Mode::inference});
        std::vector<std::int32_t> labels;
        for (std::size_t t = 0; t < batch.labels.size(); ++t)
            labels.push_back(
                batch.labels[t] == ignored_label ? -1 : data.components[begin + t / static_cast<std::size_t>(L)]);
        for (std::size_t l = 0; l < probes.size(); ++l)
            for (std::size_t i = 0; i < config.targets.size(); ++i) {
                const Index in = target_shape(base.config(), config.targets[i]).cols;
                memory.resize(static_cast<std::size_t>(cache.x.rows() * in));
                const auto rows = host_view(memory.data(), cache.x.rows(), in);
                base.projection_input(be, cache, static_cast<Index>(l), config.targets[i], rows);
                if (context) pool_context(rows, batch.sequences);
                probes[l][i].add(rows, host_view(std::as_const(labels).data(), 1, rows.rows));
            }
    }
    for (std::size_t l = 0; l < probes.size(); ++l)
        for (std::size_t i = 0; i < config.targets.size(); ++i)
            put_router<Backend>(be, probes[l][i].rows(config.adapter.heads, how),
                                adapters.layers[l][index_of(config.targets[i])].router.view());
}

/// Mean over the adapted linears of the mutual information of the largest gate and the task, on labelled tokens.
double task_fit(const Llama<Backend>::Cache& cache, const TaskBatch& batch, std::span<const Example> examples) {
    double sum = 0, count = 0;
    for (const auto& layer : cache.adapters)
        for (const auto& adapter : layer) {
            const auto g = adapter.g.view();
            if (g.rows != static_cast<Index>(batch.labels.size())) continue;
            std::vector<std::int32_t> chosen, tasks;
            for (Index t = 0; t < g.rows; ++t) {
                if (batch.labels[static_cast<std::size_t>(t)] == ignored_label) continue;
                chosen.push_back(static_cast<std::int32_t>(std::max_element(g.row(t), g.row(t) + g.cols) - g.row(t)));
                tasks.push_back(examples[static_cast<std::size_t>(t / L)].task);
            }
            sum += mutual_information(std::span<const std::int32_t>(chosen), std::span<const std::int32_t>(tasks))
                       .normalised();
            ++count;
        }
    return count > 0 ? sum / count : 0;
}

/// `steps` steps over the sequences in turn; step(batch, pass) adds the gradients of one.
template <class Params, class Backward>
void optimise(Backend& be, Params& params, Params& grads, std::span<const Example> training, Index steps,
              const AdamW& adamw, Backward&& backward) {
    auto state = adamw.init(be, params);
    const Schedule schedule{ScheduleKind::cosine, steps, 0.1, 0.05};
    GradientNorm<Backend> norm;
    std::vector<Example> some(static_cast<std::size_t>(batch_size));
    TaskBatch batch;
    for (Index step = 0; step < steps; ++step) {
        for (Index i = 0; i < batch_size; ++i)
            some[static_cast<std::size_t>(i)] =
                training[static_cast<std::size_t>(step * batch_size + i) % training.size()];
        batch.assign(some);
        visit([&](const ParamPath&, auto& g) { be.fill(g.view(), 0.0f); }, grads);
        backward(some, batch);
        adamw.step(be, params, grads, state,
                   StepScale<Backend>{schedule.factor(step), ClipByGlobalNorm{1}.factor(be, grads, norm)});
    }
}

Result result_of(const TaskScore& s) { return {.loss = s.loss, .tokens = s.tokens, .exact = s.exact}; }

}  // namespace

Decoder::Decoder(const std::filesystem::path& base)
    : files_(io::open_llama(host_, base)), weights_(files_.views), base_(base) {}

DecoderData Decoder::data(Mix mix, Seed seed, Index training_per_task, Index held_out_per_task,
                          Index components) const {
    DecoderData d;
    for (Index i = 0; i < training_per_task; ++i)
        for (Index t = 0; t < task_count(mix); ++t) d.training.push_back(example_of(mix, t, seed, false, i));
    for (Index i = 0; i < held_out_per_task; ++i)
        for (Index t = 0; t < task_count(mix); ++t) d.held_out.push_back(example_of(mix, t, seed, true, i));
    const auto searched = std::span<const Example>(d.training)
                              .first(std::min(d.training.size(), static_cast<std::size_t>(searched_most)));
    d.components = components_of(searched, components);
    d.component_fit = fit_of(d.components, searched);
    return d;
}

Index Decoder::parameters(const DecoderMethod& method) const {
    if (method.whole == Whole::nothing) return 0;
    if (method.whole == Whole::all_weights) return parameter_count(weight_shapes(files_.config));
    return parameter_count(adapter_shapes(files_.config, on_all_linears(method.method.adapter)));
}

Result Decoder::train(const DecoderMethod& method, const DecoderData& data, Seed seed, double lr, Index steps) const {
    const Method& m = method.method;
    check(m.balance == 0 && m.dense_share == 0 && m.winner_share == 0, "Decoder: ", m.name,
          " has a balance loss, sparse or winning heads, which only Site trains");
    Backend be({.threads = 1});
    Llama<Backend>::Cache cache;
    Buffer<Backend, double> loss_sum(be, 1, 1);
    const AdamW adamw{.lr = lr, .beta2 = 0.99, .weight_decay = 0, .ratios = m.ratios};
    if (method.whole == Whole::nothing) return result_of(score(be, {be, files_.config, weights_}, data.held_out));
    if (method.whole == Whole::all_weights) {
        auto weights = io::trainable_weights(be, files_), grads = make_buffers(be, weight_shapes(files_.config));
        const Llama<Backend> model(be, files_.config, views(std::as_const(weights)));
        optimise(be, weights, grads, data.training, steps, adamw, [&](const auto&, const TaskBatch& batch) {
            model.forward(be, batch.view(), cache);
            model.backward(be, batch.view(), 1.0 / static_cast<double>(batch.labelled), cache, loss_sum.view(),
                           views(grads));
        });
        return result_of(score(be, model, data.held_out));
    }
    const LlamaAdapterConfig config = on_all_linears(m.adapter);
    const Llama<Backend> bare(be, files_.config, weights_);
    auto adapters = make_buffers(be, adapter_shapes(files_.config, config)),
         grads = make_buffers(be, adapter_shapes(files_.config, config));
    initialise(be, adapters, files_.config, config, seed, {m.b_std, m.router_scale});
    if (m.component_start) start_routers(be, bare, config, data, m.probe, adapters);
    const Llama<Backend> model(be, files_.config, weights_, config, views(std::as_const(adapters)));
    optimise(be, adapters, grads, data.training, steps, adamw, [&](const auto& examples, const TaskBatch& batch) {
        const auto assigned = heads_of(examples, config.adapter.heads);
        Pass<Backend> pass;
        pass.assigned = host_view(assigned.data(), 1, static_cast<Index>(assigned.size()));
        model.forward(be, batch.view(), cache, pass);
        model.backward(be, batch.view(), 1.0 / static_cast<double>(batch.labelled), cache, loss_sum.view(),
                       views(grads));
    });
    const auto assigned = heads_of(data.held_out, config.adapter.heads);
    const auto scored = score(be, model, data.held_out, &cache, assigned);
    Result result = result_of(scored);
    if (config.adapter.routed()) {
        TaskBatch all;
        all.assign(data.held_out);
        result.nmi = task_fit(cache, all, data.held_out);
    }
    return result;
}

void Decoder::train_one_task(Index task, Seed rules, Seed initial, double lr, Index steps,
                             const std::filesystem::path& directory, const std::filesystem::path& start) const {
    Backend be({.threads = 1});
    LlamaAdapterConfig config = on_all_linears({.rank = 4, .heads = 1, .gate = Gate::none});
    auto adapters = make_buffers(be, adapter_shapes(files_.config, config)),
         grads = make_buffers(be, adapter_shapes(files_.config, config));
    initialise(be, adapters, files_.config, config, initial);
    io::AdapterFileConfig file;
    file.rank = 4;
    file.heads = 1;
    file.alpha = config.adapter.alpha;
    file.gate = "none";
    for (const Target t : config.targets) file.target_modules.emplace_back(target_names[index_of(t)]);
    file.base_model_name_or_path = base_.string();
    if (!start.empty()) io::save_adapter(start, file, views(adapters));
    std::vector<Example> training;
    for (Index i = 0; i < 2000; ++i) training.push_back(example_of(Mix::reasoning, task, rules, false, i));
    const Llama<Backend> model(be, files_.config, weights_, config, views(std::as_const(adapters)));
    Llama<Backend>::Cache cache;
    Buffer<Backend, double> loss_sum(be, 1, 1);
    optimise(be, adapters, grads, training, steps, {.lr = lr, .beta2 = 0.99, .weight_decay = 0},
             [&](const auto&, const TaskBatch& batch) {
                 model.forward(be, batch.view(), cache);
                 model.backward(be, batch.view(), 1.0 / static_cast<double>(batch.labelled), cache, loss_sum.view(),
                                views(grads));
             });
    io::save_adapter(directory, file, views(adapters));
}

}  // namespace compare
