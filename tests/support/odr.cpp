// Linked into every test program: a second unit with all headers, so that a definition without `inline` does not link.
#include <hydralora/corpus/components.hpp>
#include <hydralora/corpus/dbscan.hpp>
#include <hydralora/corpus/overlap.hpp>
#include <hydralora/fwd.hpp>
#include <hydralora/hydralora.hpp>

#include <hydralora/adapter/router_probe.hpp>
#include <hydralora/analysis/pca.hpp>
#include <hydralora/analysis/principal_angles.hpp>
#include <hydralora/analysis/routing_summary.hpp>
#include <hydralora/analysis/t_sne.hpp>
