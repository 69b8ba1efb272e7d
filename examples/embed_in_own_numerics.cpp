// A program with matrices and a product of its own takes in HydraLoRA: its numbers stay where they are, its frozen product
// stays its own, and the adapter adds a trained change. The change to learn is known here, so that the end can be checked.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <hydralora/hydralora.hpp>
#include <vector>

// --- your own numerics, as they were before ---

struct Matrix {
    Matrix(int r, int c, double step = 0) : rows(r), cols(c), data(static_cast<std::size_t>(r * c)) {
        for (std::size_t i = 0; i < data.size(); ++i)
            data[i] = static_cast<float>(std::sin(step * static_cast<double>(i * i)));
    }
    float* row(int i) { return data.data() + i * cols; }

    int rows, cols;
    std::vector<float> data;
};

// y = x w^T
void my_matmul(Matrix& x, Matrix& w, Matrix& y) {
    for (int t = 0; t < y.rows; ++t)
        for (int o = 0; o < y.cols; ++o) {
            y.row(t)[o] = 0;
            for (int i = 0; i < x.cols; ++i) y.row(t)[o] += x.row(t)[i] * w.row(o)[i];
        }
}

// --- and what embedding takes ---

auto view(Matrix& m) { return hydralora::host_view(m.data.data(), m.rows, m.cols); }

int main() {
    constexpr int T = 64, in = 8, out = 6;  // tokens, columns of x, columns of y
    Matrix x(T, in, 0.7), w0(out, in, 0.3), y(T, out), dy(T, out), dx(T, in), change(T, out), target(T, out);
    Matrix b(out, 1, 0.9), a(in, 1, 1.1), w1(out, in);
    my_matmul(b, a, w1);  // the frozen layer lacks w1 = b a^T, of rank 1
    my_matmul(x, w0, target);
    my_matmul(x, w1, change);
    for (std::size_t i = 0; i < target.data.size(); ++i) target.data[i] += change.data[i];

    hydralora::EigenBackend be;
    const hydralora::AdapterConfig cfg{.in = in, .out = out, .rank = 2, .heads = 3, .alpha = 4};
    auto params = hydralora::make_params(be, cfg);  // or views of your own memory
    auto grads = hydralora::make_params(be, cfg);
    hydralora::initialise(be, params, cfg, hydralora::Seed{42});
    const hydralora::HydraAdapter adapter(be, cfg, hydralora::views(params));
    decltype(adapter)::Cache cache;
    const hydralora::AdamW adamw{.lr = 1e-2, .weight_decay = 0};
    auto state = adamw.init(be, params);

    for (int step = 0; step <= 600; ++step) {
        my_matmul(x, w0, y);                           // your own frozen product
        adapter.forward(be, view(x), view(y), cache);  // y += delta(x)
        double loss = 0;                               // mean squared error, and its gradient
        for (std::size_t i = 0; i < y.data.size(); ++i) {
            const float error = y.data[i] - target.data[i];
            loss += error * error / T;
            dy.data[i] = 2 * error / T;
        }
        if (step % 100 == 0) std::printf("step %3d   loss %.7f\n", step, loss);
        std::fill(dx.data.begin(), dx.data.end(), 0.0f);  // or dy w0, where layers before this one learn
        hydralora::visit([&](const auto&, auto& g) { be.fill(g.view(), 0.0f); }, grads);
        adapter.backward(be, view(x), view(dy), cache, view(dx), hydralora::views(grads));  // dx += the delta's part
        adamw.step(be, params, grads, state);
    }

    Matrix delta(T, out);
    adapter.forward(be, view(x), view(delta), cache);
    double wrong = 0, size = 0;
    for (std::size_t i = 0; i < delta.data.size(); ++i) {
        wrong += std::pow(delta.data[i] - change.data[i], 2);
        size += std::pow(change.data[i], 2);
    }
    std::printf("the delta misses the change by %.2f %%\n", 100 * std::sqrt(wrong / size));
    return std::sqrt(wrong / size) < 0.01 ? 0 : 1;
}
