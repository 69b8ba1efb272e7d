// Times single cases for a program that measures something else in turn with them: bench/peers/gpu_layer.py. A line in, a
// line out, so that both are of one run on one device:
//
//   frozen | layer | layer_dropout | product | product_back   IN OUT TOKENS REPEATS     seconds of one
//   saved   IN OUT TOKENS 1                                                            bytes
#pragma once

#include <cmath>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include "linear_forms.hpp"

namespace bench {

/// One shape, with memory for its cases.
template <class D>
class Served {
    using B = HalfBackend<D>;

public:
    explicit Served(const LinearShape& shape)
        : memory_(be_, shape), frozen_{memory_}, layer_(memory_), dropping_(memory_, 0.05) {}

    [[nodiscard]] const LinearShape& shape() const { return memory_.shape; }

    /// NaN for a case that there is not.
    [[nodiscard]] double operator()(const std::string& what, int repeats) {
        if (what == "frozen") return time(repeats, [&] { step(frozen_); });
        if (what == "layer") return time(repeats, [&] { step(layer_); });
        if (what == "layer_dropout") return time(repeats, [&] { step(dropping_); });
        if (what == "product") return time(repeats, [&] { frozen_.forward(); });
        if (what == "product_back") return time(repeats, [&] { frozen_.backward(); });
        if (what != "saved") return std::nan("");
        layer_.prepare();
        layer_.forward();
        return static_cast<double>(layer_.saved_bytes());
    }

private:
    /// After one that is not counted.
    template <class F>
    double time(int repeats, const F& run) {
        run();
        typename D::Marks marks(be_);
        marks.add();
        for (int i = 0; i < repeats; ++i) run();
        marks.add();
        return marks.seconds().front() / repeats;
    }

    B be_;
    LinearMemory<B> memory_;
    FrozenForm<B> frozen_;
    BestForm<B> layer_, dropping_;
};

template <class D>
int serve(std::istream& in, std::ostream& out) {
    std::unique_ptr<Served<D>> at_hand;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string what;
        LinearShape shape;
        int repeats = 0;
        words >> what >> shape.in >> shape.out >> shape.tokens >> repeats;
        if (words.fail() || repeats < 1) {
            out << "error: not a request: " << line << std::endl;
            continue;
        }
        try {
            if (!at_hand || !(at_hand->shape() == shape)) {
                at_hand.reset();
                at_hand = std::make_unique<Served<D>>(shape);
            }
            const double value = (*at_hand)(what, repeats);
            if (std::isnan(value))
                out << "error: no such case: " << what << std::endl;
            else
                out << value << std::endl;
        } catch (const std::exception& error) {
            out << "error: " << error.what() << std::endl;
        }
    }
    return 0;
}

}  // namespace bench
