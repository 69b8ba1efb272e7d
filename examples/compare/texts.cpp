#include "texts.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>

#include <hydralora/core/check.hpp>
#include <hydralora/io/json.hpp>
#include <hydralora/io/json_view.hpp>

#include "methods.hpp"

namespace compare {

using namespace hydralora;

namespace {

std::string shell_word(const std::filesystem::path& path) {
    std::string text = "'";
    for (const char c : path.string()) c == '\'' ? text.append("'\\''") : text.append(1, c);
    return text.append("'");
}

struct TextMethod {
    std::string name, options;
};

/// The report of a run in `directory`, which was made by the command in `directory`.log.
Result result_of(const std::filesystem::path& directory, std::atomic<Index>& parameters) {
    const std::string file = (directory / "report.json").string();
    const io::Json report = io::read_json(file);
    const io::JsonView view(report, file);
    parameters = view["trainable_parameters"].integer(1, Index{1} << 40);
    const auto& domains = view["after"].array();
    Result result;
    for (std::size_t i = 0; i < domains.size(); ++i)
        result.loss += view["after"].element(i)["bits_per_byte"].number(0, 1e6) / static_cast<double>(domains.size());
    const auto routing = directory / "routing.json";
    if (!std::filesystem::exists(routing)) return result;
    const std::string name = routing.string();
    const io::Json health = io::read_json(name);
    const io::JsonView nmi = io::JsonView(health, name)["summary"]["nmi"]["domain"];
    if (nmi.exists()) result.nmi = nmi["mean"].number(0, 1);
    return result;
}

}  // namespace

std::vector<Row> run_texts(const TextTrials& t) {
    std::string data;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(t.data)) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    check(files.size() >= 2, t.data.string(), ": expected at least two files to train on, found ", files.size());
    for (const auto& file : files) data.append(" ").append(shell_word(file));
    const std::string hydra = " --method hydralora --rank 8 --heads 4 --alpha 32";
    const std::string start = hydra + " --router-init components";
    const std::vector<TextMethod> methods{{names::lora, " --method lora --rank 22 --alpha 88"},
                                          {names::released, hydra},
                                          {names::component_start, start + " --router-ridge 0 --router-std 6"},
                                          {names::context_start, start + " --router-pooling context"}};
    Trials<int> trials;
    for (const auto& m : methods) {
        trials.rows.push_back({m.name, 0, 0, false, {}});
        trials.rates.push_back(t.sweep ? std::vector<double>{5e-3, 1e-2, 2e-2} : std::vector<double>{1e-2});
    }
    std::vector<std::atomic<Index>> parameters(methods.size());
    trials.prepare = [](Seed) { return 0; };
    trials.train = [&](std::size_t row, int, Seed seed, double rate) {
        char name[64];
        std::snprintf(name, sizeof name, "%zu_lr%g_seed%d", row, rate, static_cast<int>(seed.value));
        const auto directory = t.out / name;
        const std::string command = concat(
            shell_word(t.hydra), " train", data, " --base examples/base --mix equal --steps ", t.steps,
            " --batch 16 --length 128 --held-out 0.1 --eval-examples 24 --eval-answers 0 --dropout 0 --threads 1 --lr ",
            rate, " --seed ", seed.value, methods[row].options, " --out ", shell_word(directory), " > ",
            shell_word(directory.string() + ".log"), " 2>&1");
        check(std::system(command.c_str()) == 0, "compare texts: a run failed; see ", directory.string(),
              ".log. The command was: ", command);
        return result_of(directory, parameters[row]);
    };
    trials.sweep_seeds = {100};
    if (!t.sweep) trials.sweep_seeds.clear();
    for (std::size_t s = 0; s < t.seeds; ++s) trials.seeds.push_back(s);
    trials.threads = t.threads;
    auto rows = trials.run();
    for (std::size_t r = 0; r < rows.size(); ++r) rows[r].parameters = parameters[r];
    return rows;
}

}  // namespace compare
