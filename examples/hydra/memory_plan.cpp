#include "memory_plan.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <type_traits>
#include <utility>

#include <hydralora/backend/planning_backend.hpp>
#include <hydralora/core/process_limits.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/llama_config.hpp>
#include <hydralora/io/model_files.hpp>
#include <hydralora/model/llama.hpp>
#include <hydralora/optim/clip.hpp>
#include <hydralora/panel/product.hpp>
#include <hydralora/thrust/cuda_cuts.hpp>

#include "loop.hpp"
#include "router_start.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

using P = PlanningBackend;

TokenBatch<P> token_batch(P& be, Index sequences, Index length) {
    const Index tokens = sequences * length, bytes = tokens * static_cast<Index>(sizeof(std::int32_t));
    const ViewOf<P, const std::int32_t> ids{be.address<const std::int32_t>(bytes), 1, tokens};
    return {ids, ids, sequences, {}};
}

/// The parts of a step, the optimiser and an evaluation, as Loop and evaluate() do them. Returns the bytes of parameters,
/// gradients and moments.
template <class Set, class Grads>
Index run_steps(P& be, const Llama<P>& model, Set& params, const Grads& grad_views, const TrainOptions& options,
                Index before) {
    const LoopOptions& loop = options.loop;
    const Index padded = padded_length(loop.sequence_length, slab_rows);
    const Index part = std::max(Index{1}, loop.batch * loop.sequence_length / loop.accumulation / padded);
    auto state = loop.adamw.init(be, params);
    const Index held = be.memory().now - before;
    const ViewOf<P, double> sum{be.address<double>(8), 1, 1};
    GradientNorm<P> norm;
    const auto evaluation = [&] {
        const Index sequences = std::min(loop.evaluation.batch, loop.evaluation.examples);
        if (sequences == 0) return;
        Llama<P>::Cache cache;
        cache.keep = Keep::nothing;
        const auto batch = token_batch(be, sequences, padded);
        model.forward(be, batch, cache);
        model.loss(be, batch, cache, sum);
    };
    evaluation();
    {
        Llama<P>::Cache cache;
        cache.keep = loop.keep;
        const auto batch = token_batch(be, std::min(part, loop.batch), padded);
        model.forward(be, batch, cache);
        model.backward(be, batch, 1.0, cache, sum, grad_views);
        static_cast<void>(ClipByGlobalNorm{}.factor(be, grad_views, norm));
        if (loop.graph) evaluation();  // of the trained model, with the memory of the recorded step still held
    }
    return held;
}

/// The steps of training all of a model. Returns what run_steps does.
Index run_whole(P& be, const LlamaConfig& config, const TrainOptions& options) {
    const Index before = be.memory().now;
    const auto shapes = weight_shapes(config);
    auto trained = make_buffers(be, shapes), grads = make_buffers(be, shapes);
    ParamBuffer<P> head;
    auto grad_views = views(grads);
    if (config.lm_head == LmHead::tied) {
        head = ParamBuffer<P>(be, config.vocabulary, config.width);
        grad_views.lm_head = head.view();
    }
    const Llama<P> model(be, config, views(std::as_const(trained)));
    return run_steps(be, model, trained, grad_views, options, before);
}

/// The steps of training adapters. Returns what run_steps does. joined: the bytes of the joined projections, null where there
/// are none.
Index run_adapters(P& be, const LlamaConfig& config, const LlamaWeights<StoredView<P>>& weights,
                   const TrainOptions& options, Index* joined) {
    const Index before = be.memory().now;
    const auto shapes = adapter_shapes(config, options.adapter);
    auto trained = make_buffers(be, shapes), grads = make_buffers(be, shapes);
    const auto adapters = views(std::as_const(trained));
    if (joined == nullptr) {
        const Llama<P> model(be, config, weights, options.adapter, adapters);
        return run_steps(be, model, trained, views(grads), options, before);
    }
    const Index without = be.memory().now;
    JoinedProjections<P> projections(be, config, options.adapter);  // for the room that they want behind rows
    *joined = be.memory().now - without;
    const Llama<P> model(be, config, weights, options.adapter, adapters, projections);
    return run_steps(be, model, trained, views(grads), options, before + *joined);
}

/// Bytes of a base on a GPU, without what is quantised.
Index copied_weights(const LlamaConfig& config, const LlamaWeights<Shape>& shapes, const TrainOptions& options) {
    Index elements = 0;
    visit(
        [&](const ParamPath& path, const Shape& shape) {
            if (!quantises(options.quantise, config.lm_head, path.name())) elements += shape.size();
        },
        shapes);
    return elements * (options.loop.place.numbers == Numbers::bfloat16 ? 2 : 4);
}

/// What start_routers holds at once: a forward pass with all it keeps, the inputs that are read of it, and on the processor
/// the fits and the means of those inputs.
Index router_start_bytes(P& be, const Llama<P>& bare, const LlamaConfig& config, const TrainOptions& options) {
    const Index before = be.memory().now, sequences = static_cast<Index>(probed_together),
                padded = padded_length(options.loop.sequence_length, slab_rows), tokens = sequences * padded;
    const auto inputs = probe_inputs(config, options.adapter);
    Index widest = 0;
    for (const ProbeInput& input : inputs) widest = std::max(widest, input.in);
    Llama<P>::Cache cache;
    bare.forward(be, token_batch(be, sequences, padded), cache, {.mode = Mode::inference});
    const ActivationBuffer<P> read(be, tokens, widest);
    const Index here = be.memory().now - before;
    if (options.loop.place.device == Device::cuda) return here;  // the others are the host's
    const Index components = std::max(options.adapter.adapter.heads, options.components.clusters);
    const bool pools = options.adapter.adapter.router_pooling == RouterPooling::context;
    return here + probe_bytes(inputs, components) + (pools ? tokens * widest * static_cast<Index>(sizeof(float)) : 0);
}

