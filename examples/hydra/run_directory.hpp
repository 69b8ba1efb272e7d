// The directory of a run: run.json, components.json where examples have some, metrics.jsonl, checkpoints/, and in the end
// report.json and what was trained.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include <hydralora/io/checkpoint.hpp>
#include <hydralora/io/json_value.hpp>

namespace hydra {

class RunDirectory {
public:
    /// A new directory, or with `resume` one that is there, whose run.json must tell of the same options.
    /// Writes run.json: command, options, machine, threads (0: as many as there are processors for), time.
    RunDirectory(const std::filesystem::path& path, bool resume, const std::string& command,
                 const hydralora::io::Json& options, hydralora::Index threads);

    [[nodiscard]] std::filesystem::path at(const char* name) const { return path_ / name; }
    [[nodiscard]] std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }

    struct Totals {
        double seconds = 0;
        hydralora::Index tokens = 0;
    };
    /// Opens metrics.jsonl, keeping the lines of steps below `first_step`, and returns what they add up to. What is no
    /// such line, like one that was cut off, ends what is kept.
    Totals open_metrics(hydralora::Index first_step);
    /// One line of metrics.jsonl, flushed.
    void write_metrics(const hydralora::io::Json& line);

    void write_json(const char* name, const hydralora::io::Json& document) const;

    /// Takes a new directory back, of a run that could not begin: what was written of it so far, and itself if that was all.
    void withdraw() const noexcept;

private:
    struct Close {
        void operator()(std::FILE* file) const { std::fclose(file); }
    };
    std::filesystem::path path_;
    bool made_ = false;  // by this process
    std::unique_ptr<std::FILE, Close> metrics_;
};

/// Largest resident memory of this process so far, in bytes.
[[nodiscard]] long long peak_memory();

}  // namespace hydra
