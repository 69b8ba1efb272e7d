// The decoder once more, in plain loops over std::vector and one token at a time, from the formulas of the papers and
// nothing of the library: the oracle of the model's tests.
#pragma once

#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace test {

using Vector = std::vector<double>;

/// A row-major matrix.
struct ReferenceMatrix {
    std::size_t rows = 0, cols = 0;
    Vector data;
    [[nodiscard]] double operator()(std::size_t i, std::size_t j) const { return data[i * cols + j]; }
    [[nodiscard]] Vector times(const Vector& x) const {
        Vector y(rows, 0.0);
        for (std::size_t i = 0; i < rows; ++i)
            for (std::size_t j = 0; j < cols; ++j) y[i] += (*this)(i, j) * x[j];
        return y;
    }
};

struct ReferenceDecoder {
    std::map<std::string, ReferenceMatrix> tensors;  // weights by their names in a checkpoint, adapters by theirs
    std::size_t layers = 0, heads = 0, kv_heads = 0, head_dim = 0;
    double eps = 0, theta = 0, scaling = 0;  // of RMSNorm, of RoPE, alpha / r
    bool llama3 = false, linear_rope = false, gelu = false;
    double factor = 1, low = 1, high = 4, original = 0;
    double local_theta = 0, embedding_scale = 1, attention_scale = 0;  // 0: theta, 1 / sqrt(head_dim)
    std::vector<std::size_t> windows;                                  // of each layer, 0: none

    [[nodiscard]] Vector norm(const std::string& name, const Vector& x) const {
        double squares = 0;
        for (const double v : x) squares += v * v;
        Vector y(x);
        for (std::size_t j = 0; j < x.size(); ++j)
            y[j] *= tensors.at(name)(0, j) / std::sqrt(squares / static_cast<double>(x.size()) + eps);
        return y;
    }

    /// W x + s sum_i w_i(x) B_i A x, w = softmax(W_g x), where there is an adapter.
    [[nodiscard]] Vector linear(const std::string& layer, const std::string& name, const Vector& x) const {
        Vector y = tensors.at("model." + layer + name + ".weight").times(x);
        if (tensors.count(layer + name + ".A") == 0) return y;
        const Vector u = tensors.at(layer + name + ".A").times(x);
        Vector w = tensors.at(layer + name + ".router").times(x);
        double sum = 0;
        for (double& v : w) sum += v = std::exp(v);
        const ReferenceMatrix& b = tensors.at(layer + name + ".B");
        for (std::size_t i = 0; i < w.size(); ++i)
            for (std::size_t o = 0; o < y.size(); ++o)
                for (std::size_t j = 0; j < u.size(); ++j) y[o] += scaling * w[i] / sum * b(o, i * u.size() + j) * u[j];
        return y;
    }

    /// Of each head.
    [[nodiscard]] Vector norm_heads(const std::string& name, const Vector& x) const {
        if (tensors.count(name) == 0) return x;
        Vector y;
        for (std::size_t start = 0; start < x.size(); start += head_dim) {
            const auto from = x.begin() + static_cast<std::ptrdiff_t>(start);
            for (const double v : norm(name, Vector(from, from + static_cast<std::ptrdiff_t>(head_dim))))
                y.push_back(v);
        }
        return y;
    }

    [[nodiscard]] double angle(std::size_t position, std::size_t pair, bool local) const {
        const double base = local && local_theta > 0 ? local_theta : theta;
        double frequency = std::pow(base, -2.0 * static_cast<double>(pair) / static_cast<double>(head_dim));
        if (local && local_theta > 0) return static_cast<double>(position) * frequency;
        if (linear_rope) frequency /= factor;
        const double wavelength = 2 * std::acos(-1.0) / frequency;
        if (llama3 && wavelength > original / low) {
            frequency /= factor;
        } else if (llama3 && wavelength >= original / high) {
            const double smooth = (original / wavelength - low) / (high - low);
            frequency = (1 - smooth) * frequency / factor + smooth * frequency;
        }
        return static_cast<double>(position) * frequency;
    }

    /// Element j of the first half of a head turns with element j of the second.
    void rotate(Vector& x, std::size_t position, bool local) const {
        for (std::size_t start = 0; start < x.size(); start += head_dim)
            for (std::size_t j = 0; j < head_dim / 2; ++j) {
                double &a = x[start + j], &b = x[start + j + head_dim / 2];
                const double c = std::cos(angle(position, j, local)), s = std::sin(angle(position, j, local));
                const double turned = a * c - b * s;
                b = b * c + a * s;
                a = turned;
            }
    }

