#include "control.hpp"

#include <cmath>
#include <numeric>

#include <hydralora/adapter/hydra_adapter.hpp>
#include <hydralora/core/mutual_information.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/optim/adamw.hpp>
#include <hydralora/optim/clip.hpp>

namespace compare {

using namespace hydralora;

namespace {

using Backend = EigenBackend;
using Matrix = Buffer<Backend, float>;
constexpr Index width = 64, tasks = 4, teacher_rank = 4, steps = 600, batch = 128, held_out = 4096;
constexpr double noise = 0.05;

struct ControlData {
    Index rows = steps * batch + held_out;
    std::vector<float> x, y;            // (rows, width); row i is of task i mod 4
    std::vector<std::int32_t> task_of;  // (rows)
};

ControlData teach(const ControlSetting& setting, Seed seed) {
    ControlData d;
    const auto normal_of = [&](std::uint32_t stream, Index i) {
        return normal<double>({seed, 5000 + stream}, static_cast<std::uint64_t>(i));
    };
    std::vector<double> a(static_cast<std::size_t>(tasks * teacher_rank * width)),
        b(static_cast<std::size_t>(tasks * width * teacher_rank)), mean(static_cast<std::size_t>(tasks * width));
    for (Index t = 0; t < tasks; ++t)
        for (Index i = 0; i < teacher_rank * width; ++i) {
            const auto at = static_cast<std::size_t>(t * teacher_rank * width + i);
            a[at] = normal_of(setting.shared_a ? 0 : 10 + static_cast<std::uint32_t>(t), i) / std::sqrt(width);
            b[at] = ((1 - setting.conflict) * normal_of(1, i) +
                     setting.conflict * normal_of(20 + static_cast<std::uint32_t>(t), i)) /
                    std::sqrt(teacher_rank);
        }
    for (Index i = 0; i < tasks * width; ++i)
        mean[static_cast<std::size_t>(i)] = setting.visibility / std::sqrt(width) * normal_of(2, i);
    d.x.resize(static_cast<std::size_t>(d.rows * width));
    d.y.resize(d.x.size());
    for (Index r = 0; r < d.rows; ++r) {
        const Index t = r % tasks;
        d.task_of.push_back(static_cast<std::int32_t>(t));
        float* x = d.x.data() + r * width;
        float* y = d.y.data() + r * width;
        for (Index j = 0; j < width; ++j)
            x[j] = static_cast<float>(normal_of(3, r * width + j) + mean[static_cast<std::size_t>(t * width + j)]);
        double u[teacher_rank];
        for (Index k = 0; k < teacher_rank; ++k) {
            const double* row = a.data() + (t * teacher_rank + k) * width;
            u[k] = std::inner_product(x, x + width, row, 0.0);
        }
        for (Index o = 0; o < width; ++o)
            y[o] = static_cast<float>(
                std::inner_product(u, u + teacher_rank, b.data() + (t * width + o) * teacher_rank, 0.0) +
                noise * normal_of(4, r * width + o));
    }
    return d;
}

/// Share of the variance of y (n, width) that `found` leaves.
double unexplained(MatrixView<const float> y, MatrixView<const float> found) {
    double left = 0, variance = 0;
    for (Index j = 0; j < y.cols; ++j) {
        double mean = 0;
        for (Index i = 0; i < y.rows; ++i) mean += static_cast<double>(y(i, j)) / static_cast<double>(y.rows);
        for (Index i = 0; i < y.rows; ++i) {
            left += std::pow(static_cast<double>(y(i, j)) - static_cast<double>(found(i, j)), 2);
            variance += std::pow(static_cast<double>(y(i, j)) - mean, 2);
        }
    }
    return left / variance;
}

Result train(const AdapterConfig& config, const ControlData& data, Seed seed, double lr) {
    Backend be({.threads = 1});
    auto params = make_params(be, config), grads = make_params(be, config);
    initialise(be, params, config, seed);
    const HydraAdapter<Backend> adapter(be, config, views(std::as_const(params)));
    HydraAdapter<Backend>::Cache cache;
    const AdamW adamw{.lr = lr, .weight_decay = 0};
    auto state = adamw.init(be, params);
    GradientNorm<Backend> norm;
    Matrix y(be, batch, width), dy(be, batch, width);
    const auto part = [](const auto& of, Index first, Index count, Index cols) {
        return host_view(of.data() + first * cols, count, cols);
    };
    Pass<Backend> pass;
    for (Index step = 0; step < steps; ++step) {
        const auto x = part(data.x, step * batch, batch, width), target = part(data.y, step * batch, batch, width);
        const auto heads = part(data.task_of, step * batch, batch, 1);
        pass.assigned = host_view(heads.data, 1, batch);
        be.fill(y.view(), 0.0f);
        adapter.forward(be, x, y.view(), cache, pass);
        for (Index i = 0; i < dy.size(); ++i)  // of the mean squared error
            dy.view().data[i] = 2.0f / static_cast<float>(batch) * (y.view().data[i] - target.data[i]);
        visit([&](const ParamPath&, auto& g) { be.fill(g.view(), 0.0f); }, grads);
        adapter.backward(be, x, dy.view(), cache, {}, views(grads));
        adamw.step(be, params, grads, state, StepScale<Backend>{1, ClipByGlobalNorm{1}.factor(be, grads, norm)});
    }
    const Index test = steps * batch;
    Matrix found(be, held_out, width);
    pass.mode = Mode::inference;
    pass.assigned = host_view(data.task_of.data() + test, 1, held_out);
    adapter.forward(be, part(data.x, test, held_out, width), found.view(), cache, pass);
    Result result;
    result.loss = unexplained(part(data.y, test, held_out, width), found.view());
    if (config.routed()) {
        std::vector<std::int32_t> chosen;
        for (Index i = 0; i < held_out; ++i) {
            const float* g = cache.g.view().row(i);
            chosen.push_back(static_cast<std::int32_t>(std::max_element(g, g + config.heads) - g));
        }
        result.nmi = mutual_information(std::span<const std::int32_t>(chosen),
                                        std::span(data.task_of).subspan(static_cast<std::size_t>(test)))
                         .normalised();
    }
    return result;
}

}  // namespace

std::vector<ControlTable> run_control(Index seeds, int threads) {
    const auto adapter = [](Index rank, Index heads, Gate gate, Sharing sharing = Sharing::shared_a) {
        AdapterConfig c{
            .in = width, .out = width, .rank = rank, .heads = heads, .alpha = 2 * static_cast<double>(rank)};
        c.gate = gate;
        c.sharing = sharing;
        return c;
    };
    const std::vector<std::pair<std::string, AdapterConfig>> methods{
        {"LoRA, rank 12", adapter(12, 1, Gate::none)},
        {"LoRA-Split 4 x 3, task known", adapter(3, 4, Gate::assigned, Sharing::own_a)},
        {"HydraLoRA 4 x 4", adapter(4, 4, Gate::softmax)},
        {"LoRAMoE 4 x 3", adapter(3, 4, Gate::softmax, Sharing::own_a)},
        {"uniform gate 4 x 5", adapter(5, 4, Gate::uniform)},
        {"HydraLoRA 4 x 5, task known", adapter(5, 4, Gate::assigned)}};
    const std::vector<ControlSetting> settings{{"tasks visible (m = 4), B_t conflict, A shared"},
                                               {"less visible, m = 2", 2},
                                               {"hardly visible, m = 1", 1},
                                               {"not visible, m = 0", 0},
                                               {"no conflict: one B", 4, 0},
                                               {"nothing shared: own A_t", 4, 1, false}};
    std::vector<ControlTable> tables;
    for (const ControlSetting& setting : settings) {
        Trials<ControlData> trials;
        for (const auto& [name, config] : methods) {
            trials.rows.push_back({name, parameter_count(adapter_shapes(config)), 0, false, {}});
            trials.rates.push_back({3e-3, 1e-2, 3e-2});
        }
        trials.prepare = [&](Seed seed) { return teach(setting, seed); };
        trials.train = [&](std::size_t row, const ControlData& data, Seed seed, double rate) {
            return train(methods[row].second, data, seed, rate);
        };
        trials.seeds.resize(static_cast<std::size_t>(seeds));
        std::iota(trials.seeds.begin(), trials.seeds.end(), std::uint64_t{0});
        trials.threads = threads;
        tables.push_back({setting, trials.run()});
    }
    return tables;
}

}  // namespace compare
