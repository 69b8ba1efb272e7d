// Every fused operation, each written from the primitives of backend/concept.hpp.
#pragma once

#include "compose/adamw.hpp"
#include "compose/add.hpp"
#include "compose/attention.hpp"
#include "compose/cross_entropy.hpp"
#include "compose/dropout.hpp"
#include "compose/elements.hpp"
#include "compose/embedding.hpp"
#include "compose/exponential.hpp"
#include "compose/norm.hpp"
#include "compose/rms_norm.hpp"
#include "compose/rope.hpp"
#include "compose/route.hpp"
#include "compose/row_loops.hpp"
#include "compose/sgd.hpp"
#include "compose/stored_product.hpp"
#include "compose/swiglu.hpp"