    /// Logits at each position of one sequence.
    [[nodiscard]] std::vector<Vector> logits(const std::vector<int>& ids) const {
        const ReferenceMatrix& embedding = tensors.at("model.embed_tokens.weight");
        const bool own = tensors.count("lm_head.weight") > 0;
        std::vector<std::vector<Vector>> keys(layers), values(layers);
        std::vector<Vector> result;
        for (std::size_t t = 0; t < ids.size(); ++t) {
            Vector x;
            for (std::size_t j = 0; j < embedding.cols; ++j)
                x.push_back(embedding_scale * embedding(static_cast<std::size_t>(ids[t]), j));
            for (std::size_t l = 0; l < layers; ++l) {
                const std::string layer = "layers." + std::to_string(l) + '.';
                const Vector n = norm("model." + layer + "input_layernorm.weight", x);
                const bool around = tensors.count("model." + layer + "post_feedforward_layernorm.weight") > 0;
                const bool local = windows[l] > 0;
                Vector q =
                    norm_heads("model." + layer + "self_attn.q_norm.weight", linear(layer, "self_attn.q_proj", n));
                Vector k =
                    norm_heads("model." + layer + "self_attn.k_norm.weight", linear(layer, "self_attn.k_proj", n));
                rotate(q, t, local);
                rotate(k, t, local);
                keys[l].push_back(k);
                values[l].push_back(linear(layer, "self_attn.v_proj", n));
                if (local && keys[l].size() > windows[l]) {  // the oldest is seen no more
                    keys[l].erase(keys[l].begin());
                    values[l].erase(values[l].begin());
                }
                Vector o = linear(layer, "self_attn.o_proj", attention(q, keys[l], values[l]));
                if (around) o = norm("model." + layer + "post_attention_layernorm.weight", o);
                for (std::size_t j = 0; j < x.size(); ++j) x[j] += o[j];
                const Vector m =
                    norm("model." + layer + (around ? "pre_feedforward" : "post_attention") + "_layernorm.weight", x);
                Vector gate = linear(layer, "mlp.gate_proj", m);
                const Vector up = linear(layer, "mlp.up_proj", m);
                for (std::size_t j = 0; j < gate.size(); ++j) gate[j] = activation(gate[j]) * up[j];
                Vector down = linear(layer, "mlp.down_proj", gate);
                if (around) down = norm("model." + layer + "post_feedforward_layernorm.weight", down);
                for (std::size_t j = 0; j < x.size(); ++j) x[j] += down[j];
            }
            result.push_back((own ? tensors.at("lm_head.weight") : embedding).times(norm("model.norm.weight", x)));
        }
        return result;
    }

    [[nodiscard]] double activation(double x) const {
        if (!gelu) return x / (1 + std::exp(-x));
        return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
    }

    /// Of one query over the keys so far; consecutive query heads share a key and value head.
    [[nodiscard]] Vector attention(const Vector& q, const std::vector<Vector>& k, const std::vector<Vector>& v) const {
        Vector o(q.size(), 0.0);
        for (std::size_t h = 0; h < heads; ++h) {
            const std::size_t at = h * head_dim, shared = h / (heads / kv_heads) * head_dim;
            Vector p;
            double sum = 0;
            for (const Vector& key : k) {
                double dot = 0;
                for (std::size_t j = 0; j < head_dim; ++j) dot += q[at + j] * key[shared + j];
                p.push_back(std::exp(attention_scale > 0 ? dot * attention_scale
                                                         : dot / std::sqrt(static_cast<double>(head_dim))));
                sum += p.back();
            }
            for (std::size_t i = 0; i < v.size(); ++i)
                for (std::size_t j = 0; j < head_dim; ++j) o[at + j] += p[i] / sum * v[i][shared + j];
        }
        return o;
    }

    /// Loss summed over the tokens that have a label.
    [[nodiscard]] static double loss(const std::vector<Vector>& logits, const std::vector<int>& labels) {
        double sum = 0;
        for (std::size_t t = 0; t < labels.size(); ++t) {
            if (labels[t] < 0) continue;
            double all = 0;
            for (const double v : logits[t]) all += std::exp(v);
            sum += std::log(all) - logits[t][static_cast<std::size_t>(labels[t])];
        }
        return sum;
    }
};

}  // namespace test
