#include "command_line.hpp"

#include <algorithm>
#include <cstdio>
#include <istream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <hydralora/io/file_kind.hpp>
#include <hydralora/text/chat_format.hpp>

#include "subcommand.hpp"

namespace hydra {

void add_chat(CLI::App& app, std::string& chat) {
    app.add_option(
           "--chat", chat,
           "format of conversations; without it the base's own chat template: " + hydralora::text::chat_format_list())
        ->type_name("NAME");
}

void add_skip_unusable(CLI::App& app, bool& skip) {
    app.add_flag(
        "--skip-unusable", skip,
        "pass over records that cannot be used, and say how many and where the first are; without it the first "
        "ends the command");
}

void add_place(CLI::App& app, Place& place, const std::string& group) {
    add_enum(app, "--device", place.device, device_names, "what computes: the processor, or an NVIDIA GPU")
        ->group(group);
    add_enum(app, "--numbers", place.numbers, numbers_names,
             "of weights and activations on a GPU; sums and trained parameters are float")
        ->group(group);
}

namespace {

/// TOML as it is found: some editors begin files with a byte order mark.
class TomlFile : public CLI::ConfigTOML {
public:
    std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
        std::string text{std::istreambuf_iterator<char>(input), {}};
        if (const std::string_view kind = hydralora::io::foreign_kind(text); !kind.empty())
            throw CLI::ConfigError("expected TOML, found " + std::string(kind));
        std::istringstream toml{std::string(hydralora::io::without_byte_order_mark(text))};
        return CLI::ConfigTOML::from_config(toml);
    }
};

}  // namespace

std::variant<Command, int> parse_command_line(int argc, const char* const* argv) {
    CLI::App app("Train, evaluate, use and convert HydraLoRA adapters on models of the Llama family.", "hydra");
    app.require_subcommand(1);
    app.fallthrough();
    app.set_config("--config", "", "TOML file with options of the command, under [train] or [pretrain]");
    app.config_formatter(std::make_shared<TomlFile>());
    app.allow_config_extras(CLI::config_extras_mode::error);
    std::vector<Subcommand> commands;
    for (auto* add : {add_pretrain, add_train, add_plan, add_evaluate, add_generate, add_inspect, add_components,
                      add_analyze, add_report, add_export, add_import, add_merge})
        commands.push_back(add(app));
    if (argc > 1 && argv[1][0] != '-' && std::none_of(commands.begin(), commands.end(), [&](const Subcommand& c) {
            return c.app->get_name() == argv[1];
        })) {
        std::string names;
        for (const Subcommand& command : commands) names += " " + command.app->get_name();
        std::fprintf(stderr, "hydra: \"%s\" is no command; there are:%s. `hydra COMMAND --help` says what each takes\n",
                     argv[1], names.c_str());
        return 2;
    }
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
    for (const Subcommand& command : commands)
        if (command.app->parsed()) return command.make();
    return 2;  // not reached: a command is required
}

}  // namespace hydra
