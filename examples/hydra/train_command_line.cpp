// The commands that train, and plan.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "subcommand.hpp"

namespace hydra {

using namespace hydralora;

namespace {

/// What --targets takes: names of linear layers, and of groups of them.
constexpr auto target_words = [] {
    std::array<std::string_view, target_count + 3> words{};
    std::copy(target_names.begin(), target_names.end(), words.begin());
    words[target_count] = "all";
    words[target_count + 1] = "attention";
    words[target_count + 2] = "mlp";
    return words;
}();

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
        const auto word = parse_enum<std::size_t>("--targets", name, target_words);
        if (word < target_count) add({static_cast<Target>(word)});
    }
    std::sort(targets.begin(), targets.end());
    return targets;
}

/// `--targets q_proj v_proj` reads v_proj as a file of data.
void check_no_target_among(const std::vector<std::filesystem::path>& data, const std::vector<std::string>& targets) {
    std::string meant;
    for (const auto& name : targets) meant += name + ",";
    for (const auto& path : data) {
        std::error_code error;
        const std::string name = path.string();
        const bool target = std::find(target_words.begin(), target_words.end(), name) != target_words.end();
        check(!target || std::filesystem::exists(path, error), '"', name,
              "\" is taken for a file of data, and there is none; targets are parted by commas: --targets ", meant,
              name);
    }
}

/// What is trained on, and where the run goes.
void add_run(CLI::App& app, LoopOptions& o) {
    app.option_defaults()->always_capture_default();
    app.add_option("data", o.data,
                   "each file is a domain: .jsonl, .ndjson or .json with records (conversations as {\"messages\"} or "
                   "{\"conversations\"}, {\"instruction\",\"input\",\"output\"}, {\"prompt\",\"completion\"}, "
                   "{\"text\"}), or any text")
        ->required()
        ->type_name("FILE");
    app.add_option("--out", o.out, "directory of the run, a new one")->required()->type_name("DIR");
    app.add_flag("--resume", o.resume, "continue the run in --out from its newest checkpoint");
    add_skip_unusable(app, o.skip_unusable);
}

void add_loop(CLI::App& app, LoopOptions& o) {
    app.option_defaults()->always_capture_default();
    app.add_option("--steps", o.steps, "optimiser steps; 0: by --epochs")->group("Loop");
    app.add_option("--epochs", o.epochs, "passes over the training examples")->group("Loop");
    app.add_option("--batch", o.batch, "sequences a step")->group("Loop");
    app.add_option(
           "--accumulation", o.accumulation,
           "compute a step in parts of at most 1/N of its tokens, for less memory; same results. N divides --batch")
        ->group("Loop");
    add_enum(
        app, "--keep", o.keep, std::array<std::string_view, 2>{"all", "inputs"},
        "of the forward pass for the way back: everything, or the inputs of blocks, which are computed again: less "
        "memory, a third more work; same results")
        ->group("Loop");
    app.add_option("--length", o.sequence_length, "longest sequence in tokens")->group("Loop");
    add_enum(app, "--mix", o.mix, mix_names,
             "examples drawn from all domains alike, domains in turn, or components in turn")
        ->group("Loop");
    add_enum(app, "--packing", o.packing, packing_names,
             "examples laid into one sequence, as documents that do not see each other, or as one text")
        ->group("Loop");
    app.add_option("--held-out", o.held_out, "share of each domain kept for evaluation")->group("Loop");
    app.add_option("--seed", o.seed, "of initial values, order and dropout")->group("Loop");
    app.add_option("--threads", o.threads,
                   "0: as many as there are processors for this process (affinity, quota of its control group)")
        ->group("Loop");
    add_place(app, o.place, "Loop");
    app.add_flag("--graph", o.graph, "launch each step as a CUDA graph; same results")->group("Loop");
    app.add_option("--eval-every", o.evaluate_every, "steps between evaluations; 0: only before and after")
        ->group("Loop");
    app.add_option("--eval-examples", o.evaluation.examples, "held-out examples a domain, at most")->group("Loop");
    app.add_option("--eval-answers", o.evaluation.answers, "answers a domain to generate and compare, at most")
        ->group("Loop");
    app.add_option("--save-every", o.save_every, "steps between checkpoints; 0: only at the end")->group("Loop");
    app.add_option("--lr", o.adamw.lr, "learning rate of AdamW")->group("Optimiser");
    app.add_option("--beta1", o.adamw.beta1, "decay of the mean gradient")->group("Optimiser");
    app.add_option("--beta2", o.adamw.beta2, "decay of the mean square")->group("Optimiser");
    app.add_option("--weight-decay", o.adamw.weight_decay, "decoupled; spares norms")->group("Optimiser");
    app.add_option("--lr-ratio-a", o.adamw.ratios.a, "learning rate of A over --lr")->group("Optimiser");
    app.add_option("--lr-ratio-b", o.adamw.ratios.b, "learning rate of B over --lr")->group("Optimiser");
    app.add_option("--lr-ratio-router", o.adamw.ratios.router,
                   "learning rate of the router over --lr; 0.2 with --router-init components unless given")
        ->group("Optimiser");
    add_enum(app, "--schedule", o.schedule, schedule_names, "of the learning rate after the warm-up")
        ->group("Optimiser");
    app.add_option("--warm-up", o.warm_up, "share of the steps if below 1, else steps")->group("Optimiser");
    app.add_option("--final-ratio", o.final_ratio, "learning rate at the end over --lr")->group("Optimiser");
    app.add_option("--clip", o.clip, "largest global norm of the gradient; 0: none")->group("Optimiser");
}

