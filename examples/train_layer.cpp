// What the heads are for: four tasks that pull one layer in different directions, y = B_t A x, and two adapters with the
// same number of trained parameters. LoRA has one B for all tasks; HydraLoRA has four, and its router must find the task in x.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <hydralora/adapter/hydra_adapter.hpp>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/optim/adamw.hpp>
#include <vector>

using namespace hydralora;

constexpr Index width = 64, tasks = 4, teacher_rank = 4;
constexpr Index steps = 600, batch = 128, held_out = 4096;
constexpr float visibility = 4, noise = 0.05f;  // length of a task's mean of x; deviation of y from B_t A x

using Matrix = Buffer<EigenBackend, float>;

Matrix random_normal(EigenBackend& be, Index rows, Index cols, RandomKey key, double scale) {
    Matrix m(be, rows, cols);
    for (Index i = 0; i < m.size(); ++i)
        m.view().data[i] = static_cast<float>(scale * normal<double>(key, static_cast<std::uint64_t>(i)));
    return m;
}

/// Rows t, t + tasks, ... of m: those of task t.
MatrixView<float> of_task(MatrixView<float> m, Index t) { return {m.row(t), m.rows / tasks, m.cols, m.ld * tasks}; }

/// x = N(0, 1) + mean_t and y = B_t A x + noise, for the batches of a training run and then for its test.
struct Data {
    Matrix x, y;

    Data(EigenBackend& be, Seed seed) {
        const Index rows = steps * batch + held_out;
        x = random_normal(be, rows, width, {seed, 1}, 1);
        y = random_normal(be, rows, width, {seed, 2}, noise);
        const auto A = random_normal(be, teacher_rank, width, {seed, 3}, 1 / std::sqrt(width));
        const auto B = random_normal(be, tasks * width, teacher_rank, {seed, 4}, 1 / std::sqrt(teacher_rank));
        const auto means = random_normal(be, tasks, width, {seed, 5}, visibility / std::sqrt(width));
        Matrix u(be, rows / tasks, teacher_rank);
        for (Index t = 0; t < tasks; ++t) {
            const auto inputs = of_task(x.view(), t);
            for (Index i = 0; i < inputs.rows; ++i)
                for (Index j = 0; j < width; ++j) inputs(i, j) += means.view()(t, j);
            be.gemm(Op::none, Op::transpose, 1, inputs, A.view(), 0, u.view());
            be.gemm(Op::none, Op::transpose, 1, u.view(), B.view().row_slice(t * width, width), 1,
                    of_task(y.view(), t));
        }
    }
};

/// Share of the variance of y that `found` leaves unexplained.
double unexplained(MatrixView<const float> y, MatrixView<const float> found) {
    double left = 0, variance = 0;
    for (Index j = 0; j < y.cols; ++j) {
        double mean = 0;
        for (Index i = 0; i < y.rows; ++i) mean += y(i, j) / static_cast<double>(y.rows);
        for (Index i = 0; i < y.rows; ++i) {
            left += std::pow(y(i, j) - found(i, j), 2);
            variance += std::pow(y(i, j) - mean, 2);
        }
    }
    return left / variance;
}

/// Trains an adapter from B = 0 on a frozen layer of zeros; what it leaves unexplained on the test rows.
double train(EigenBackend& be, const AdapterConfig& config, Seed seed, const Data& data, double lr) {
    auto params = make_params(be, config), grads = make_params(be, config);
    initialise(be, params, config, seed);
    const HydraAdapter adapter(be, config, views(params));
    decltype(adapter)::Cache cache;
    const AdamW adamw{.lr = lr, .weight_decay = 0};
    auto state = adamw.init(be, params);

    Matrix y(be, batch, width), dy(be, batch, width);
    for (Index step = 0; step < steps; ++step) {
        const auto x = data.x.view().row_slice(step * batch, batch),
                   target = data.y.view().row_slice(step * batch, batch);
        be.fill(y.view(), 0.0f);
        adapter.forward(be, x, y.view(), cache);
        for (Index i = 0; i < dy.size(); ++i)  // of the mean squared error
            dy.view().data[i] = 2.0f / batch * (y.view().data[i] - target.data[i]);
        visit([&](const ParamPath&, auto& g) { be.fill(g.view(), 0.0f); }, grads);
        adapter.backward(be, x, dy.view(), cache, {}, views(grads));
        adamw.step(be, params, grads, state);
    }

    const Index test = steps * batch;
    Matrix found(be, held_out, width);
    adapter.forward(be, data.x.view().row_slice(test, held_out), found.view(), cache, {.mode = Mode::inference});
    return unexplained(data.y.view().row_slice(test, held_out), found.view());
}

/// Each adapter at the learning rate that is best for it; means over three teachers.
double best(EigenBackend& be, const char* name, const AdapterConfig& config, const std::vector<Data>& data) {
    const auto count = static_cast<int>(parameter_count(adapter_shapes(config)));
    std::printf("%-22s %d parameters, unexplained variance", name, count);
    double least = INFINITY;
    for (const double lr : {3e-3, 1e-2, 3e-2}) {
        double sum = 0;
        for (std::size_t i = 0; i < data.size(); ++i) sum += train(be, config, Seed{i}, data[i], lr);
        const double mean = sum / static_cast<double>(data.size());
        std::printf("  %.3f (lr %g)", mean, lr);
        least = std::min(least, mean);
    }
    std::printf("\n");
    return least;
}

int main() {
    EigenBackend be({.threads = 1});  // so small a layer is done before a second thread wakes
    std::vector<Data> data;
    for (const std::uint64_t seed : {0, 1, 2}) data.emplace_back(be, Seed{seed});
    const double lora =
        best(be, "LoRA, rank 12", {.in = width, .out = width, .rank = 12, .heads = 1, .alpha = 24, .gate = Gate::none},
             data);
    const double hydra =
        best(be, "HydraLoRA, 4 x rank 4", {.in = width, .out = width, .rank = 4, .heads = 4, .alpha = 8}, data);
    std::printf("HydraLoRA leaves %.0f times less.\n", lora / hydra);
    return hydra < lora / 4 ? 0 : 1;
}
