// The gate of Gemma's feed-forward block, between its products. T tokens, f width of the hidden layer.
#pragma once

#include "../backend/compose/geglu.hpp"
#include "../core/check.hpp"

namespace hydralora {

/// y = gelu(gate) * up, gelu in its form with tanh. No parameters; backward needs gate and up, nothing else.
struct Geglu {
    /// y (T, f) from gate and up (T, f). y may be one of them where no backward follows.
    template <Backend B>
    void forward(B& be, ConstView<B> gate, ConstView<B> up, View<B> y) const {
        same_shape("up", up.shape(), gate.shape());
        same_shape("y", y.shape(), gate.shape());
        ops::geglu(be, gate, up, y);
    }

    /// dgate and dup (T, f), overwritten, from dy (T, f). Each may take the memory of gate, up or dy.
    template <Backend B>
    void backward(B& be, ConstView<B> gate, ConstView<B> up, ConstView<B> dy, View<B> dgate, View<B> dup) const {
        same_shape("up", up.shape(), gate.shape());
        same_shape("dy", dy.shape(), gate.shape());
        same_shape("dgate", dgate.shape(), gate.shape());
        same_shape("dup", dup.shape(), gate.shape());
        ops::geglu_backward(be, gate, up, dy, dgate, dup);
    }

private:
    static void same_shape(const char* name, Shape shape, Shape gate) {
        check(shape == gate, "Geglu: ", name, " is (", shape.rows, ", ", shape.cols, "), expected the shape of gate, (",
              gate.rows, ", ", gate.cols, ")");
    }
};

}  // namespace hydralora