void add_adapter(CLI::App& app, TrainOptions& o, std::string& heads, std::vector<std::string>& targets) {
    AdapterConfig& a = o.adapter.adapter;
    app.add_option_function<std::string>(
           "--weights",
           [&o](const std::string& name) {
               o.weights = parse_enum<BaseWeights>("--weights", name, base_weights_names);
           },
           "of the base, on the processor: packed once more in memory as its products read them (quantised ones "
           "rounded "
           "to bfloat16), mapped, as the files have them, for less memory, or packed8: the codes of quantised ones, 8 "
           "bits "
           "each, unrounded; packed of a directory and mapped of a GGUF file unless given")
        ->type_name("packed|mapped|packed8")
        ->group("Adapter");
    add_enum(
        app, "--quantise", o.quantise, quantise_names,
        "the base's linear layers when they are loaded (QLoRA): 4.5 bits an element, 4.13 with nested scales, or 8.5; "
        "with +head its output head too")
        ->group("Adapter");
    app.add_option("--rank", a.rank, "r of every adapter")->group("Adapter");
    app.add_option("--heads", heads, "N: number of B's; auto: as many as the data has components (hydra components)")
        ->type_name("N|auto")
        ->group("Adapter");
    app.add_option("--alpha", a.alpha, "scaling is alpha / rank")->group("Adapter");
    app.add_option("--dropout", a.dropout, "rate on the input of A")->group("Adapter");
    app.add_option(
           "--targets", targets,
           "linear layers, parted by commas: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, attention, "
           "mlp, all")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->group("Adapter");
    add_enum(app, "--sharing", a.sharing, adapter_names::sharing, "one A for all heads, or one a head")
        ->group("Adapter");
    add_enum(app, "--gate", a.gate, std::array<std::string_view, 4>{"none", "uniform", "softmax", "top_k"},
             "weights of the heads")
        ->group("Adapter");
    app.add_option("--top-k", a.top_k, "heads a token uses with --gate top_k")->group("Adapter");
    add_enum(app, "--router-input", a.router_input, adapter_names::router_input,
             "what the router reads: the layer's input, or A times it")
        ->group("Adapter");
    add_enum(app, "--router-bias", a.router_bias, adapter_names::router_bias, "of the router's logits")
        ->group("Adapter");
    add_enum(app, "--router-pooling", a.router_pooling, adapter_names::router_pooling,
             "whose logits make a token's gates: its own, or the mean over its document so far")
        ->group("Adapter");
    add_enum(app, "--dropout-mask", a.dropout_mask, adapter_names::dropout_mask,
             "one mask for all heads, or one a head")
        ->group("Adapter");
}

