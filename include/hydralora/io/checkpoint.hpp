// Checkpoints that survive a crash at any moment.
//
//     root/step-00000012/    tensors.safetensors   state.json   manifest.json (sizes and checksums of the other two)
//     root/.tmp-*            being written, or left by a run that was killed
//
// A save writes a temporary directory, makes every file and then the directory durable, renames it, makes the name
// durable, and only then removes what is old. So at each moment there is a complete checkpoint, once there has been
// one.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/check.hpp"
#include "../core/view.hpp"
#include "checksum.hpp"
#include "file.hpp"
#include "json.hpp"
#include "json_view.hpp"
#include "json_write.hpp"
#include "safetensors.hpp"
#include "safetensors_writer.hpp"
#include "staged_directory.hpp"

namespace hydralora::io {

/// Told about what went wrong without stopping the work.
using OnProblem = std::function<void(const std::string& message)>;

struct CheckpointPlace {
    std::filesystem::path directory;
    Index step = 0;
    friend bool operator==(const CheckpointPlace&, const CheckpointPlace&) = default;
};

/// A loaded checkpoint. The tensors are mapped and stay readable when the directory is removed meanwhile.
struct Checkpoint {
    Index step = 0;
    SafetensorsFile tensors;
    Json state;
};

namespace checkpoint_detail {

inline constexpr std::string_view tensors_name = "tensors.safetensors", state_name = "state.json",
                                  manifest_name = "manifest.json";
inline constexpr std::string_view format_name = "hydralora checkpoint 1", temporary_prefix = ".tmp-",
                                  step_prefix = "step-";

[[nodiscard]] inline std::string directory_name(Index step) {
    const std::string digits = std::to_string(step);
    return std::string(step_prefix) + std::string(digits.size() < 8 ? 8 - digits.size() : 0, '0') + digits;
}

/// The steps that have a directory, oldest first. Other names are none of ours.
[[nodiscard]] inline std::vector<CheckpointPlace> list_steps(const std::filesystem::path& root) {
    std::vector<CheckpointPlace> steps;
    for (const std::string& name : list_directory(root)) {
        if (!name.starts_with(step_prefix)) continue;
        Index step = -1;
        const char* const end = name.data() + name.size();
        const auto [stop, error] = std::from_chars(name.data() + step_prefix.size(), end, step);
        if (error == std::errc() && stop == end && step >= 0 && directory_name(step) == name)
            steps.push_back({root / name, step});
    }
    std::sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a.step < b.step; });
    return steps;
}

[[nodiscard]] inline std::string manifest_text(Index step, const FileSum& tensors, const FileSum& state) {
    const auto entry = [](std::string_view name, const FileSum& sum) {
        return Json::object({{"name", name}, {"bytes", sum.bytes}, {"xxh64", checksum_text(sum.checksum)}});
    };
    return to_text(Json::object({{"format", format_name},
                                 {"step", step},
                                 {"files", Json::array({entry(tensors_name, tensors), entry(state_name, state)})}}),
                   2) +
           '\n';
}

/// The file as the manifest describes it, or an error with both checksums.
[[nodiscard]] inline MappedFile open_verified(const std::filesystem::path& path, const JsonView& entry) {
    MappedFile file = MappedFile::open(path);
    const std::uint64_t bytes = entry["bytes"].unsigned_integer();
    check(file.bytes().size() == bytes, path.string(), ": expected ", bytes, " bytes, found ", file.bytes().size(),
          "; the checkpoint is damaged");
    const std::string& expected = entry["xxh64"].string();
    const std::string found = checksum_text(xxh64(file.bytes()));
    check(found == expected, path.string(), ": expected checksum ", in_quotes(expected), ", found ", in_quotes(found),
          "; the checkpoint is damaged");
    return file;
}

/// The two files of a checkpoint, verified: what is returned is what was checked.
[[nodiscard]] inline std::pair<MappedFile, MappedFile> open_files(const CheckpointPlace& place) {
    const auto path = place.directory / manifest_name;
    const MappedFile manifest = MappedFile::open(path);
    const std::string name = path.string();
    const Json document = parse_json(manifest.text(), name, {.bytes = 1 << 16, .depth = 8});
    const JsonView json(document, name);
    static_cast<void>(json["format"].one_of({format_name}));
    static_cast<void>(json["step"].integer(place.step, place.step));
    const JsonView files = json["files"];
    if (files.size() != 2) files.refuse("two files");
    static_cast<void>(files.element(0)["name"].one_of({tensors_name}));
    static_cast<void>(files.element(1)["name"].one_of({state_name}));
    MappedFile tensors = open_verified(place.directory / tensors_name, files.element(0));
    MappedFile state = open_verified(place.directory / state_name, files.element(1));
    // The manifest has no checksum of its own: it must be, byte for byte, the one that these two files give.
    const auto sum = [](const MappedFile& file) { return FileSum{file.bytes().size(), xxh64(file.bytes())}; };
    check(manifest.text() == manifest_text(place.step, sum(tensors), sum(state)), name,
          ": expected the manifest as it is written by a save, found other bytes; the checkpoint is damaged");
    return {std::move(tensors), std::move(state)};
}

