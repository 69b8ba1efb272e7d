// What the programs beside PyTorch share: a request a line on the standard input, an answer a line on the standard output;
// and raw files of float or int32, row after row, by which both sides compute on the same numbers.
#pragma once

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <hydralora/core/check.hpp>
#include <hydralora/core/view.hpp>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>

#include "support/clock.hpp"

namespace bench {

using hydralora::Index;
using hydralora::MatrixView;

/// The next word of a request as a T; `what` is named where there is none.
template <class T>
[[nodiscard]] T next(std::istream& words, const char* what) {
    T value{};
    words >> value;
    hydralora::check(!words.fail(), "the request has no ", what);
    return value;
}

/// Fills a matrix from a stream of raw elements.
template <class T>
void read_rows(std::istream& from, MatrixView<T> to, const std::string& name) {
    for (Index i = 0; i < to.rows; ++i)
        from.read(reinterpret_cast<char*>(to.row(i)),
                  static_cast<std::streamsize>(to.cols) * std::streamsize{sizeof(T)});
    hydralora::check(from.good(), name, ": shorter than (", to.rows, ", ", to.cols, ")");
}

[[nodiscard]] inline std::ifstream open_to_read(const std::filesystem::path& file) {
    std::ifstream from(file, std::ios::binary);
    hydralora::check(from.is_open(), "cannot read ", file.string());
    return from;
}

/// A file that holds one matrix and nothing else.
template <class T>
void read_matrix(const std::filesystem::path& file, MatrixView<T> to) {
    std::ifstream from = open_to_read(file);
    read_rows(from, to, file.string());
    hydralora::check(from.peek() == std::ifstream::traits_type::eof(), file.string(), ": longer than (", to.rows, ", ",
                     to.cols, ")");
}

template <class T>
void write_matrix(const std::filesystem::path& file, MatrixView<T> m) {
    std::ofstream to(file, std::ios::binary);
    for (Index i = 0; i < m.rows; ++i)
        to.write(reinterpret_cast<const char*>(m.row(i)),
                 static_cast<std::streamsize>(m.cols) * std::streamsize{sizeof(T)});
    hydralora::check(to.good(), "cannot write ", file.string());
}

/// Seconds of one `run()`, the mean of `repeats` after one that is not counted: it brings the numbers into the caches and
/// lets the other process's threads fall asleep.
template <class F>
[[nodiscard]] double seconds_of(int repeats, F&& run) {
    hydralora::check(repeats >= 1, repeats, " repeats, expected at least 1");
    run();
    const double begin = seconds();
    for (int i = 0; i < repeats; ++i) run();
    return (seconds() - begin) / repeats;
}

/// `--threads N`, 0 without it: as many as the machine has.
[[nodiscard]] inline int threads_of(int argc, char** argv) {
    if (argc == 1) return 0;
    if (argc == 3 && std::string_view(argv[1]) == "--threads" && std::atoi(argv[2]) > 0) return std::atoi(argv[2]);
    std::cerr << "usage: " << argv[0] << " [--threads N], and requests on the standard input\n";
    std::exit(2);
}

/// Answers each line by what answer(what, words) returns, or by "error: " and what it throws. `what` is the first word.
template <class Answer>
int serve(Answer&& answer) {
    for (std::string line; std::getline(std::cin, line);) {
        std::istringstream words(line);
        std::ostringstream said;
        said.precision(9);
        try {
            answer(next<std::string>(words, "first word"), words, said);
            std::cout << said.str() << std::endl;
        } catch (const std::exception& error) {
            std::cout << "error: " << error.what() << std::endl;
        }
    }
    return 0;
}

}  // namespace bench