/// What heads begin from, and how their routing is helped along.
void add_routing(CLI::App& app, TrainOptions& o) {
    ComponentStart& c = o.components;
    RoutingPolicy& r = o.loop.routing;
    add_enum(app, "--router-init", c.router, adapter_names::router_init,
             "uniform rows as in the released code, or fitted to the components of the training examples on each "
             "layer's inputs")
        ->group("Routing");
    app.add_option_function<std::string>(
           "--component-of",
           [&c](const std::string& name) {
               c.of = parse_enum<ComponentOf>("--component-of", name, component_of_names);
           },
           "what the component of an example is: a cluster of the training texts, its file, or a field of its record; "
           "the last two tell the routers what a plain LoRA is not told")
        ->type_name("texts|files|field")
        ->default_str("texts")
        ->group("Routing");
    app.add_option("--component-field", c.field, "the field of every JSON record that names its component")
        ->type_name("NAME")
        ->group("Routing");
    app.add_option("--components", c.clusters, "clusters of the texts; 0: as many as heads")->group("Routing");
    app.add_option("--router-sample", c.sample, "tokens that --router-init components looks at")->group("Routing");
    app.add_option(
           "--router-ridge", c.ridge,
           "of that fit, as a share of the mean square of a layer's inputs: more keeps to what they vary in most")
        ->group("Routing");
    app.add_option("--router-std", c.logit_std, "deviation of the logits with --router-init components")
        ->group("Routing");
    app.add_option("--router-scale", c.start.router_scale, "of the released rows; above 1: sharper gates")
        ->group("Routing");
    app.add_option("--b-std", c.start.b_std, "deviation of B at the start; 0: B is 0, as in the released code")
        ->group("Routing");
    app.add_option("--top-k-after", r.top_k_after,
                   "step before which --gate top_k trains all heads; held-out scores are of the k throughout")
        ->group("Routing");
    app.add_option("--balance", r.balance, "coefficient of the loss that heads are used unequally")->group("Routing");
    app.add_option("--router-z", r.z, "coefficient of the loss that logits are large")->group("Routing");
    app.add_option("--balance-decay", r.balance_decay,
                   "share of the steps over which both coefficients fall to 0; 0: they stay")
        ->group("Routing");
}

Index parse_heads(const std::string& text) {
    Index heads = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), heads);
    check(error == std::errc() && end == text.data() + text.size(), "--heads ", text,
          ": expected a number, or auto: as many as the data has components");
    return heads;
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

/// Refuses options that this run would not look at.
void check_given(const CLI::App& app, const TrainOptions& o) {
    const auto needs = [&](const char* flag, bool met, const char* what) {
        check(met || app.get_option(flag)->count() == 0, flag, ": has no effect ", what);
    };
    const bool adapter = o.method == Method::adapter;
    check(adapter || !o.heads_of_data, "--heads auto: --method full has no heads");
    const bool fitted = o.components.router == RouterInit::components;
    const bool texts = o.labelled() && o.components.of.value_or(ComponentOf::texts) == ComponentOf::texts;
    needs("--components", texts,
          "without components of the texts; give --router-init components, --mix components or --component-of texts");
    for (const char* flag : {"--router-sample", "--router-ridge", "--router-std"})
        needs(flag, fitted, "without --router-init components");
    needs("--router-scale", adapter && o.adapter.adapter.routed() && !fitted,
          "on routers that are fitted or not there; it scales the released start");
    needs("--b-std", adapter, "with --method full");
    needs("--router-pooling", adapter && o.adapter.adapter.routed(), "without a router; give --gate softmax or top_k");
    needs("--lr-ratio-router", adapter && o.adapter.adapter.routed(), "without a router; give --gate softmax or top_k");
    needs("--balance-decay", o.loop.routing.balance > 0 || o.loop.routing.z > 0, "without --balance or --router-z");
}

/// What stands for several options.
struct Presets {
    std::string method = "hydralora", heads = "4";
    std::vector<std::string> targets{"all"};
};

/// The options of a training run but for its data and place; make() completes `options` after the arguments were read.
struct Training {
    std::shared_ptr<TrainOptions> options = std::make_shared<TrainOptions>();
    std::shared_ptr<Presets> presets = std::make_shared<Presets>();

