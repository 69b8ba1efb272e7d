// A command of the command line: its options, and what they make.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include <hydralora/core/enum_names.hpp>

#include "command_line.hpp"

namespace hydra {

struct Subcommand {
    CLI::App* app = nullptr;
    std::function<Command()> make{};  // after the arguments were read; holds what the options were read into
};

Subcommand add_pretrain(CLI::App& app);
Subcommand add_train(CLI::App& app);
Subcommand add_plan(CLI::App& app);
Subcommand add_evaluate(CLI::App& app);
Subcommand add_generate(CLI::App& app);
Subcommand add_inspect(CLI::App& app);
Subcommand add_report(CLI::App& app);
Subcommand add_components(CLI::App& app);
Subcommand add_export(CLI::App& app);
Subcommand add_import(CLI::App& app);
Subcommand add_merge(CLI::App& app);
Subcommand add_analyze(CLI::App& app);

/// --chat, for the commands that read or write conversations.
void add_chat(CLI::App& app, std::string& chat);

/// --skip-unusable, for the commands that read records.
void add_skip_unusable(CLI::App& app, bool& skip);

/// --device and --numbers.
void add_place(CLI::App& app, Place& place, const std::string& group = "Options");

/// An option whose values are the names of an enum.
template <class Enum, std::size_t n>
CLI::Option* add_enum(CLI::App& app, const std::string& flag, Enum& value, const std::array<std::string_view, n>& names,
                      const std::string& help) {
    std::string choices;
    for (std::size_t i = 0; i < n; ++i) choices += (i == 0 ? "" : "|") + std::string(names[i]);
    return app
        .add_option_function<std::string>(
            flag,
            [&value, flag, names](const std::string& name) { value = hydralora::parse_enum<Enum>(flag, name, names); },
            help)
        ->type_name(choices)
        ->default_str(std::string(hydralora::enum_name(value, names)));
}

}  // namespace hydra
