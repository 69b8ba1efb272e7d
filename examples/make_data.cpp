// Makes the training files of the examples. `make_data OUT pretrain` writes OUT/pretrain, what the small base learns
// from; `make_data OUT finetune --code FILE...` writes OUT/finetune, one named domain a file. The bytes are the same on
// every machine.

#include <exception>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "make_data/corpora.hpp"

namespace {

namespace fs = std::filesystem;

constexpr std::string_view usage =
    "usage: make_data OUT pretrain [--texts DIR]\n"
    "       make_data OUT finetune [--texts DIR] [--code FILE...]\n"
    "\n"
    "  OUT     directory to write OUT/pretrain or OUT/finetune into\n"
    "  --texts the texts and word lists to make them from (" MAKE_DATA_TEXTS
    ")\n"
    "  --code  source files that become code.txt, in this order; takes the rest of the line\n";

struct Options {
    fs::path out;
    std::string set;
    fs::path texts = MAKE_DATA_TEXTS;
    std::vector<fs::path> code;
};

/// False where the command line does not say what to do.
bool parse(const std::vector<std::string>& words, Options& options) {
    if (words.size() < 2) return false;
    options.out = words[0];
    options.set = words[1];
    std::size_t at = 2;
    if (at + 1 < words.size() && words[at] == "--texts") {
        options.texts = words[at + 1];
        at += 2;
    }
    if (at < words.size() && words[at] == "--code" && options.set == "finetune") {
        options.code.assign(words.begin() + static_cast<std::ptrdiff_t>(at) + 1, words.end());
        at = words.size();
    }
    return at == words.size() && (options.set == "pretrain" || options.set == "finetune");
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    if (!parse({argv + 1, argv + argc}, options)) {
        std::cerr << usage;
        return 2;
    }
    try {
        const fs::path out = options.out / options.set;
        if (options.set == "pretrain") {
            make_data::write_pretrain(options.texts, out);
        } else {
            make_data::write_finetune(options.texts, out, options.code);
        }
    } catch (const std::exception& e) {
        std::cerr << "make_data: " << e.what() << '\n';
        return 1;
    }
}
