// A matrix of the base with an adapter added.
#pragma once

#include <hydralora/adapter/collapse.hpp>

#include "session.hpp"

namespace hydra {

/// Of a projection: the base's own, and that with s sum_i w_i B_i A_i added.
struct MergedMatrix {
    hydralora::ParamBuffer<HostBackend> w0, sum;  // (out, in)
};

/// The gates of the session's adapter must not depend on the token.
[[nodiscard]] MergedMatrix merged_matrix(Session& session, Index layer, hydralora::Target target);

}  // namespace hydra
