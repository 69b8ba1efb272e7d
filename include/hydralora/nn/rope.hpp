// Rotary position embedding with the tables of Hugging Face's Llama models. T tokens, D head_dim.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../backend/compose/rope.hpp"
#include "../core/check.hpp"

namespace hydralora {

/// How frequencies are stretched for contexts beyond the ones trained on: all alike (linear: divided by factor), the low ones
/// alone (llama3: transformers, modeling_rope_utils.py, _compute_llama3_parameters; yarn: arXiv 2309.00071 as in
/// _compute_yarn_parameters, where cosines and sines are scaled besides), each divided by a factor of its own (factors: what
/// GGUF files have instead of llama3's settings), or only in sequences longer than max_position_embeddings (dynamic: within it
/// nothing is stretched, and here no sequence is longer). The defaults are those of Llama 3.1.
struct RopeScaling {
    enum class Kind { none, llama3, linear, factors, dynamic, yarn };
    Kind kind = Kind::none;
    double factor = 8;
    double low_freq_factor = 1;  // this and the next: of llama3
    double high_freq_factor = 4;
    Index original_max_positions = 8192;  // of llama3 and yarn
    std::vector<double> factors = {};     ///< of Kind::factors: head_dim / 2 of them
    double beta_fast = 32;                // this and the next three: of yarn; turns in the original context
    double beta_slow = 1;
    double attention_factor = 1;  ///< of cosines and sines
    bool whole_pairs = true;      ///< the ramp begins and ends at whole pairs [truncate]
};

/// head_dim: even; theta: base of the wavelengths; max_positions: positions that tables are made for.
struct RopeConfig {
    Index head_dim = 0;
    double theta = 10000;
    RopeScaling scaling = {};
    Index max_positions = 0;
};

/// Radians a position of pair i of a head, i in [0, head_dim / 2).
[[nodiscard]] inline double rope_frequency(const RopeConfig& config, Index i) {
    constexpr double two_pi = 6.283185307179586476925286766559;
    const RopeScaling& scaling = config.scaling;
    const double frequency =
        std::pow(config.theta, -2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
    if (scaling.kind == RopeScaling::Kind::none || scaling.kind == RopeScaling::Kind::dynamic) return frequency;
    if (scaling.kind == RopeScaling::Kind::linear) return frequency / scaling.factor;
    if (scaling.kind == RopeScaling::Kind::factors) return frequency / scaling.factors[static_cast<std::size_t>(i)];
    if (scaling.kind == RopeScaling::Kind::yarn) {
        // The pair that turns so often in the original context; pairs before the ramp are kept, those behind it stretched.
        const auto pair_of = [&](double turns) {
            return static_cast<double>(config.head_dim) *
                   std::log(static_cast<double>(scaling.original_max_positions) / (turns * two_pi)) /
                   (2 * std::log(config.theta));
        };
        double first = pair_of(scaling.beta_fast), last = pair_of(scaling.beta_slow);
        if (scaling.whole_pairs) {
            first = std::floor(first);
            last = std::ceil(last);
        }
        first = std::max(first, 0.0);
        last = std::min(last, static_cast<double>(config.head_dim - 1));
        if (first == last) last += 0.001;
        const double stretched = std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
        return stretched * frequency / scaling.factor + (1 - stretched) * frequency;
    }
    const double turns =
        static_cast<double>(scaling.original_max_positions) * frequency / two_pi;  // in the original context
    if (turns < scaling.low_freq_factor) return frequency / scaling.factor;
    if (turns > scaling.high_freq_factor) return frequency;
    const double smooth = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
    return (1 - smooth) * frequency / scaling.factor + smooth * frequency;
}

/// Turns queries and keys by their positions. Owns its tables of cosines and sines, made in double on the host.
template <Backend B>
class Rope {
public:
    Rope(B& be, const RopeConfig& config) : config_(config) {
        check(config.head_dim >= 2 && config.head_dim % 2 == 0, "Rope: head_dim = ", config.head_dim,
              ", expected a positive even number");
        check(config.max_positions >= 1, "Rope: max_positions = ", config.max_positions, ", expected at least 1");
        check(config.theta > 0, "Rope: theta = ", config.theta, ", expected above 0");
        const RopeScaling& s = config.scaling;
        check(s.kind == RopeScaling::Kind::none || s.factor > 0, "Rope: scaling factor = ", s.factor,
              ", expected above 0");
        if (s.kind == RopeScaling::Kind::llama3) {
            check(s.high_freq_factor > s.low_freq_factor, "Rope: high_freq_factor = ", s.high_freq_factor,
                  ", expected above low_freq_factor = ", s.low_freq_factor);
            check(s.original_max_positions >= 1, "Rope: original_max_positions = ", s.original_max_positions,
                  ", expected at least 1");
        }
        if (s.kind == RopeScaling::Kind::yarn) {
            check(config.theta > 1, "Rope: theta = ", config.theta, ", expected above 1 for yarn");
            check(s.original_max_positions >= 1, "Rope: original_max_positions = ", s.original_max_positions,
                  ", expected at least 1");
            check(s.beta_fast > 0 && s.beta_slow > 0, "Rope: beta_fast = ", s.beta_fast, ", beta_slow = ", s.beta_slow,
                  ", expected above 0");
            check(s.attention_factor > 0, "Rope: attention_factor = ", s.attention_factor, ", expected above 0");
        }
        const Index half = config.head_dim / 2;
        if (s.kind == RopeScaling::Kind::factors) {
            check(static_cast<Index>(s.factors.size()) == half, "Rope: ", s.factors.size(),
                  " factors, expected head_dim / 2 = ", half);
            for (std::size_t i = 0; i < s.factors.size(); ++i)
                check(s.factors[i] > 0, "Rope: factor ", i, " = ", s.factors[i], ", expected above 0");
        }
        std::vector<AccumScalar<B>> table(static_cast<std::size_t>(config.max_positions * half));
        const double amplitude = s.kind == RopeScaling::Kind::yarn ? s.attention_factor : 1;
        const auto upload = [&](double (*f)(double), AccumBuffer<B>& to) {
            for (Index i = 0; i < half; ++i) {
                const double frequency = rope_frequency(config, i);
                for (Index p = 0; p < config.max_positions; ++p)
                    table[static_cast<std::size_t>(p * half + i)] =
                        static_cast<AccumScalar<B>>(amplitude * f(static_cast<double>(p) * frequency));
            }
            to = AccumBuffer<B>(be, config.max_positions, half);
            be.upload(host_view(static_cast<const AccumScalar<B>*>(table.data()), config.max_positions, half),
                      to.view());
        };
        upload([](double angle) { return std::cos(angle); }, cosine_);
        upload([](double angle) { return std::sin(angle); }, sine_);
    }

    /// x (T, heads * D) in place; token t stands at position first_position + t % sequence_length, less starts(0, t)
    /// where sequences hold several documents: see TokenBatch.
    void rotate(B& be, View<B> x, Index sequence_length, Index first_position = 0,
                ViewOf<B, const std::int32_t> starts = {}) const {
        turn(be, x, sequence_length, first_position, Turn::forth, starts);
    }

    /// The transpose, which is the way back (with yarn's scale, not the inverse): the gradient of what rotate gave becomes that of what it took.
    void rotate_back(B& be, View<B> x, Index sequence_length, Index first_position = 0,
                     ViewOf<B, const std::int32_t> starts = {}) const {
        turn(be, x, sequence_length, first_position, Turn::back, starts);
    }

    [[nodiscard]] const RopeConfig& config() const { return config_; }

private:
    void turn(B& be, View<B> x, Index sequence_length, Index first_position, Turn way,
              ViewOf<B, const std::int32_t> starts) const {
        check(x.cols % config_.head_dim == 0, "Rope: x has ", x.cols,
              " columns, expected a multiple of head_dim = ", config_.head_dim);
        check(sequence_length >= 1, "Rope: sequence_length = ", sequence_length, ", expected at least 1");
        const Index longest = sequence_length < x.rows ? sequence_length : x.rows;
        check(first_position >= 0 && first_position + longest <= config_.max_positions, "Rope: positions ",
              first_position, " to ", first_position + longest - 1,
              ", expected within max_positions = ", config_.max_positions);
        check(starts.empty() || starts.shape() == Shape{1, x.rows}, "Rope: starts is (", starts.rows, ", ", starts.cols,
              "), expected (1, ", x.rows, ") or empty");
        ops::rope(be, x, cosine_.view(), sine_.view(), sequence_length, first_position, way, starts);
    }

    RopeConfig config_;
    AccumBuffer<B> cosine_, sine_;  // (max_positions, D/2)
};

}  // namespace hydralora
