// Which examples of a domain are held out.
#pragma once

#include <string_view>
#include <vector>

#include <hydralora/core/random.hpp>

#include "packing.hpp"

namespace hydra {

/// Whether each example is held out: ceil(share * n) of them, at least one and not all (share 0: none, 1: all), chosen by
/// seed and name. Equal examples go to one side, so the count may be missed where copies are many.
[[nodiscard]] std::vector<bool> held_out_of(const std::vector<const Example*>& examples, double share,
                                            hydralora::Seed seed, std::string_view name);

}  // namespace hydra
