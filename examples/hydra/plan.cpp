#include "plan.hpp"

#include <algorithm>

#include <hydralora/model/llama.hpp>

#include "batches.hpp"
#include "loop.hpp"
#include "own_template.hpp"
#include "table.hpp"

namespace hydra {

using namespace hydralora;

namespace {

Index count_of(const LlamaAdapters<Shape>& shapes) {
    Index count = 0;
    visit([&](const ParamPath&, const Shape& shape) { count += shape.rows * shape.cols; }, shapes);
    return count;
}

std::string parameters_text(const TrainOptions& options, const BaseModel& base) {
    const Index all = parameter_count(base.files.views);
    const Index trainable =
        options.method == Method::full ? all : count_of(adapter_shapes(base.config, options.adapter));
    return concat("parameters: ", grouped(trainable), " trainable (",
                  fixed(100.0 * static_cast<double>(trainable) / static_cast<double>(all), 2), " % of the model's ",
                  grouped(all), ")\n");
}

/// The mean of the first steps, as they would be computed.
std::string steps_text(const LoopOptions& loop, const std::vector<Domain>& domains) {
    ExampleOrder order(domains, loop.mix, Seed{loop.seed});
    const Index steps = steps_of(loop, order.epoch());
    const Index most_tokens = loop.batch * loop.sequence_length / loop.accumulation;
    const Index seen = std::min(steps, Index{20});
    Index tokens = 0, padded = 0, labelled = 0;
    PaddedBatch batch;
    for (Index step = 0; step < seen; ++step) {
        const auto examples = order.batch(step, loop.batch);
        Index first = 0;
        for (const Index part : cut_batch(examples, most_tokens, slab_rows)) {
            batch.assign(examples.data() + first, part, slab_rows);
            tokens += batch.tokens;
            padded += static_cast<Index>(batch.ids.size());
            labelled += batch.labelled;
            first += part;
        }
    }
    return concat("steps: ", grouped(steps), " of ", grouped(loop.batch), " sequences; ",
                  counted(order.epoch(), "sequence"), " an epoch\n", "tokens a step: ", grouped(tokens / seen),
                  ", with padding ", grouped(padded / seen), " (mean of the first ", counted(seen, "step"), ")\n",
                  "trained labels: ", fixed(100.0 * static_cast<double>(labelled) / static_cast<double>(tokens), 1),
                  " % of the tokens\n");
}

/// The text of the tokens, control tokens in single angle quotes: what a text merely spells does not look like them.
std::string spelt(const Vocabulary& vocabulary, std::span<const std::int32_t> tokens) {
    std::string text;
    for (std::size_t begin = 0, end = 0; begin < tokens.size(); begin = end) {
        const auto is_control = [&](std::size_t i) { return vocabulary.is_control(tokens[i]); };
        const bool control = is_control(begin);
        for (end = begin + 1; !control && end < tokens.size() && !is_control(end);) ++end;
        const std::string part = escaped(vocabulary.spelt(tokens.subspan(begin, end - begin)));
        text += control ? "\u2039" + part + "\u203a" : part;
    }
    return text;
}

}  // namespace

std::string masked_text(const Vocabulary& vocabulary, const Example& example) {
    constexpr std::size_t most = 512;  // tokens
    // Each token as what it is predicted as, so that a document's first is never trained and its last is a label alone.
    std::vector<std::int32_t> tokens;
    std::vector<bool> trained;
    std::vector<std::size_t> begins{0};
    for (std::size_t i = 0; i < example.ids.size(); ++i) {
        const bool first = i == 0 || (!example.starts.empty() && example.starts[i] == static_cast<std::int32_t>(i));
        if (first && i > 0) begins.push_back(tokens.size());
        tokens.push_back(example.ids[i]);
        trained.push_back(!first && example.labels[i - 1] != ignored);
        const bool last = i + 1 == example.ids.size() ||
                          (!example.starts.empty() && example.starts[i + 1] == static_cast<std::int32_t>(i + 1));
        if (!last || example.labels[i] == ignored) continue;
        tokens.push_back(example.labels[i]);
        trained.push_back(true);
    }
    std::string text;
    const std::size_t size = std::min(tokens.size(), most);
    std::size_t document = 0;
    for (std::size_t begin = 0, end = 0; begin < size; begin = end) {
        if (document + 1 < begins.size() && begins[document + 1] == begin) {
            text += "\n    and: ";
            ++document;
        }
        const std::size_t border = document + 1 < begins.size() ? std::min(begins[document + 1], size) : size;
        while (end < border && trained[end] == trained[begin]) ++end;
        const std::string part = spelt(vocabulary, std::span(tokens).subspan(begin, end - begin));
        text += trained[begin] ? "[[" + part + "]]" : part;
    }
    return tokens.size() > most ? text + concat(" ... ", tokens.size() - most, " more tokens") : text;
}

namespace {

std::string chat_text(const Chat& chat, std::string_view asked) {
    if (chat.own() == nullptr)
        return concat("conversations: in the format ", enum_name(chat.format(), text::chat_format_names),
                      asked.empty() ? ", for the base has no chat template\n" : ", as asked for\n");
    const text::ChatTemplate& own = chat.own()->chat_template;
    return concat("conversations: by the model's own chat template (", chat.own()->place, "); trained is what ",
                  own.marks_generation() ? "it marks as generated" : "each turn of the assistant adds to its prompt",
                  chat.own()->dated ? "; it writes the date of the day, which SOURCE_DATE_EPOCH fixes\n" : "\n");
}

}  // namespace

std::string dry_run_text(const TrainOptions& options, const BaseModel& base, const std::vector<Domain>& domains,
                         const MemoryPlan& plan) {
    const std::string warning = memory_warning(plan, options);
    std::string text = parameters_text(options, base) + plan_table(plan) + steps_text(options.loop, domains);
    if (!warning.empty()) text += "Warning: " + warning + ".\n";
    if (const auto chat = base.vocabulary.chat_format(options.chat)) text += chat_text(*chat, options.chat);
    text += "examples, with what is trained in [[ ]] and control tokens in \u2039 \u203a:\n";
    // Three in all, from as many domains as there are.
    std::size_t shown = 0;
    for (std::size_t i = 0; shown < 3; ++i) {
        bool any = false;
        for (const Domain& domain : domains) {
            if (i >= domain.train.size() || shown == 3) continue;
            text += concat("  ", domain.name, ": ", masked_text(base.vocabulary, domain.train[i]), '\n');
            ++shown;
            any = true;
        }
        if (!any) break;
    }
    return text;
}

}  // namespace hydra
