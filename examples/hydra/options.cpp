#include "options.hpp"

#include <algorithm>

#include <hydralora/io/adapter_config.hpp>

#include "base_model.hpp"
#include "records.hpp"

namespace hydra {

using namespace hydralora;
using io::Json;

Json to_json(const LoopOptions& o) {
    Json data = Json::array();
    for (const auto& path : o.data) data.push(path.string());
    return Json::object({{"data", data},
                         {"out", o.out.string()},
                         {"steps", o.steps},
                         {"epochs", o.epochs},
                         {"batch", o.batch},
                         {"accumulation", o.accumulation},
                         {"keep", std::string(hydralora::enum_name(o.keep, hydralora::keep_names))},
                         {"sequence_length", o.sequence_length},
                         {"mix", enum_name(o.mix, mix_names)},
                         {"packing", enum_name(o.packing, packing_names)},
                         {"held_out", o.held_out},
                         {"lr", o.adamw.lr},
                         {"beta1", o.adamw.beta1},
                         {"beta2", o.adamw.beta2},
                         {"eps", o.adamw.eps},
                         {"weight_decay", o.adamw.weight_decay},
                         {"lr_ratio_a", o.adamw.ratios.a},
                         {"lr_ratio_b", o.adamw.ratios.b},
                         {"lr_ratio_router", o.adamw.ratios.router},
                         {"schedule", enum_name(o.schedule, schedule_names)},
                         {"warm_up", o.warm_up},
                         {"final_ratio", o.final_ratio},
                         {"clip", o.clip},
                         {"seed", o.seed},
                         {"threads", Index{o.threads}},
                         {"device", enum_name(o.place.device, device_names)},
                         {"numbers", enum_name(o.place.numbers, numbers_names)},
                         {"eval_every", o.evaluate_every},
                         {"save_every", o.save_every},
                         {"eval_examples", o.evaluation.examples},
                         {"eval_answers", o.evaluation.answers}});
}

Json to_json(const PretrainOptions& o) {
    Json json = to_json(o.loop);
    json.set("width", o.model.width)
        .set("layers", o.model.layers)
        .set("heads", o.model.heads)
        .set("kv_heads", o.model.kv_heads);
    json.set("head_dim", o.model.head_dim)
        .set("feed_forward", o.model.feed_forward)
        .set("max_positions", o.model.max_positions);
    if (o.loop.skip_unusable) json.set("skip_unusable", true);
    return json.set("tied", o.model.lm_head == LmHead::tied);
}

Json to_json(const TrainOptions& o) {
    Json json = to_json(o.loop);
    json.set("base", o.base.string()).set("method", o.method == Method::full ? "full" : "adapter");
    json.set("chat", o.chat);
    if (o.loop.skip_unusable) json.set("skip_unusable", true);
    if (o.quantise != Quantise::none) json.set("quantise", enum_name(o.quantise, quantise_names));
    const ComponentStart& c = o.components;
    if (o.labelled()) {
        const ComponentOf of = c.of.value_or(ComponentOf::texts);
        json.set("component_of", enum_name(of, component_of_names)).set("component_field", c.field);
        json.set("components", c.clusters);
        json.set("component_labels", of == ComponentOf::texts
                                         ? "found in the training texts: nothing that a plain LoRA is not given"
                                         : "given: information that a plain LoRA does not get");
    }
    if (o.method == Method::full) return json;
    json.set("router_init", enum_name(c.router, adapter_names::router_init));
    if (c.router == RouterInit::components)
        json.set("router_sample", c.sample).set("router_std", c.logit_std).set("router_ridge", c.ridge);
    json.set("b_std", c.start.b_std).set("router_scale", c.start.router_scale);
    const RoutingPolicy& r = o.loop.routing;
    json.set("top_k_after", r.top_k_after).set("balance", r.balance).set("router_z", r.z);
    json.set("balance_decay", r.balance_decay);
    json.set("weights", enum_name(o.weights.value_or(BaseWeights::packed), base_weights_names));
    const AdapterConfig& a = o.adapter.adapter;
    Json targets = Json::array();
    for (const Target t : o.adapter.targets) targets.push(target_names[index_of(t)]);
    json.set("rank", a.rank)
        .set("heads", a.heads)
        .set("alpha", a.alpha)
        .set("dropout", a.dropout)
        .set("targets", targets);
    json.set("sharing", enum_name(a.sharing, adapter_names::sharing))
        .set("gate", enum_name(a.gate, adapter_names::gate))
        .set("top_k", a.top_k);
    json.set("router_input", enum_name(a.router_input, adapter_names::router_input));
    json.set("router_bias", enum_name(a.router_bias, adapter_names::router_bias));
    json.set("router_pooling", enum_name(a.router_pooling, adapter_names::router_pooling));
    return json.set("dropout_mask", enum_name(a.dropout_mask, adapter_names::dropout_mask));
}

Index steps_of(const LoopOptions& o, Index sequences) {
    if (o.steps > 0) return o.steps;
    const double steps = o.epochs * static_cast<double>(sequences) / static_cast<double>(o.batch);
    return std::max(Index{1}, static_cast<Index>(std::llround(steps)));
}

void check_place(const Place& place) {
    check(place.device == Device::cuda || place.numbers == Numbers::float32,
          "--numbers bfloat16: computed on --device cuda; the processor computes in float");
}

void check_sequence_length(Index length, Index least) {
    constexpr Index most = Index{1} << 24;  // as many positions as a model may have
    check(length >= least && length <= most, "--length ", length, ": expected ", least, " to ", most, " tokens");
}

void check_padded_length(Index length, Index most, const char* what) {
    const Index padded = padded_length(length, slab_rows);
    check(padded <= most, "--length ", length, ": sequences are padded to ", padded, " tokens, ", what, " = ", most,
          "; ask for ", most / slab_rows * slab_rows, " at most");
}

void check_base_length(Index length, const LlamaConfig& model) {
    check_padded_length(length, model.max_positions, "the base has max_position_embeddings");
}

void check_options(const LoopOptions& o) {
    const auto positive = [](const char* flag, double value) {
        check(value > 0 && value <= 1e9, flag, " ", value, ": expected above 0, at most 1e9");
    };
    check_place(o.place);
    check(!o.graph || o.place.device == Device::cuda, "--graph: launches CUDA graphs, so it needs --device cuda");
    const auto count = [](const char* flag, Index value) {
        check(value >= 0, flag, " ", value, ": expected 0 or more");
    };
    count("--eval-every", o.evaluate_every);
    count("--save-every", o.save_every);
    count("--eval-examples", o.evaluation.examples);
    count("--eval-answers", o.evaluation.answers);
    check(o.batch <= 1 << 20, "--batch ", o.batch, ": expected at most ", 1 << 20, " sequences");
    check(o.threads >= 0 && o.threads <= 1024, "--threads ", o.threads, ": expected 0 (all) to 1024");
    Schedule{o.schedule, o.steps > 0 ? o.steps : Index{1} << 30, o.warm_up, o.final_ratio}.validate();
    positive("--batch", static_cast<double>(o.batch));
    positive("--accumulation", static_cast<double>(o.accumulation));
    positive("--epochs", o.epochs);
    check(o.steps >= 0, "--steps ", o.steps, ": expected 0 (by --epochs) or more");
    check(o.batch % o.accumulation == 0, "--batch ", o.batch, " cannot be made in --accumulation ", o.accumulation,
          " equal parts");
    check_sequence_length(o.sequence_length, 8);
    check(o.held_out >= 0 && o.held_out < 1, "--held-out ", o.held_out, ": expected a share of the data, 0 to below 1");
    check(o.clip >= 0, "--clip ", o.clip, ": expected 0 (none) or a norm");
    o.adamw.validate();
}

void check_options(const TrainOptions& o) {
    check_options(o.loop);
    const ComponentStart& c = o.components;
    const AdapterConfig& a = o.adapter.adapter;
    const bool adapter = o.method == Method::adapter, routed = adapter && a.routed();
    check(o.method == Method::adapter || !is_gguf(o.base), o.base.string(),
          ": --method full trains all weights of a model directory, found a GGUF file; train an adapter and `hydra "
          "merge` "
          "it into the file, or make a directory of the file with transformers: "
          "AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file=NAME).save_pretrained(DIR)");
    if (o.quantise != Quantise::none) {
        const std::string flag = concat("--quantise ", enum_name(o.quantise, quantise_names));
        check(adapter, flag, ": --method full trains the matrices themselves; train an adapter, or leave it out");
        check_to_quantise(o.base, is_gguf(o.base), o.quantise);
        check(o.weights != BaseWeights::packed, flag,
              ": quantised matrices are read as they are, not packed; leave out --weights packed");
    }
    check(c.of != ComponentOf::field || !c.field.empty(), "--component-of field: name it by --component-field");
    check(c.field.empty() || c.of == ComponentOf::field, "--component-field ", c.field,
          ": expected no other --component-of beside it");
    check_label_field(c.field);
    check(c.clusters == 0 || (c.clusters >= 2 && c.clusters <= 1024), "--components ", c.clusters,
          ": expected 0 (as many as heads) or 2 to 1024");
    check(o.loop.mix != Mix::components || o.loop.packing == Packing::none,
          "--mix components: packed sequences hold several components; give --packing none");
    if (c.router == RouterInit::components) {
        check(routed, "--router-init components: the method has no router; give --gate softmax or top_k");
        check(a.router_input == RouterInput::x,
              "--router-init components: fitted to the layers' inputs, so it needs "
              "--router-input x");
        check(o.heads_of_data || a.heads >= 2, "--router-init components: --heads ", Index{a.heads},
              ", expected at least 2");
        check(c.sample >= 1, "--router-sample ", c.sample, ": expected at least 1 token");
        check(c.ridge >= 0 && c.ridge <= 1e6, "--router-ridge ", c.ridge, ": expected 0 to 1000000");
        check(c.logit_std > 0 && c.logit_std <= 1e3, "--router-std ", c.logit_std, ": expected above 0, at most 1000");
    }
    check(c.start.b_std >= 0 && c.start.b_std <= 1e3, "--b-std ", c.start.b_std, ": expected 0 to 1000");
    check(c.start.router_scale > 0 && c.start.router_scale <= 1e6, "--router-scale ", c.start.router_scale,
          ": expected above 0, at most 1e6");
    const RoutingPolicy& r = o.loop.routing;
    check(r.top_k_after >= 0, "--top-k-after ", r.top_k_after, ": expected 0 or a step");
    check(r.top_k_after == 0 || (adapter && a.gate == Gate::top_k), "--top-k-after: needs --gate top_k");
    check(r.balance >= 0 && r.balance <= 1e6, "--balance ", r.balance, ": expected 0 to 1e6");
    check(r.z >= 0 && r.z <= 1e6, "--router-z ", r.z, ": expected 0 to 1e6");
    check((r.balance == 0 && r.z == 0) || routed,
          "--balance, --router-z: the method has no router; give --gate softmax or top_k");
    check(r.balance_decay >= 0 && r.balance_decay <= 1, "--balance-decay ", r.balance_decay,
          ": expected a share of the steps, 0 (they stay) to 1");
}

}  // namespace hydra
