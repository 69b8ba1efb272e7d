// hydra components: the components of a corpus, which may become the heads of an adapter.
#pragma once

#include <string>

#include <hydralora/corpus/components.hpp>
#include <hydralora/io/json_value.hpp>

#include "corpus_texts.hpp"
#include "options.hpp"

namespace hydra {

/// Throws hydralora::Error that names the flag, or the file, that is in the way.
[[nodiscard]] hydralora::corpus::Components find_components(const CorpusTexts& corpus,
                                                            const ComponentsOptions& options);

/// What `options` mean to the library.
[[nodiscard]] hydralora::corpus::ComponentsOptions corpus_options(const ComponentsOptions& options);

/// How many components the data of a run has, found with the default options and the run's seed; says why on stderr.
[[nodiscard]] Index heads_of(const LoopOptions& run);

/// The curve with the chosen count, the clusters with their strongest terms, and how they meet the files.
[[nodiscard]] std::string components_text(const CorpusTexts& corpus, const hydralora::corpus::Components& found);
/// The same of documents of these domains, one a file; names: of components that have some.
[[nodiscard]] hydralora::io::Json components_json(const std::vector<std::string>& files,
                                                  const std::vector<Index>& domains,
                                                  const hydralora::corpus::Components& found,
                                                  const std::vector<std::string>& names = {});

void run_components(const ComponentsOptions& options);

}  // namespace hydra