Index packed_bytes(const LlamaConfig& config, const LlamaAdapterConfig& adapters, PanelStorage storage) {
    Index bytes = 0;
    for (const Target t : adapters.targets)
        bytes +=
            PackedJoinedWeight<HostBackend>::planned_bytes(joined_shape(adapters.at(config, t)), {.storage = storage});
    return bytes * config.layers;
}

std::string mebibytes(Index bytes) { return grouped((bytes + (1 << 19)) >> 20); }

}  // namespace

Index resident_memory() {
    long pages = 0, resident = 0;
    std::ifstream file("/proc/self/statm");
    return file >> pages >> resident ? Index{resident} * ::sysconf(_SC_PAGESIZE) : Index{16} << 20;
}

MemoryPlan memory_plan(const LlamaConfig& config, const BaseBytes& base, std::optional<PanelStorage> panels,
                       Index process, const TrainOptions& options) {
    MemoryPlan plan;
    plan.process = process;
    plan.weights = base.files - base.quantised.before;
    plan.quantised = base.quantised.after;
    plan.loading = base.quantised.before > 0 ? base.files : 0;
    const Index threads = options.loop.threads > 0 ? options.loop.threads : Index{available_processors()};
    plan.threads = panel::workspace_bytes(threads);

    const bool gpu = options.loop.place.device == Device::cuda;
    P be(slab_rows, gpu ? cuda_cuts::attention : AttentionCut{},
         gpu ? cuda_cuts::logits : cross_entropy_detail::most_logits);
    const auto shapes = weight_shapes(config);
    plan.device = options.loop.place.device;
    if (gpu) {
        plan.weights = options.method == Method::full ? 0 : copied_weights(config, shapes, options);
        plan.threads = plan.process = plan.loading = 0;
    }
    const auto make_views = [&](const ParamPath&, const Shape& s) {
        return StoredView<P>(ConstParamView<P>{be.address<const float>(s.size() * 4), s.rows, s.cols});
    };
    const auto weights = map_params<StoredView<P>>(shapes, make_views);
    const Llama<P> bare(be, config, weights);
    Index joined = 0;
    if (options.method == Method::full) {
        plan.parameters = run_whole(be, config, options);
    } else {
        const bool joins = gpu ? options.quantise == Quantise::none : panels.has_value();
        plan.parameters = run_adapters(be, config, weights, options, joins ? &joined : nullptr);
        if (!gpu && panels) plan.packed = packed_bytes(config, options.adapter, *panels) + base.codes;
        plan.in_place = panels == PanelStorage::in_place;
    }
    plan.activations = be.memory().peak - plan.parameters - joined;
    if (options.method == Method::adapter && options.components.router == RouterInit::components)
        plan.routers =
            std::max(Index{0}, router_start_bytes(be, bare, config, options) - plan.parameters - plan.activations);
    return plan;
}

std::string plan_table(const MemoryPlan& plan) {
    const bool gpu = plan.device == Device::cuda;
    Table table({gpu ? "memory of the GPU at the peak, about" : "memory at the peak", "MiB"});
    table.add({gpu ? "weights" : "weights, in their files' memory", mebibytes(plan.weights)});
    if (plan.quantised > 0) table.add({"quantised weights", mebibytes(plan.quantised)});
    if (plan.packed > 0)
        table.add({plan.in_place ? "adapters, packed" : "adapted weights, packed", mebibytes(plan.packed)});
    table.add({"trained parameters, gradients, moments", mebibytes(plan.parameters)});
    table.add({"activations and scratch", mebibytes(plan.activations)});
    if (plan.routers > 0) table.add({"more for the fit of the routers, before", mebibytes(plan.routers)});
    if (!gpu) table.add({"packing memory of the threads", mebibytes(plan.threads)});
    if (!gpu) table.add({"the program and what it holds now", mebibytes(plan.process)});
    if (plan.loading > 0 && plan.total() == plan.loading + plan.process)
        table.add({"more while loading: the files, before that", mebibytes(plan.loading)});
    table.add({"in all", mebibytes(plan.total())});
    return table.text();
}

Index machine_memory() {
    const Index bytes = Index{::sysconf(_SC_PHYS_PAGES)} * Index{::sysconf(_SC_PAGESIZE)};
    const double limit = memory_limit();
    return limit < static_cast<double>(bytes) ? static_cast<Index>(limit) : bytes;
}

std::string memory_warning(const MemoryPlan& plan, const TrainOptions& options) {
    if (plan.device == Device::cuda) return {};  // which says so itself, by what it could not give
    const Index machine = machine_memory();
    if (plan.total() <= machine) return {};
    const bool keeps_all = options.loop.keep == Keep::all;
    return concat("this run is planned to take ", mebibytes(plan.total()), " MiB, the machine has ", mebibytes(machine),
                  "; ", plan.packed > 0 && !plan.in_place ? "--weights mapped, " : "",
                  keeps_all ? "--keep inputs, " : "", "a higher --accumulation",
                  options.method == Method::full ? ", an adapter instead of --method full" : "",
                  " or a shorter --length take less");
}

}  // namespace hydra
