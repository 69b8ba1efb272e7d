// Random safetensors files, wrong in the ways in which loaders have been: they must be refused with the library's error
// or read as what they say, within a bound on memory and time.
#include <hydralora/io/safetensors.hpp>

#include <doctest/doctest.h>
#include <malloc.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iterator>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "safetensors_bytes.hpp"
#include "scratch.hpp"

namespace io_safetensors_mutation_test {

namespace {
std::atomic<std::size_t> live_bytes{0}, peak_bytes{0};

void* counted(std::size_t size) {
    void* memory = std::malloc(size);
    if (memory == nullptr) throw std::bad_alloc();
    const std::size_t now = live_bytes += malloc_usable_size(memory);
    if (now > peak_bytes) peak_bytes = now;
    return memory;
}
void uncounted(void* memory) {
    if (memory != nullptr) live_bytes -= malloc_usable_size(memory);
    std::free(memory);
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { uncounted(memory); }
void operator delete[](void* memory) noexcept { uncounted(memory); }
void operator delete(void* memory, std::size_t) noexcept { uncounted(memory); }
void operator delete[](void* memory, std::size_t) noexcept { uncounted(memory); }

using namespace hydralora;
using namespace hydralora::io;

namespace {

class Mutator {
public:
    explicit Mutator(std::uint64_t seed) : random_(seed) {}

    /// A file of a few tensors with `mistakes` mistakes in its structure, then perhaps some in its bytes.
    std::string make() {
        mistakes_ = static_cast<int>(below(4));
        std::vector<std::string> members;
        if (below(2) == 0) members.push_back(concat("\"__metadata__\":{\"format\":", maybe("\"pt\"", junk()), "}"));
        std::uint64_t offset = 0;
        for (std::size_t n = below(5); n > 0; --n) members.push_back(tensor(offset));
        while (mistakes_ > 0 && below(3) == 0) {
            --mistakes_;
            switch (below(4)) {
                case 0:
                    members.push_back(junk() + ":" + junk());
                    break;
                case 1:
                    if (!members.empty()) members.push_back(members[below(members.size())]);
                    break;
                case 2:
                    if (!members.empty())
                        members.erase(members.begin() + static_cast<std::ptrdiff_t>(below(members.size())));
                    break;
                default:
                    std::shuffle(members.begin(), members.end(), random_);
            }
        }
        std::string header = "{";
        for (std::size_t i = 0; i < members.size(); ++i) header += (i > 0 ? "," : "") + members[i];
        header += "}" + std::string(below(9), ' ');
        std::size_t data = offset < 4096 ? static_cast<std::size_t>(offset) : 64;
        if (mistakes_ > 0 && below(3) == 0) data += below(3) - (data > 0 ? 1 : 0);
        std::uint64_t claimed = header.size();
        if (mistakes_ > 0 && below(8) == 0) claimed = number();
        std::string bytes = test::safetensors_bytes(header, data, claimed);
        if (below(3) == 0)
            for (std::size_t n = 1 + below(3); n > 0 && !bytes.empty(); --n) damage(bytes);
        return bytes;
    }

private:
    std::size_t below(std::size_t bound) { return static_cast<std::size_t>(random_() % bound); }

    std::uint64_t number() {
        static constexpr std::uint64_t special[] = {0,
                                                    1,
                                                    2,
                                                    3,
                                                    7,
                                                    8,
                                                    9,
                                                    1u << 16,
                                                    1ull << 31,
                                                    1ull << 32,
                                                    (1ull << 32) + 1,
                                                    1ull << 61,
                                                    1ull << 62,
                                                    (1ull << 63) - 1,
                                                    1ull << 63,
                                                    ~0ull,
                                                    ~0ull - 7,
                                                    ~0ull - 8,
                                                    6148914691236517206ull,
                                                    100'000'000,
                                                    100'000'001};
        return below(2) == 0 ? special[below(std::size(special))] : random_() >> below(64);
    }
    std::string junk() {
        static const char* const pieces[] = {"null",
                                             "true",
                                             "-1",
                                             "-0",
                                             "1.0",
                                             "1e3",
                                             "1e400",
                                             "18446744073709551616",
                                             "\"\"",
                                             "\"F32\"",
                                             "\"__metadata__\"",
                                             "[]",
                                             "{}",
                                             "[0]",
                                             "[[[[[[0]]]]]]",
                                             "{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}",
                                             "\"\\ud800\"",
                                             "\"\xff\"",
                                             "\"\\u0000\"",
                                             "\"\xc3\xa9\"",
                                             "nul",
                                             "'a'",
                                             ",",
                                             "}",
                                             "]",
                                             "\"",
                                             "\\",
                                             "[0,0,0]",
                                             "[1,1,1,1,1,1,1,1,1]",
                                             "0x10",
                                             "01",
                                             "\"dtype\""};
        return below(4) == 0 ? std::to_string(number()) : pieces[below(std::size(pieces))];
    }
    std::string maybe(std::string good, std::string bad) {
        if (mistakes_ == 0 || below(6) != 0) return good;
        --mistakes_;
        return bad;
    }
    std::string tensor(std::uint64_t& offset) {
        const DtypeInfo& dtype = dtype_table[below(dtype_table.size())];
        std::string shape = "[";
        std::uint64_t bytes = dtype.bytes;
        for (std::size_t n = below(4), i = 0; i < n; ++i) {
            const std::uint64_t dim = below(5);
            bytes *= dim;
            shape += (i > 0 ? "," : "") + maybe(std::to_string(dim), junk());
        }
        const std::string begin = maybe(std::to_string(offset), junk()),
                          end = maybe(std::to_string(offset + bytes), junk());
        offset += bytes;
        const std::string fields[] = {"\"dtype\":" + maybe(concat('"', dtype.name, '"'), junk()),
                                      "\"shape\":" + maybe(shape + "]", junk()),
                                      "\"data_offsets\":" + maybe("[" + begin + "," + end + "]", junk())};
        std::string result = maybe(concat("\"t", below(1000), '"'), junk()) + ":{";
        for (std::size_t i = 0, first = below(3); i < 3; ++i)
            result += (i > 0 ? "," : "") + maybe(fields[(first + i) % 3], fields[first]);
        return result + maybe("}", junk());
    }
    void damage(std::string& bytes) {
        const std::size_t at = below(bytes.size());
        switch (below(6)) {
            case 0:
                bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
                break;
            case 1:
                bytes[at] = static_cast<char>(below(256));
                break;
            case 2:
                bytes.resize(at);
                break;
            case 3:
                bytes.insert(at, junk());
                break;
            case 4:
                bytes.erase(at, 1 + below(8));
                break;
            default:
                bytes.insert(at, bytes.substr(below(bytes.size()), 1 + below(40)));
        }
    }

    std::mt19937_64 random_;
    int mistakes_ = 0;
};

constexpr std::size_t margin = 64'000'000;

/// "" if the file is read, else the message. Checks memory, time and what is read.
std::string outcome(std::string_view bytes) {
    const auto start = std::chrono::steady_clock::now();
    const std::size_t before = live_bytes;
    peak_bytes = before;
    std::string message;
    double sum = 0;
    std::uint64_t covered = 0;
    bool in_range = true;
    try {
        const SafetensorsFile file(test::as_bytes(bytes), "m");
        for (const TensorEntry& entry : file.entries()) {
            in_range &= entry.begin <= entry.end && entry.end <= bytes.size() && file.find(entry.name) == &entry;
            covered += entry.end - entry.begin;
            if (!in_range) break;
            for (const std::byte b : file.bytes(entry)) sum += static_cast<double>(b);
            if (readable_as<double>(entry.dtype) && entry.shape.matrix().rows < 1000 &&
                entry.shape.matrix().cols < 1000) {
                std::vector<double> values(static_cast<std::size_t>(entry.shape.matrix().size() + 1));
                file.read_as(entry.name,
                             host_view(values.data(), entry.shape.matrix().rows, entry.shape.matrix().cols));
                sum += values[0] > 0 ? 1 : 0;
            }
        }
    } catch (const Error& error) {
        message = error.what();
    }
    const std::size_t used = peak_bytes - before;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    CHECK(in_range);
    CHECK(covered <= bytes.size());
    CHECK(sum >= 0);
    CHECK(used <= bytes.size() + margin);
    CHECK(seconds.count() < 1 + static_cast<double>(bytes.size()) * 1e-6);
    if (!message.empty()) CHECK(message.starts_with("m: "));
    CHECK(message.size() < 2000);
    return message;
}

}  // namespace

TEST_CASE("random mutants are refused or read") {
    const int count = test::trials(20'000, 100'000);
    Mutator mutator(20260101);
    int refused = 0, read = 0;
    for (int trial = 0; trial < count; ++trial) {
        const std::string bytes = mutator.make();
        INFO("mutant ", trial, ": ", in_quotes(bytes, 2000));
        ++(outcome(bytes).empty() ? read : refused);
    }
    // Neither everything wrong nor everything right.
    CHECK(read > count / 10);
    CHECK(refused > count / 4);
}

TEST_CASE("headers of many megabytes stay within the bound on memory") {
    const auto repeated = [](std::string_view begin, auto&& piece, int count, std::string_view end) {
        std::string header(begin);
        for (int i = 0; i < count; ++i) header += piece(i);
        return test::safetensors_bytes(header + std::string(end), 0);
    };
    const auto empty_tensor = [](int i) {
        return concat(i > 0 ? "," : "", '"', i, R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
    };
    CHECK(outcome(repeated("{", empty_tensor, 262'144, "}")) == "");
    CHECK(test::has(outcome(repeated("{", empty_tensor, 262'145, "}")), "expected at most 262144 tensors, found more"));
    const auto long_name = [](int i) {
        return concat(i > 0 ? "," : "", '"', i,
                      R"(aaaaaaaaaaaaaaaaaa":{"dtype":"U8","shape":[1,1,1,1,1,1,1,0],"data_offsets":[0,0]})");
    };
    CHECK(outcome(repeated("{", long_name, 262'144, "}")) == "");
    const auto entry = [](int i) { return concat(i > 0 ? "," : "", '"', i, R"(":"")"); };
    CHECK(outcome(repeated(R"({"__metadata__":{)", entry, 65'536, "}}")) == "");
    CHECK(test::has(outcome(repeated(R"({"__metadata__":{)", entry, 1'000'000, "}}")),
                    "expected at most 65536 entries of __metadata__"));
    const auto letter = [](int) { return "aaaaaaaaaaaaaaaa"; };
    CHECK(outcome(repeated(R"({"__metadata__":{"a":")", letter, 500'000, "\"}}")) == "");
    CHECK(test::has(outcome(repeated(R"({"__metadata__":{"a":")", letter, 6'000'000, "\"}}")),
                    "is longer than 8388608 bytes"));
    const auto digit = [](int) { return "1111111111111111"; };
    CHECK(test::has(outcome(repeated(R"({"a":{"shape":[)", digit, 2'000'000, "]}}")), "is longer than 1000 bytes"));
    const auto zero = [](int) { return "0,"; };
    CHECK(
        test::has(outcome(repeated(R"({"a":{"shape":[)", zero, 10'000'000, "0]}}")), "expected at most 8 dimensions"));
    const auto space = [](int) { return "                                "; };
    CHECK(outcome(repeated("{", space, 1'000'000, "}")) == "");
}

}  // namespace io_safetensors_mutation_test
