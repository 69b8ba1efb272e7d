#include "task_base.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <hydralora/io/json_write.hpp>
#include <hydralora/io/llama_config.hpp>
#include <hydralora/io/safetensors_writer.hpp>
#include <hydralora/io/write_file.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>
#include <hydralora/optim/schedule.hpp>

namespace compare {

using namespace hydralora;

void TaskBatch::assign(std::span<const Example> examples) {
    sequences = static_cast<Index>(examples.size());
    labelled = 0;
    ids.clear();
    labels.clear();
    for (const Example& e : examples) {
        for (Index i = 0; i < sequence_length; ++i) {
            const bool asked = i >= first_answer - 1 && i < first_answer - 1 + e.answers;
            ids.push_back(e.tokens[static_cast<std::size_t>(i)]);
            labels.push_back(asked ? e.tokens[static_cast<std::size_t>(i + 1)] : ignored_label);
        }
        labelled += e.answers;
    }
}

TokenBatch<Backend> TaskBatch::view() const {
    const auto count = static_cast<Index>(ids.size());
    return {
        .ids = host_view(ids.data(), 1, count), .labels = host_view(labels.data(), 1, count), .sequences = sequences};
}

LlamaConfig task_model() {
    LlamaConfig c;
    c.vocabulary = vocabulary;
    c.width = 64;
    c.layers = 3;
    c.heads = c.kv_heads = 4;
    c.head_dim = 16;
    c.feed_forward = 160;
    c.max_positions = sequence_length;
    c.lm_head = LmHead::own;
    return c;
}

void make_task_base(const std::filesystem::path& directory) {
    constexpr Index steps = 3500, batch_size = 128;
    constexpr Seed seed{41};
    Backend be({.threads = 2});
    const LlamaConfig config = task_model();
    auto weights = make_buffers(be, weight_shapes(config)), grads = make_buffers(be, weight_shapes(config));
    std::uint32_t stream = 0;
    visit(
        [&](const ParamPath& path, auto& w) {
            const bool table = w.rows() == vocabulary && stream == 0;
            const double deviation = table ? 1 : 1 / std::sqrt(static_cast<double>(w.cols()));
            for (Index i = 0; i < w.size(); ++i)
                w.view().data[i] =
                    path.role == Role::norm
                        ? 1.0f
                        : static_cast<float>(deviation * normal<double>(RandomKey{seed, 1u << 20 | stream},
                                                                        static_cast<std::uint64_t>(i)));
            ++stream;
        },
        weights);
    const Llama<Backend> model(be, config, views(std::as_const(weights)));
    Llama<Backend>::Cache cache;
    Buffer<Backend, double> loss_sum(be, 1, 1);
    GradientNorm<Backend> norm;
    const AdamW adamw{.lr = 3e-3, .beta2 = 0.98};
    auto state = adamw.init(be, weights);
    const Schedule schedule{ScheduleKind::cosine, steps, 100, 0.05};
    std::vector<Example> examples(static_cast<std::size_t>(batch_size));
    TaskBatch batch;
    for (Index step = 0; step < steps; ++step) {
        for (Index i = 0; i < batch_size; ++i)
            examples[static_cast<std::size_t>(i)] =
                example_of(Mix::pretraining, i % tags, seed, false, step * (batch_size / tags) + i / tags);
        batch.assign(examples);
        visit([&](const ParamPath&, auto& g) { be.fill(g.view(), 0.0f); }, grads);
        be.fill(loss_sum.view(), 0.0);
        model.forward(be, batch.view(), cache);
        model.backward(be, batch.view(), 1.0 / static_cast<double>(batch.labelled), cache, loss_sum.view(),
                       views(grads));
        const ClipByGlobalNorm clip{1};
        adamw.step(be, weights, grads, state, StepScale<Backend>{schedule.factor(step), clip.factor(be, grads, norm)});
        if (step % 250 == 0 || step + 1 == steps)
            std::fprintf(stderr, "step %5d  loss %.4f\n", static_cast<int>(step),
                         loss_sum.view()(0, 0) / static_cast<double>(batch.labelled));
    }
    for (Index task = 0; task < tags; ++task) {
        std::vector<Example> held_out;
        for (Index i = 0; i < 200; ++i) held_out.push_back(example_of(Mix::pretraining, task, seed, true, i));
        const TaskScore s = score(be, model, held_out);
        std::fprintf(stderr, "tag %2d  loss %.4f  tokens %.3f  exact %.3f\n", static_cast<int>(task), s.loss, s.tokens,
                     s.exact);
    }

    std::filesystem::create_directories(directory);
    io::replace_file(directory / "config.json", io::to_text(io::to_json(config, "bfloat16"), 2) + "\n");
    std::vector<io::NamedTensor> tensors;
    std::vector<std::vector<bfloat16>> memory;
    visit(
        [&](const ParamPath& path, const auto& w) {
            auto& to = memory.emplace_back();
            for (Index i = 0; i < w.size(); ++i) to.push_back(bfloat16(w.view().data[i]));
            auto tensor = io::named_tensor(path.name(), host_view(std::as_const(to).data(), w.rows(), w.cols()));
            if (path.role == Role::norm) tensor = io::reshaped(std::move(tensor), {w.cols()});
            tensors.push_back(std::move(tensor));
        },
        std::as_const(weights));
    io::save_safetensors(directory / "model.safetensors", tensors);
}

TaskScore score(Backend& be, const Llama<Backend>& model, std::span<const Example> examples,
                Llama<Backend>::Cache* kept, std::span<const std::int32_t> assigned) {
    Llama<Backend>::Cache own;
    Llama<Backend>::Cache& cache = kept != nullptr ? *kept : own;
    Pass<Backend> pass;
    pass.mode = Mode::inference;
    pass.assigned = host_view(assigned.data(), 1, static_cast<Index>(assigned.size()));
    Buffer<Backend, double> loss_sum(be, 1, 1);
    be.fill(loss_sum.view(), 0.0);
    TaskBatch batch;
    batch.assign(examples);
    model.forward(be, batch.view(), cache, pass);
    model.loss(be, batch.view(), cache, loss_sum.view());
    Buffer<Backend, float> logits(be, batch.sequences * sequence_length, vocabulary);
    model.logits(be, cache, logits.view());
    Index right = 0, exact = 0;
    for (Index s = 0; s < batch.sequences; ++s) {
        bool all = true;
        for (Index t = s * sequence_length; t < (s + 1) * sequence_length; ++t) {
            const std::int32_t label = batch.labels[static_cast<std::size_t>(t)];
            if (label == ignored_label) continue;
            const float* row = logits.view().row(t);
            const bool hit = std::max_element(row, row + vocabulary) - row == label;
            right += hit ? 1 : 0;
            all = all && hit;
        }
        exact += all ? 1 : 0;
    }
    const auto n = static_cast<double>(batch.labelled);
    return {loss_sum.view()(0, 0) / n, static_cast<double>(right) / n,
            static_cast<double>(exact) / static_cast<double>(examples.size())};
}

}  // namespace compare
