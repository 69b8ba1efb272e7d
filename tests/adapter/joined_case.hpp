// A joined layer on the numbers of an AdapterCase: x, dy and y in matrices with room, whose rows no one has zeroed.
#pragma once

#include <hydralora/adapter/hydra_linear.hpp>
#include <hydralora/adapter/joined_linear.hpp>
#include <limits>

#include "adapter/adapter_case.hpp"

namespace test {

/// The case, its frozen matrix and bias, and both forms of the layer. `extra` columns stand behind the room and keep the
/// marker of Matrix; the room itself holds NaN before every pass.
template <class W>
struct BasicJoinedCase {
    AdapterCase<Double>& c;
    Index extra;
    Matrix<double> w0, bias;
    W weight;
    JoinedLinear<Double, AdapterConfig, W> joined;
    HydraLinear<Double> plain;
    Matrix<double> x, dy, y, dx;
    AdapterParams<ParamBuffer<Double>> grads;
    JoinedLinear<Double>::Cache cache;

    BasicJoinedCase(AdapterCase<Double>& the_case, Draw& draw, Index extra_columns = 0)
        : c(the_case),
          extra(extra_columns),
          w0(random(c.config.out, c.config.in, draw)),
          bias(random(1, c.config.out, draw)),
          weight(filled(c.be, c.config, w0)),
          joined(c.be, weight, c.adapter(), bias.view()),
          plain(DenseWeight<Double>{w0.view(), bias.view()}, c.adapter()),
          x(c.tokens, c.config.in, joined.x_ld() - c.config.in + extra),
          dy(c.tokens, c.config.out, joined.dy_ld() - c.config.out + extra),
          y(c.tokens, c.config.out, 1),
          dx(c.tokens, c.config.in, 1),
          grads(make_params(c.be, c.config)) {
        c.be.copy(c.x.view(), x.view());
        c.be.copy(c.dy.view(), dy.view());
    }
    BasicJoinedCase(const BasicJoinedCase&) = delete;

    static Matrix<double> random(Index rows, Index cols, Draw& draw) {
        Matrix<double> m(rows, cols);
        draw.normal(m.view());
        return m;
    }
    static W filled(Double& be, const AdapterConfig& config, const Matrix<double>& w0) {
        W joined_weight(be, config);
        if constexpr (requires { joined_weight.frozen(); })
            be.upload(w0.view(), joined_weight.frozen());
        else
            joined_weight.put_frozen(be, w0.view());
        return joined_weight;
    }

    void spoil(Matrix<double>& m) const {
        for (Index t = 0; t < m.rows; ++t)
            for (Index j = m.cols; j < m.ld - extra; ++j) m(t, j) = std::numeric_limits<double>::quiet_NaN();
    }
    [[nodiscard]] bool extra_untouched(const Matrix<double>& m) const {
        for (Index t = 0; t < m.rows; ++t)
            for (Index j = m.ld - extra; j < m.ld; ++j)
                if (m(t, j) != Matrix<double>::marker) return false;
        return true;
    }

    void forward() {
        spoil(x);
        joined.forward(c.be, x.view(), y.view(), cache, c.pass);
    }
    /// dx and grads: from what is there with Grad::accumulate; grads always.
    void backward(Grad mode = Grad::overwrite) {
        spoil(x);
        spoil(dy);
        joined.backward(c.be, x.view(), dy.view(), cache, dx.view(), views(grads), mode);
    }
};

using JoinedCase = BasicJoinedCase<JoinedWeight<Double>>;

}  // namespace test
