// Text on a GGUF file, token by token, timed on request by bench/peers/gguf_generate.py in turn with llama.cpp's.
//
//   about                       the instructions that run
//   model FILE [ADAPTER]        a GGUF file, and an adapter directory that `hydra train` made, its heads routed; "ok"
//   tokens COUNT ID...          so many likeliest tokens behind the prompt of these
//   time COUNT ID...            seconds a token, of those after the first

#include <algorithm>
#include <cstdint>
#include <hydralora/eigen/eigen_backend.hpp>
#include <hydralora/io/adapter_files.hpp>
#include <hydralora/io/gguf_llama.hpp>
#include <hydralora/model/generate.hpp>
#include <memory>
#include <utility>
#include <vector>

#include "requests.hpp"

namespace {

using namespace hydralora;
using B = EigenBackend;

/// A base in its mapped file, and its adapter if it has one: what `hydra generate` computes with.
class Speaker {
public:
    Speaker(B& be, const std::string& file, const std::string& adapter)
        : be_(be), base_(io::open_llama(be, io::GgufParts::open(file))), model_(make_model(adapter)) {}

    std::vector<std::int32_t> tokens(Index count, const std::vector<std::int32_t>& prompt) {
        return generate(be_, model_, prompt, {.max_new_tokens = count});
    }

    /// Between the first new token, which the prompt brings, and the last.
    double seconds_a_token(Index count, const std::vector<std::int32_t>& prompt) {
        check(count >= 2, count, " tokens, expected at least 2");
        double first = 0, last = 0;
        generate(be_, model_, prompt, {.max_new_tokens = count}, {}, [&](std::int32_t) {
            last = bench::seconds();
            if (first == 0) first = last;
            return true;
        });
        return (last - first) / static_cast<double>(count - 1);
    }

private:
    Llama<B> make_model(const std::string& adapter) {
        base_.config.max_positions = std::min(base_.config.max_positions, Index{2048});  // a table's size, nothing more
        if (adapter.empty()) return {be_, base_.config, base_.views};
        const auto file = io::read_adapter_config(adapter);
        check(file.gate == "softmax" && file.sharing == "shared_a", adapter, ": expected routed heads that share A");
        LlamaAdapterConfig config{.adapter = {.rank = file.rank, .heads = file.heads, .alpha = file.alpha}};
        for (const std::string& name : file.target_modules) config.targets.push_back(parse_target(name));
        adapters_ = make_buffers(be_, adapter_shapes(base_.config, config));
        io::load_adapter(adapter, adapters_);
        return {be_, base_.config, base_.views, config, views(std::as_const(adapters_))};
    }

    B& be_;
    io::LlamaFiles<B> base_;
    LlamaAdapters<ParamBuffer<B>> adapters_;
    Llama<B> model_;
};

std::vector<std::int32_t> ids_of(std::istream& words) {
    std::vector<std::int32_t> ids;
    for (std::int32_t id = 0; words >> id;) ids.push_back(id);
    return ids;
}

}  // namespace

int main(int argc, char** argv) {
    B be({.threads = bench::threads_of(argc, argv)});
    std::unique_ptr<Speaker> speaker;
    return bench::serve([&](const std::string& what, std::istream& words, std::ostream& said) {
        if (what == "about") {
            said << isa_name();
            return;
        }
        if (what == "model") {
            speaker.reset();
            const auto file = bench::next<std::string>(words, "FILE");
            std::string adapter;
            words >> adapter;
            speaker = std::make_unique<Speaker>(be, file, adapter);
            said << "ok";
            return;
        }
        check(speaker != nullptr, "ask for a model first");
        const auto count = bench::next<Index>(words, "COUNT");
        if (what == "tokens") {
            for (const std::int32_t id : speaker->tokens(count, ids_of(words))) said << id << ' ';
        } else if (what == "time") {
            said << speaker->seconds_a_token(count, ids_of(words));
        } else {
            fail("no such request: ", what);
        }
    });
}
