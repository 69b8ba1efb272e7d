// The commands that use what was trained.
#include <memory>

#include "subcommand.hpp"

namespace hydra {

namespace {

void add_quantise(CLI::App& app, std::optional<Quantise>& quantise) {
    app.add_option_function<std::string>(
           "--quantise",
           [&quantise](const std::string& name) {
               quantise = hydralora::parse_enum<Quantise>("--quantise", name, quantise_names);
           },
           "the base's linear layers when they are loaded; unless given, as the adapter was trained on them")
        ->type_name("none|nf4|nf4-nested|int8|...+head");
}

}  // namespace

Subcommand add_evaluate(CLI::App& app) {
    const auto options = std::make_shared<EvaluateOptions>();
    CLI::App& e = *app.add_subcommand("eval", "score a base or an adapter on files, domain by domain");
    e.option_defaults()->always_capture_default();
    e.add_option("data", options->data, "files as for train")->required()->type_name("FILE");
    add_skip_unusable(e, options->skip_unusable);
    e.add_option("--base", options->base, "model directory or GGUF file")->required()->type_name("BASE");
    e.add_option("--adapter", options->adapter, "adapter directory; without it, the base")->type_name("DIR");
    add_quantise(e, options->quantise);
    add_chat(e, options->chat);
    e.add_option("--length", options->sequence_length, "longest sequence in tokens");
    e.add_option("--held-out", options->held_out,
                 "share of each file to score; with the share, seed and length of a run, what it held out");
    e.add_option("--seed", options->seed, "which share");
    e.add_option("--threads", options->threads, "0: all processors");
    add_place(e, options->place);
    e.add_option("--examples", options->evaluation.examples, "examples a domain, at most");
    e.add_option("--answers", options->evaluation.answers, "answers a domain to generate and compare, at most");
    e.add_option("--json", options->json, "write the scores there too")->type_name("FILE");
    e.add_option("--logits", options->logits,
                 "score nothing: write the logits of the data, one safetensors file with input_ids [batch, time]")
        ->type_name("FILE");
    return {&e, [options] { return Command(*options); }};
}

Subcommand add_generate(CLI::App& app) {
    const auto options = std::make_shared<GenerateTextOptions>();
    const auto raw = std::make_shared<bool>(false);
    CLI::App& g = *app.add_subcommand("generate", "answer an instruction, or continue a text");
    g.option_defaults()->always_capture_default();
    g.add_option("prompt", options->prompt, "the instruction, or with --raw the beginning of the text")->required();
    g.add_option("--base", options->base, "model directory or GGUF file")->required()->type_name("BASE");
    g.add_option("--adapter", options->adapter, "adapter directory; without it, the base")->type_name("DIR");
    add_quantise(g, options->quantise);
    add_chat(g, options->chat);
    g.add_option("--system", options->system, "system prompt before the instruction")->type_name("TEXT");
    g.add_flag("--raw", *raw, "continue the prompt as a text");
    g.add_option("--tokens", options->tokens, "at most so many");
    g.add_option("--temperature", options->sampling.temperature, "0: the most likely token");
    g.add_option("--top-k", options->sampling.top_k, "0: all");
    g.add_option("--top-p", options->sampling.top_p, "nucleus");
    g.add_option("--seed", options->sampling.seed.value, "of the sampling");
    g.add_option("--threads", options->threads, "0: all processors");
    add_place(g, options->place);
    return {&g, [options, raw] {
                options->instruction = !*raw;
                return Command(*options);
            }};
}

Subcommand add_report(CLI::App& app) {
    const auto options = std::make_shared<ReportOptions>();
    CLI::App& r = *app.add_subcommand("report", "what runs came to, as one HTML page: loss, scores, routing, cost");
    r.option_defaults()->always_capture_default();
    r.add_option("runs", options->runs,
                 "directories that train or pretrain made; runs that differ in their seed alone are averaged")
        ->required()
        ->type_name("RUN");
    r.add_option("--out", options->out, "the page; one that is there is replaced")->type_name("FILE");
    return {&r, [options] { return Command(*options); }};
}

Subcommand add_inspect(CLI::App& app) {
    const auto options = std::make_shared<InspectOptions>();
    CLI::App& i = *app.add_subcommand("inspect", "what a file or directory holds; several runs: compared");
    i.add_option("paths", options->paths,
                 "safetensors or GGUF file, or directory of an adapter, model, checkpoint or run")
        ->required()
        ->type_name("PATH");
    return {&i, [options] { return Command(*options); }};
}

Subcommand add_export(CLI::App& app) {
    const auto options = std::make_shared<ExportOptions>();
    const auto replace = std::make_shared<bool>(false);
    CLI::App& x = *app.add_subcommand("export", "write an adapter in a format that others read");
    x.option_defaults()->always_capture_default();
    x.add_option("adapter", options->adapter, "adapter directory")->required()->type_name("ADAPTER");
    x.add_option("--base", options->base, "model directory or GGUF file")->required()->type_name("BASE");
    add_enum(x, "--to", options->to, export_kind_names, "heads: a LoRA a head; collapsed: one LoRA under fixed gates")
        ->required();
    x.add_option("--out", options->out, "directory, for gguf-collapsed a file")->required()->type_name("PATH");
    add_enum(x, "--dtype", options->type, export_type_names, "elements of the file; what is trained here is f32");
    x.add_option("--text", options->text, "files whose mean gates are used, and on which the change is measured")
        ->type_name("FILE");
    x.add_option("--gate", options->gates, "fixed gates instead, one a head: 0.5,0.25,0.25")
        ->delimiter(',')
        ->allow_extra_args(false);
    x.add_option("--length", options->sequence_length, "tokens of the pieces that the text is cut into");
    x.add_flag("--force", *replace, "replace an export of that name");
    x.add_option("--threads", options->threads, "0: all processors");
    return {&x, [options, replace] {
                options->overwrite = *replace ? Overwrite::replace : Overwrite::refuse;
                return Command(*options);
            }};
}

Subcommand add_import(CLI::App& app) {
    const auto options = std::make_shared<ImportOptions>();
    const auto replace = std::make_shared<bool>(false);
    CLI::App& in = *app.add_subcommand(
        "import", "make an adapter of a LoRA of PEFT, mlx-lm or llama.cpp, or of a released HydraLoRA one");
    in.option_defaults()->always_capture_default();
    in.add_option("path", options->path, "directory of PEFT, mlx-lm or released HydraLoRA, or GGUF file of a LoRA")
        ->required()
        ->type_name("PATH");
    in.add_option("--base", options->base, "model directory or GGUF file that it was trained on")
        ->required()
        ->type_name("BASE");
    in.add_option("--out", options->out, "adapter directory, a new one")->required()->type_name("DIR");
    in.add_flag("--force", *replace, "replace an adapter of that name");
    in.add_option("--threads", options->threads, "0: all processors");
    return {&in, [options, replace] {
                options->overwrite = *replace ? Overwrite::replace : Overwrite::refuse;
                return Command(*options);
            }};
}

Subcommand add_merge(CLI::App& app) {
    const auto options = std::make_shared<MergeOptions>();
    CLI::App& w = *app.add_subcommand("merge", "write a base with an adapter's weights added to its own");
    w.option_defaults()->always_capture_default();
    w.add_option("adapter", options->adapter,
                 "adapter directory, with gate none or uniform, or, for a model directory, one of PEFT")
        ->required()
        ->type_name("ADAPTER");
    w.add_option("--base", options->base, "model directory or GGUF file")->required()->type_name("BASE");
    w.add_option("--out", options->out, "model directory, a new one; of a GGUF file such a file")
        ->required()
        ->type_name("PATH");
    w.add_option_function<std::string>(
         "--to",
         [options](const std::string& name) {
             options->to = hydralora::parse_enum<MergeType>("--to", name, merge_type_names);
         },
         "what the adapted matrices of a GGUF file become; all others stay as they are")
        ->type_name("f32|f16|bf16|q8_0")
        ->default_str("f16");
    w.add_option("--threads", options->threads, "0: all processors");
    return {&w, [options] { return Command(*options); }};
}

Subcommand add_analyze(CLI::App& app) {
    const auto options = std::make_shared<AnalyzeOptions>();
    CLI::App& a = *app.add_subcommand(
        "analyze", "what separately trained adapters share: how alike their A's and B's are, with figures");
    a.option_defaults()->always_capture_default();
    a.add_option("adapters", options->adapters,
                 "adapter directories of one base, rank and target modules; one alone: its heads among themselves")
        ->required()
        ->type_name("ADAPTER");
    a.add_option("--start", options->start,
                 "adapter at step 0 (hydra train --save-start), for the changes of A; once for all, or once for each")
        ->allow_extra_args(false)
        ->type_name("ADAPTER");
    a.add_option("--out", options->out, "write the figures there, an HTML page")->type_name("FILE");
    a.add_option("--json", options->json, "write all numbers there")->type_name("FILE");
    a.add_option("--seed", options->seed, "of the maps by t-SNE");
    return {&a, [options] { return Command(*options); }};
}

}  // namespace hydra
