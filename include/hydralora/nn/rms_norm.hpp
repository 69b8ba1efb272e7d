// RMSNorm with a learned scale (Zhang and Sennrich, arXiv 1910.07467). T tokens, d width.
#pragma once

#include "../backend/compose/rms_norm.hpp"
#include "../core/check.hpp"

namespace hydralora {

/// width: columns of x; eps: added to the mean square.
struct RmsNormConfig {
    Index width = 0;
    double eps = 1e-6;  ///< added to the mean of squares; Llama's configuration calls it rms_norm_eps
};

/// y = weight * x / sqrt(mean(x^2) + eps). Sees the weight (1, d), owns nothing.
template <Backend B>
class RmsNorm {
public:
    /// What backward needs besides x.
    struct Cache {
        AccumBuffer<B> inv_rms;  // (T, 1)
    };

    RmsNorm(const RmsNormConfig& config, ConstParamView<B> weight) : config_(config), weight_(weight) {
        check(config.width >= 1, "RmsNorm: width = ", config.width, ", expected at least 1");
        check(config.eps >= 0, "RmsNorm: eps = ", config.eps, ", expected at least 0");
        check(weight.shape() == Shape{1, config.width}, "RmsNorm: weight is (", weight.rows, ", ", weight.cols,
              "), expected (1, ", config.width, ")");
    }

    /// y (T, d) from x (T, d). In place is fine where no backward follows.
    void forward(B& be, ConstView<B> x, View<B> y, Cache& cache) const {
        check_shape("x", x.shape(), x.rows);
        check_shape("y", y.shape(), x.rows);
        cache.inv_rms.resize(be, x.rows, 1);
        ops::rms_norm(be, x, weight_, config_.eps, y, cache.inv_rms.view());
    }

    /// y (T, d) of the x and cache of forward, once more, with the same bits.
    void again(B& be, ConstView<B> x, const Cache& cache, View<B> y) const {
        check_shape("x", x.shape(), x.rows);
        check_shape("y", y.shape(), x.rows);
        check_cache(cache, x.rows);
        ops::rms_norm_again(be, x, weight_, cache.inv_rms.view(), y);
    }

    /// dx (T, d) = or += the gradient for x, of the x forward took; dweight (1, d) += that for the weight, slabs of
    /// be.slab_rows() tokens one after another (an empty view: not wanted). dx may be dy.
    void backward(B& be, ConstView<B> x, ConstView<B> dy, const Cache& cache, View<B> dx, ParamView<B> dweight,
                  Grad mode = Grad::overwrite) const {
        check_shape("x", x.shape(), x.rows);
        check_shape("dy", dy.shape(), x.rows);
        check_shape("dx", dx.shape(), x.rows);
        check_cache(cache, x.rows);
        if (!dweight.empty()) {
            check(dweight.shape() == weight_.shape(), "RmsNorm: dweight is (", dweight.rows, ", ", dweight.cols,
                  "), expected (1, ", config_.width, ") or empty");
            ops::rms_norm_weight_gradient(be, x, cache.inv_rms.view(), dy, dweight);  // first: dx may be dy
        }
        ops::rms_norm_backward(be, x, weight_, cache.inv_rms.view(), dy, dx, mode);
    }

    [[nodiscard]] const RmsNormConfig& config() const { return config_; }

private:
    void check_shape(const char* name, Shape shape, Index tokens) const {
        check(shape == Shape{tokens, config_.width}, "RmsNorm: ", name, " is (", shape.rows, ", ", shape.cols,
              "), expected (", tokens, ", ", config_.width, ")");
    }
    static void check_cache(const Cache& cache, Index tokens) {
        check(cache.inv_rms.shape() == Shape{tokens, 1}, "RmsNorm: the cache is of ", cache.inv_rms.rows(),
              " tokens, x has ", tokens, ": pass the cache that forward filled");
    }

    RmsNormConfig config_;
    ConstParamView<B> weight_;
};

}  // namespace hydralora
