#include "command_line.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <map>

namespace hydra {

using namespace hydralora;

namespace {

/// "q_proj,v_proj", "attention", "mlp" or "all"
std::vector<Target> parse_targets(const std::vector<std::string>& names) {
    const std::vector<Target> attention{Target::q_proj, Target::k_proj, Target::v_proj, Target::o_proj};
    const std::vector<Target> mlp{Target::gate_proj, Target::up_proj, Target::down_proj};
    std::vector<Target> targets;
    const auto add = [&](const std::vector<Target>& more) {
        for (const Target t : more)
            if (std::find(targets.begin(), targets.end(), t) == targets.end()) targets.push_back(t);
    };
    for (const auto& name : names) {
        if (name == "all" || name == "attention") add(attention);
        if (name == "all" || name == "mlp") add(mlp);
        if (name != "all" && name != "attention" && name != "mlp") add({parse_target(name)});
    }
    std::sort(targets.begin(), targets.end());
    return targets;
}

template <class Enum, std::size_t n>
CLI::Option* add_enum(CLI::App& app, const std::string& flag, Enum& value, const std::array<std::string_view, n>& names,
                      const std::string& help) {
    std::string choices;
    std::map<std::string, Enum> map;
    for (std::size_t i = 0; i < n; ++i) {
        map.emplace(names[i], static_cast<Enum>(i));
        choices += (i == 0 ? "" : "|") + std::string(names[i]);
    }
    return app
        .add_option_function<std::string>(
            flag, [&value, flag, names](const std::string& name) { value = parse_enum<Enum>(flag, name, names); }, help)
        ->type_name(choices)
        ->default_str(std::string(enum_name(value, names)));
}

/// What is trained on, and where the run goes.
void add_run(CLI::App& app, LoopOptions& o) {
    app.option_defaults()->always_capture_default();
    app.add_option("data", o.data,
                   "each file is a domain: .json or .jsonl with records (conversations as {\"messages\"} or "
                   "{\"conversations\"}, {\"instruction\",\"input\",\"output\"}, {\"text\"}), or any text")
        ->required()
        ->type_name("FILE");
    app.add_option("--out", o.out, "directory of the run, a new one")->required()->type_name("DIR");
    app.add_flag("--resume", o.resume, "continue the run in --out from its newest checkpoint");
}

void add_loop(CLI::App& app, LoopOptions& o) {
    app.option_defaults()->always_capture_default();
    app.add_option("--steps", o.steps, "optimiser steps; 0: by --epochs")->group("Loop");
    app.add_option("--epochs", o.epochs, "passes over the training examples")->group("Loop");
    app.add_option("--batch", o.batch, "sequences a step")->group("Loop");
    app.add_option("--accumulation", o.accumulation,
                   "compute a step in parts of at most 1/N of its tokens, for less memory; same results")
        ->group("Loop");
    add_enum(
        app, "--keep", o.keep, std::array<std::string_view, 2>{"all", "inputs"},
        "of the forward pass for the way back: everything, or the inputs of blocks, which are computed again: less "
        "memory, a third more work; same results")
        ->group("Loop");
    app.add_option("--length", o.sequence_length, "longest sequence in tokens")->group("Loop");
    add_enum(app, "--mix", o.mix, mix_names, "examples drawn from all domains alike, or domains in turn")
        ->group("Loop");
    add_enum(app, "--packing", o.packing, packing_names,
             "examples laid into one sequence, as documents that do not see each other, or as one text")
        ->group("Loop");
    app.add_option("--held-out", o.held_out, "share of each domain kept for evaluation")->group("Loop");
    app.add_option("--seed", o.seed, "of initial values, order and dropout")->group("Loop");
    app.add_option("--threads", o.threads, "0: all processors")->group("Loop");
    app.add_option("--eval-every", o.evaluate_every, "steps between evaluations; 0: only before and after")
        ->group("Loop");
    app.add_option("--eval-examples", o.evaluation.examples, "held-out examples a domain, at most")->group("Loop");
    app.add_option("--eval-answers", o.evaluation.answers, "answers a domain to generate and compare, at most")
        ->group("Loop");
    app.add_option("--save-every", o.save_every, "steps between checkpoints; 0: only at the end")->group("Loop");
    app.add_option("--lr", o.adamw.lr, "learning rate of AdamW")->group("Optimiser");
    app.add_option("--beta1", o.adamw.beta1, "")->group("Optimiser");
    app.add_option("--beta2", o.adamw.beta2, "")->group("Optimiser");
    app.add_option("--weight-decay", o.adamw.weight_decay, "decoupled; spares norms")->group("Optimiser");
    app.add_option("--lr-ratio-a", o.adamw.ratios.a, "learning rate of A over --lr")->group("Optimiser");
    app.add_option("--lr-ratio-b", o.adamw.ratios.b, "learning rate of B over --lr")->group("Optimiser");
    app.add_option("--lr-ratio-router", o.adamw.ratios.router, "learning rate of the router over --lr")
        ->group("Optimiser");
    add_enum(app, "--schedule", o.schedule, schedule_names, "of the learning rate after the warm-up")
        ->group("Optimiser");
    app.add_option("--warm-up", o.warm_up, "share of the steps if below 1, else steps")->group("Optimiser");
    app.add_option("--final-ratio", o.final_ratio, "learning rate at the end over --lr")->group("Optimiser");
    app.add_option("--clip", o.clip, "largest global norm of the gradient; 0: none")->group("Optimiser");
}

void add_chat(CLI::App& app, std::string& chat) {
    app.add_option("--chat", chat,
                   "format of conversations; without it that of the base's chat template: " + text::chat_format_list())
        ->type_name("NAME");
}

void add_adapter(CLI::App& app, TrainOptions& o, std::vector<std::string>& targets) {
    AdapterConfig& a = o.adapter.adapter;
    app.add_option("--rank", a.rank, "r of every adapter")->group("Adapter");
    app.add_option("--heads", a.heads, "N: number of B's")->group("Adapter");
    app.add_option("--alpha", a.alpha, "scaling is alpha / rank")->group("Adapter");
    app.add_option("--dropout", a.dropout, "rate on the input of A")->group("Adapter");
    app.add_option("--targets", targets,
                   "linear layers: q_proj k_proj v_proj o_proj gate_proj up_proj down_proj, attention, mlp, all")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->group("Adapter");
    add_enum(app, "--sharing", a.sharing, adapter_names::sharing, "one A for all heads, or one a head")
        ->group("Adapter");
    add_enum(app, "--gate", a.gate, std::array<std::string_view, 4>{"none", "uniform", "softmax", "top_k"},
             "weights of the heads")
        ->group("Adapter");
    app.add_option("--top-k", a.top_k, "heads a token uses with --gate top_k")->group("Adapter");
    add_enum(app, "--router-input", a.router_input, adapter_names::router_input, "")->group("Adapter");
    add_enum(app, "--router-bias", a.router_bias, adapter_names::router_bias, "")->group("Adapter");
    add_enum(app, "--dropout-mask", a.dropout_mask, adapter_names::dropout_mask,
             "one mask for all heads, or one a head")
        ->group("Adapter");
}

/// Presets of the family; flags of their own still count.
void apply_method(const std::string& name, const CLI::App& app, TrainOptions& o) {
    AdapterConfig& a = o.adapter.adapter;
    const auto given = [&](const char* flag) { return app.get_option(flag)->count() > 0; };
    if (name == "full") {
        o.method = Method::full;
    } else if (name == "lora") {
        if (!given("--gate")) a.gate = Gate::none;
        if (!given("--heads")) a.heads = 1;
    } else if (name == "loramoe") {
        if (!given("--sharing")) a.sharing = Sharing::own_a;
    } else if (name == "uniform") {
        if (!given("--gate")) a.gate = Gate::uniform;
    } else if (name != "hydralora") {
        fail("--method: \"", name, "\" is unknown, expected one of: hydralora, lora, loramoe, uniform, full");
    }
}

}  // namespace

std::variant<Command, int> parse_command_line(int argc, const char* const* argv) {
    CLI::App app("Train, evaluate and use HydraLoRA adapters on a small Llama-family model.", "hydra");
    app.require_subcommand(1);
    app.fallthrough();
    app.set_config("--config", "", "TOML file with options of the command, under [train] or [pretrain]");
    app.allow_config_extras(CLI::config_extras_mode::error);

    PretrainOptions pretrain;
    pretrain.loop.adamw.beta2 = 0.98;
    pretrain.model = {.vocabulary = 257,
                      .width = 192,
                      .layers = 6,
                      .heads = 6,
                      .kv_heads = 2,
                      .head_dim = 32,
                      .feed_forward = 512,
                      .max_positions = 512,
                      .lm_head = LmHead::own};
    bool tied = false;
    CLI::App& p = *app.add_subcommand("pretrain", "train a base model from nothing");
    add_run(p, pretrain.loop);
    add_loop(p, pretrain.loop);
    p.add_option("--width", pretrain.model.width, "")->group("Model");
    p.add_option("--layers", pretrain.model.layers, "")->group("Model");
    p.add_option("--model-heads", pretrain.model.heads, "query heads")->group("Model");
    p.add_option("--kv-heads", pretrain.model.kv_heads, "key and value heads")->group("Model");
    p.add_option("--head-dim", pretrain.model.head_dim, "")->group("Model");
    p.add_option("--feed-forward", pretrain.model.feed_forward, "")->group("Model");
    p.add_option("--max-positions", pretrain.model.max_positions, "longest sequence of the model")->group("Model");
    p.add_flag("--tied", tied, "the output head is the embedding")->group("Model");

    TrainOptions train;
    train.adapter.adapter = {.rank = 8, .heads = 4, .alpha = 32, .dropout = 0.05};
    std::vector<std::string> targets{"all"};
    std::string method = "hydralora";
    const auto add_training = [&](CLI::App& to) {
        to.option_defaults()->always_capture_default();
        to.add_option("--base", train.base, "model directory")->required()->type_name("DIR");
        to.add_option("--method", method, "preset: hydralora, lora, loramoe, uniform, full")->group("Adapter");
        add_loop(to, train.loop);
        add_adapter(to, train, targets);
    };
    CLI::App& t = *app.add_subcommand("train", "fine-tune a base with HydraLoRA, a sibling of it, or whole");
    add_run(t, train.loop);
    t.add_flag("--dry-run", train.dry_run, "say what would be trained, on what and in how much memory, and stop");
    add_chat(t, train.chat);
    add_training(t);
    CLI::App& m = *app.add_subcommand("plan", "the memory that train with the same options will take");
    add_training(m);

    EvaluateOptions eval;
    CLI::App& e = *app.add_subcommand("eval", "score a base or an adapter on files, domain by domain");
    e.option_defaults()->always_capture_default();
    e.add_option("data", eval.data, "files as for train")->required()->type_name("FILE");
    e.add_option("--base", eval.base, "model directory")->required()->type_name("DIR");
    e.add_option("--adapter", eval.adapter, "adapter directory; without it, the base")->type_name("DIR");
    add_chat(e, eval.chat);
    e.add_option("--length", eval.sequence_length, "longest sequence in tokens");
    e.add_option("--held-out", eval.held_out,
                 "share of each file to score; with the share, seed and length of a run, what it held out");
    e.add_option("--seed", eval.seed, "which share");
    e.add_option("--threads", eval.threads, "0: all processors");
    e.add_option("--examples", eval.evaluation.examples, "examples a domain, at most");
    e.add_option("--answers", eval.evaluation.answers, "answers a domain to generate and compare, at most");
    e.add_option("--json", eval.json, "write the scores there too")->type_name("FILE");
    e.add_option("--logits", eval.logits,
                 "score nothing: write the logits of the data, one safetensors file with input_ids [batch, time]")
        ->type_name("FILE");

    GenerateTextOptions generate;
    bool raw = false;
    CLI::App& g = *app.add_subcommand("generate", "answer an instruction, or continue a text");
    g.option_defaults()->always_capture_default();
    g.add_option("prompt", generate.prompt, "the instruction, or with --raw the beginning of the text")->required();
    g.add_option("--base", generate.base, "model directory")->required()->type_name("DIR");
    g.add_option("--adapter", generate.adapter, "adapter directory; without it, the base")->type_name("DIR");
    add_chat(g, generate.chat);
    g.add_flag("--raw", raw, "continue the prompt as a text");
    g.add_option("--tokens", generate.tokens, "at most so many");
    g.add_option("--temperature", generate.sampling.temperature, "0: the most likely token");
    g.add_option("--top-k", generate.sampling.top_k, "0: all");
    g.add_option("--top-p", generate.sampling.top_p, "nucleus");
    g.add_option("--seed", generate.sampling.seed.value, "");
    g.add_option("--threads", generate.threads, "0: all processors");

    InspectOptions inspect;
    CLI::App& i = *app.add_subcommand("inspect", "what a file or directory holds; several runs: compared");
    i.add_option("paths", inspect.paths, "safetensors file, or directory of an adapter, model, checkpoint or run")
        ->required()
        ->type_name("PATH");

    ExportOptions exported;
    bool replace_export = false;
    CLI::App& x = *app.add_subcommand("export", "write an adapter in a format that others read");
    x.option_defaults()->always_capture_default();
    x.add_option("adapter", exported.adapter, "adapter directory")->required()->type_name("ADAPTER");
    x.add_option("--base", exported.base, "model directory")->required()->type_name("DIR");
    add_enum(x, "--to", exported.to, export_kind_names, "heads: a LoRA a head; collapsed: one LoRA under fixed gates")
        ->required();
    x.add_option("--out", exported.out, "directory, for gguf-collapsed a file")->required()->type_name("PATH");
    x.add_option("--text", exported.text, "files whose mean gates are used, and on which the change is measured")
        ->type_name("FILE");
    x.add_option("--gate", exported.gates, "fixed gates instead, one a head: 0.5,0.25,0.25")
        ->delimiter(',')
        ->allow_extra_args(false);
    x.add_option("--length", exported.sequence_length, "tokens of the pieces that the text is cut into");
    x.add_flag("--force", replace_export, "replace an export of that name");
    x.add_option("--threads", exported.threads, "0: all processors");

    ImportOptions imported;
    bool replace_import = false;
    CLI::App& in =
        *app.add_subcommand("import", "make an adapter of a LoRA of PEFT or of a released HydraLoRA checkpoint");
    in.option_defaults()->always_capture_default();
    in.add_option("path", imported.path, "directory with adapter_config.json and adapter_model.safetensors")
        ->required()
        ->type_name("PATH");
    in.add_option("--base", imported.base, "model directory that it was trained on")->required()->type_name("DIR");
    in.add_option("--out", imported.out, "adapter directory, a new one")->required()->type_name("DIR");
    in.add_flag("--force", replace_import, "replace an adapter of that name");
    in.add_option("--threads", imported.threads, "0: all processors");

    MergeOptions merged;
    CLI::App& w = *app.add_subcommand("merge", "write a base with an adapter's weights added to its own");
    w.option_defaults()->always_capture_default();
    w.add_option("adapter", merged.adapter, "adapter directory, with gate none or uniform")
        ->required()
        ->type_name("ADAPTER");
    w.add_option("--base", merged.base, "model directory")->required()->type_name("DIR");
    w.add_option("--out", merged.out, "model directory, a new one")->required()->type_name("DIR");
    w.add_option("--threads", merged.threads, "0: all processors");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ConfigError& error) {
        std::fprintf(stderr,
                     "hydra: %s: %s; options stand under [train] or [pretrain], named as in `hydra train --help`\n",
                     app.get_config_ptr()->as<std::string>().c_str(), error.what());
        return 2;
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    if (p.parsed()) {
        pretrain.model.lm_head = tied ? LmHead::tied : LmHead::own;
        return Command(pretrain);
    }
    if (t.parsed() || m.parsed()) {
        apply_method(method, t.parsed() ? t : m, train);
        train.adapter.targets = parse_targets(targets);
        return t.parsed() ? Command(train) : Command(PlanOptions{train});
    }
    if (e.parsed()) return Command(eval);
    if (g.parsed()) {
        generate.instruction = !raw;
        return Command(generate);
    }
    if (x.parsed()) {
        exported.overwrite = replace_export ? Overwrite::replace : Overwrite::refuse;
        return Command(exported);
    }
    if (in.parsed()) {
        imported.overwrite = replace_import ? Overwrite::replace : Overwrite::refuse;
        return Command(imported);
    }
    if (w.parsed()) return Command(merged);
    return Command(inspect);
}

}  // namespace hydra
