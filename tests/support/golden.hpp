// The recorded numbers of one adapted layer, computed with PyTorch by a loop over heads: forward, gradients, AdamW steps.
//
// tests/golden/layer_t{T}_i{in}_o{out}_r{r}_n{N}_b{bias}.safetensors, in double: x w0 [bias] a b wg probe; y route dx da db
// dwg for loss = sum(y * probe) / T; a_after b_after wg_after after `steps` steps on the same x; loss_last before the last.
// The softmax is in float32, as released; layer_*_softmax64.safetensors (make_layer.py) has the outputs with it in double.
#pragma once

#include <hydralora/adapter/params.hpp>
#include <hydralora/io/safetensors.hpp>
#include <hydralora/optim/adamw.hpp>
#include <string>

#include "support/matrix.hpp"

namespace test {

template <class T>
class GoldenLayer {
public:
    explicit GoldenLayer(const std::string& name)
        : file_(hydralora::io::SafetensorsFile::open(HYDRALORA_TEST_DATA "/golden/" + name + ".safetensors")) {
        config = {.in = integer("d_in"), .out = integer("d_out"), .rank = integer("rank"), .heads = integer("heads")};
        config.alpha = number("alpha");
        adamw = {number("lr"), number("beta1"), number("beta2"), number("eps"), number("weight_decay")};
        steps = integer("steps");
    }

    hydralora::AdapterConfig config;
    hydralora::AdamW adamw;
    Index steps = 0;

    [[nodiscard]] bool has(const std::string& tensor) const { return file_.find(tensor) != nullptr; }

    /// A tensor as a matrix; of one dimension: one row.
    [[nodiscard]] Matrix<T> operator[](const std::string& tensor) const {
        const auto shape = file_.at(tensor).shape.matrix();
        Matrix<T> m(shape.rows, shape.cols);
        file_.read_as(tensor, m.view());
        return m;
    }

    /// [N, out, r] in the file, head above head; (out, N*r) in the library, head beside head.
    [[nodiscard]] Matrix<T> heads(const std::string& tensor) const {
        const auto stacked = (*this)[tensor];  // (N*out, r)
        Matrix<T> m(config.out, config.heads * config.rank);
        for (Index i = 0; i < config.heads; ++i)
            for (Index o = 0; o < config.out; ++o)
                for (Index j = 0; j < config.rank; ++j) m(o, i * config.rank + j) = stacked(i * config.out + o, j);
        return m;
    }

private:
    [[nodiscard]] double number(const std::string& key) const {
        const auto* text = file_.metadata(key);
        hydralora::check(text != nullptr, file_.name(), ": no metadata ", key);
        return std::stod(*text);
    }
    [[nodiscard]] Index integer(const std::string& key) const { return static_cast<Index>(number(key)); }

    hydralora::io::SafetensorsFile file_;
};

}  // namespace test
