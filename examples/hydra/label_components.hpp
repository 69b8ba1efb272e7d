// The component of every example: a cluster of the training texts, its file, or a field of its record.
#pragma once

#include <vector>

#include <hydralora/corpus/components.hpp>
#include <hydralora/io/json_value.hpp>

#include "data.hpp"
#include "options.hpp"
#include "speech.hpp"

namespace hydra {

/// The domains of a run, and its options with the number of heads that the components decide.
struct LabelledData {
    std::vector<Domain> domains;
    TrainOptions options;
    hydralora::Index components = 0;  ///< 0: none were asked for
    hydralora::io::Json record = {};  ///< what components.json says of them and of the training examples
};

/// Reads the data of a run, labels it where options.labelled(), and says on stderr what the labels are. Texts are clustered
/// over the training examples alone, as hydra components does it, with options.components.clusters, else as many clusters
/// as heads, else as many as the elbow says; a held-out example gets the cluster of the nearest centre, its terms weighed
/// as the training texts'. An example's text is that of its tokens, without control tokens. Throws hydralora::Error.
[[nodiscard]] LabelledData read_labelled_data(const TrainOptions& options, const Speech& speech);

/// Labels the examples of unpacked domains by clusters of their texts, 0: as many as the elbow says. What it found has no
/// curve where the number was given.
hydralora::corpus::Components label_by_text(std::vector<Domain>& domains, const Vocabulary& vocabulary,
                                            hydralora::Index clusters, const LoopOptions& loop);

}  // namespace hydra