/// Removes a checkpoint so that no moment shows half of one under its name.
inline void remove_step(const std::filesystem::path& root, const std::filesystem::path& directory,
                        const FileCalls& calls) {
    const auto temporary = root / unique_name(concat(temporary_prefix, "old-"), 0);
    if (file_detail::retried([&] { return calls.rename(directory.c_str(), temporary.c_str()); }) < 0)
        file_detail::fail_call(directory, "renaming an old checkpoint", errno);
    remove_directory(temporary, calls);
}

}  // namespace checkpoint_detail

struct SaveOptions {
    Index keep = 2;          // how many checkpoints up to this step stay, this one included
    OnProblem on_problem{};  // for what does not endanger the checkpoint: an old one that cannot be removed
};

/// Saves a checkpoint for `step` (>= 0) below `root`, which is made if its parent exists. An error leaves the
/// checkpoints there were, and says so. One process saves at a time; a second one gets an error.
inline CheckpointPlace save_checkpoint(const std::filesystem::path& root, Index step,
                                       std::span<const NamedTensor> tensors, const Json& state,
                                       const SaveOptions& options = {}, const FileCalls& calls = {}) {
    using namespace checkpoint_detail;
    check(step >= 0 && options.keep >= 1, "save_checkpoint: expected step >= 0 and keep >= 1, found ", step, " and ",
          options.keep);
    const CheckpointPlace place{root / directory_name(step), step};
    const auto tell = [&](const std::string& message) {
        if (options.on_problem) options.on_problem(message);
    };
    bool visible = false;
    try {
        make_directory(root, calls);
        const auto lock = file_detail::open_directory(root, calls);
        if (file_detail::retried([&] { return calls.lock(lock.get()); }) < 0) {
            check(errno != EWOULDBLOCK, root.string(),
                  ": another process is saving a checkpoint here; give each run a directory of its own");
            file_detail::fail_call(root, "locking", errno);
        }
        // Whoever made these is gone, or would hold the lock.
        for (const std::string& name : list_directory(root)) {
            if (!name.starts_with(temporary_prefix)) continue;
            try {
                remove_directory(root / name, calls);
            } catch (const Error& error) {
                tell(error.what());
            }
        }
        {
            StagedDirectory staged(root, temporary_prefix, calls);
            try {
                FileWriter writer(staged.path() / tensors_name, calls);
                write_safetensors([&](std::span<const std::byte> bytes) { writer.write(bytes); }, tensors);
                const FileSum tensors_sum = writer.finish();
                const FileSum state_sum = write_file(staged.path() / state_name, to_text(state, 2) + '\n', calls);
                write_file(staged.path() / manifest_name, manifest_text(step, tensors_sum, state_sum), calls);
                staged.commit(place.directory);
            } catch (...) {
                visible = staged.visible();
                throw;
            }
        }
        visible = true;
        try {
            auto old = list_steps(root);
            std::erase_if(old, [&](const auto& other) { return other.step >= step; });
            for (Index i = 0; i < static_cast<Index>(old.size()) - (options.keep - 1); ++i)
                remove_step(root, old[static_cast<std::size_t>(i)].directory, calls);
        } catch (const Error& error) {
            tell(error.what());
        }
        return place;
    } catch (const Error& error) {
        if (visible)
            fail(error.what(), "; ", place.directory.string(),
                 " is written, but may be lost in a power loss; the earlier ones are kept");
        std::string kept = "; the checkpoint was not saved, there is no earlier one";
        try {
            const auto steps = list_steps(root);
            if (!steps.empty())
                kept =
                    concat("; the checkpoint was not saved, the newest one kept is ", steps.back().directory.string());
        } catch (const Error&) {
            kept = "; the checkpoint was not saved, earlier ones are as they were";
        }
        fail(error.what(), kept);
    }
}

/// Loads a checkpoint after verifying it.
[[nodiscard]] inline Checkpoint load_checkpoint(const CheckpointPlace& place) {
    auto [tensors, state] = checkpoint_detail::open_files(place);
    Json document = parse_json(state.text(), state.path());
    return {place.step, SafetensorsFile(std::move(tensors)), std::move(document)};
}

/// The newest complete checkpoint, verified; nothing if there is none. Damaged ones are reported and skipped.
[[nodiscard]] inline std::optional<CheckpointPlace> find_checkpoint(const std::filesystem::path& root,
                                                                    const OnProblem& on_problem = {}) {
    if (!path_exists(root)) return std::nullopt;
    const auto steps = checkpoint_detail::list_steps(root);
    for (auto place = steps.rbegin(); place != steps.rend(); ++place) {
        try {
            static_cast<void>(load_checkpoint(*place));
            return *place;
        } catch (const Error& error) {
            if (on_problem) on_problem(concat(error.what(), "; ", place->directory.string(), " is skipped"));
        }
    }
    return std::nullopt;
}

}  // namespace hydralora::io
