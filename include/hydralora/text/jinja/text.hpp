// A text that knows where its bytes come from: what a conversation says is never taken for a mark of the template.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hydralora::text::jinja {

/// 0: of the template; n: of the n-th message, from 1. With the bit `generated`, inside a generation block.
using Origin = std::uint32_t;
inline constexpr Origin generated = std::uint32_t{1} << 31;
inline constexpr Origin of_record = generated - 1;  ///< of what stands beside the messages
[[nodiscard]] constexpr Origin source_of(Origin origin) { return origin & ~generated; }

class Text {
public:
    struct Run {
        std::size_t end;
        Origin origin;
    };

    Text() = default;
    Text(std::string bytes, Origin origin = 0) : bytes_(std::move(bytes)), only_(origin) {}
    Text(std::string_view bytes) : bytes_(bytes) {}
    Text(const char* bytes) : bytes_(bytes) {}

    [[nodiscard]] const std::string& bytes() const { return bytes_; }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    /// Bytes that it takes: its own and those that tell where they come from.
    [[nodiscard]] std::size_t memory() const { return bytes_.size() + runs_.size() * sizeof(Run); }

    /// Calls `take(begin, end, origin)` for each run of one origin, in order.
    template <class Take>
    void each_run(Take&& take) const {
        if (empty()) return;
        if (runs_.empty()) return take(std::size_t{0}, size(), only_);
        std::size_t begin = 0;
        for (const Run& run : runs_) {
            take(begin, run.end, run.origin);
            begin = run.end;
        }
    }
    [[nodiscard]] Origin origin_at(std::size_t i) const {
        if (runs_.empty()) return only_;
        return std::upper_bound(runs_.begin(), runs_.end(), i,
                                [](std::size_t at, const Run& run) { return at < run.end; })
            ->origin;
    }

    void append(std::string_view bytes, Origin origin) {
        if (bytes.empty()) return;
        if (empty()) {
            only_ = origin;
        } else if (runs_.empty() && only_ != origin) {
            runs_.push_back({size(), only_});
        }
        bytes_ += bytes;
        if (runs_.empty()) return;
        if (runs_.back().origin == origin)
            runs_.back().end = size();
        else
            runs_.push_back({size(), origin});
    }
    void append(const Text& other) { append(other, 0, other.size()); }
    void append(const Text& other, std::size_t begin, std::size_t end) {
        const std::string_view bytes = other.bytes_;
        if (other.runs_.empty()) return append(bytes.substr(begin, end - begin), other.only_);
        auto run = std::upper_bound(other.runs_.begin(), other.runs_.end(), begin,
                                    [](std::size_t at, const Run& each) { return at < each.end; });
        for (; begin < end; ++run) {
            const std::size_t next = std::min(run->end, end);
            append(bytes.substr(begin, next - begin), run->origin);
            begin = next;
        }
    }
    /// A part of markup is markup; what is appended is not.
    [[nodiscard]] Text slice(std::size_t begin, std::size_t end) const {
        Text part;
        part.append(*this, begin, end);
        part.markup_ = markup_;
        return part;
    }
    /// What `safe` and `escape` make: what is joined with it is escaped, as Python's Markup does.
    [[nodiscard]] bool is_markup() const { return markup_; }
    [[nodiscard]] Text as_markup(bool markup = true) && {
        markup_ = markup;
        return std::move(*this);
    }
    /// Byte by byte; the origins stay.
    template <class Map>
    [[nodiscard]] Text mapped(Map&& map) const {
        Text result = *this;
        for (char& c : result.bytes_) c = map(c);
        return result;
    }
    /// All of it stands inside a generation block, or none of it.
    void mark_generated(bool inside = true) {
        const auto marked = [inside](Origin origin) { return inside ? origin | generated : origin & ~generated; };
        only_ = marked(only_);
        for (Run& run : runs_) run.origin = marked(run.origin);
    }

private:
    std::string bytes_;
    Origin only_ = 0;        // of all bytes, where there are no runs
    std::vector<Run> runs_;  // neighbours differ
    bool markup_ = false;
};

}  // namespace hydralora::text::jinja