    explicit Training(CLI::App& app) {
        options->adapter.adapter = {.rank = 8, .heads = 4, .alpha = 32, .dropout = 0.05};
        app.option_defaults()->always_capture_default();
        app.add_option("--base", options->base, "model directory or GGUF file")->required()->type_name("BASE");
        app.add_option("--method", presets->method, "preset: hydralora, lora, loramoe, uniform, full")
            ->group("Adapter");
        add_loop(app, options->loop);
        add_adapter(app, *options, presets->heads, presets->targets);
        add_routing(app, *options);
    }
    [[nodiscard]] TrainOptions make(const CLI::App& app) const {
        TrainOptions made = *options;
        made.heads_of_data = presets->heads == "auto";
        if (!made.heads_of_data) made.adapter.adapter.heads = parse_heads(presets->heads);
        apply_method(presets->method, app, made);
        made.adapter.targets = parse_targets(presets->targets);
        check_no_target_among(made.loop.data, presets->targets);
        check(!made.save_start || made.method == Method::adapter, "--save-start: --method full has no adapter");
        check_given(app, made);
        if (!made.components.field.empty() && !made.components.of) made.components.of = ComponentOf::field;
        if (made.components.router == RouterInit::components && app.get_option("--lr-ratio-router")->count() == 0)
            made.loop.adamw.ratios.router = 0.2;  // a fitted router is to be kept
        check(made.method == Method::full || made.adapter.adapter.alpha > 0, "--alpha ", made.adapter.adapter.alpha,
              ": expected above 0; an adapter scaled by 0 does nothing and learns nothing");
        return made;
    }
};

}  // namespace

Subcommand add_pretrain(CLI::App& app) {
    const auto options = std::make_shared<PretrainOptions>();
    const auto tied = std::make_shared<bool>(false);
    options->loop.adamw.beta2 = 0.98;
    options->model = {.vocabulary = 257,
                      .width = 192,
                      .layers = 6,
                      .heads = 6,
                      .kv_heads = 2,
                      .head_dim = 32,
                      .feed_forward = 512,
                      .max_positions = 512,
                      .lm_head = LmHead::own};
    CLI::App& p = *app.add_subcommand("pretrain", "train a base model from nothing");
    add_run(p, options->loop);
    add_loop(p, options->loop);
    p.add_option("--width", options->model.width, "of the residual stream")->group("Model");
    p.add_option("--layers", options->model.layers, "blocks")->group("Model");
    p.add_option("--model-heads", options->model.heads, "query heads")->group("Model");
    p.add_option("--kv-heads", options->model.kv_heads, "key and value heads")->group("Model");
    p.add_option("--head-dim", options->model.head_dim, "width of a head")->group("Model");
    p.add_option("--feed-forward", options->model.feed_forward, "width between the feed-forward layers")
        ->group("Model");
    p.add_option("--max-positions", options->model.max_positions, "longest sequence of the model")->group("Model");
    p.add_flag("--tied", *tied, "the output head is the embedding")->group("Model");
    return {&p, [options, tied] {
                options->model.lm_head = *tied ? LmHead::tied : LmHead::own;
                return Command(*options);
            }};
}

Subcommand add_train(CLI::App& app) {
    CLI::App& t = *app.add_subcommand("train", "fine-tune a base with HydraLoRA, a sibling of it, or whole");
    const Training training(t);
    add_run(t, training.options->loop);
    t.add_flag("--dry-run", training.options->dry_run,
               "say what would be trained, on what and in how much memory, and stop");
    t.add_flag("--save-start", training.options->save_start,
               "write the untrained adapter to OUT/start, for hydra analyze --start");
    add_chat(t, training.options->chat);
    return {&t, [training, &t] { return Command(training.make(t)); }};
}

Subcommand add_plan(CLI::App& app) {
    CLI::App& m = *app.add_subcommand("plan", "the memory that train with the same options will take");
    const Training training(m);
    return {&m, [training, &m] { return Command(PlanOptions{training.make(m)}); }};
}

}  // namespace hydra
