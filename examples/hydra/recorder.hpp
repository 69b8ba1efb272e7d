// Launching the work of a step as one piece, on backends that can.
#pragma once

#include <hydralora/core/check.hpp>

namespace hydra {

/// run(f): the backend's work that f() asks for. A backend that can record work specialises this.
template <class B>
class Recorder {
public:
    explicit Recorder(B&) {}

    template <class F>
    void run(F&&) {
        hydralora::fail("--graph: needs --device cuda");
    }
};

}  // namespace hydra
