// The commands that look at data alone.
#include <memory>

#include "subcommand.hpp"

namespace hydra {

Subcommand add_components(CLI::App& app) {
    const auto options = std::make_shared<ComponentsOptions>();
    CLI::App& c = *app.add_subcommand(
        "components", "the components of a corpus: how many heads its documents ask for, and what each is about");
    c.option_defaults()->always_capture_default();
    c.add_option("data", options->data, "files as for train: each record a document, other texts in pieces")
        ->required()
        ->type_name("FILE");
    add_skip_unusable(c, options->skip_unusable);
    add_enum(c, "--terms", options->terms, terms_names, "what documents are told apart by");
    c.add_option("--piece", options->piece, "bytes of the pieces that plain texts are cut into");
    c.add_option("--most", options->most, "clusters to try, from 1 on");
    c.add_option("--min-df", options->min_df, "terms of fewer documents are not counted");
    c.add_option("--max-df", options->max_df, "nor those of more than this share of the documents");
    c.add_option("--strongest", options->strongest_terms, "terms shown of each component");
    c.add_option("--seed", options->seed, "of the clusters' beginnings");
    c.add_option("--threads", options->threads, "0: all processors; changes no bit");
    c.add_option("--json", options->json, "write all of it there too")->type_name("FILE");
    return {&c, [options] { return Command(*options); }};
}

}  // namespace hydra
