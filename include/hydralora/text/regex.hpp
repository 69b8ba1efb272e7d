// Regular expressions of tokenizer.json by PCRE2 (8 bit), where the build has it: HYDRALORA_PCRE2 is defined, as the
// target hydralora::io does where the library is found.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#ifdef HYDRALORA_PCRE2
#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>
#endif

#include "../core/check.hpp"
#include "../io/quote.hpp"
#include "growth_limit.hpp"
#include "pattern_dialect.hpp"
#include "pattern_tables.hpp"
#include "unicode.hpp"

namespace hydralora::text {

namespace regex_detail {

/// The text as the engine may read it, of the same bytes: characters younger than its tables are replaced by older
/// ones of the same kind, bytes that are no character by a control character. `copy` holds it where it is not the text.
[[nodiscard]] inline std::string_view readable(std::string_view text, std::string& copy) {
    bool copied = false;
    for (std::size_t i = 0; i < text.size();) {
        if (static_cast<unsigned char>(text[i]) < 0x80) {
            ++i;
            continue;
        }
        const Character c = character_at(text, i);
        std::uint32_t stands_in = c.code;
        if (c.code == no_character) {
            stands_in = 1;
        } else if (c.code >= std::begin(tables::young)->first) {
            const auto* const run = std::upper_bound(std::begin(tables::young), std::end(tables::young), c.code,
                                                     [](std::uint32_t code, const auto& r) { return code < r.first; });
            if (c.code <= run[-1].last) stands_in = run[-1].stands_in;
        }
        if (stands_in != c.code) {
            if (!copied) copy = text;
            copied = true;
            std::string bytes;
            append_utf8(bytes, stands_in);
            copy.replace(i, c.bytes, bytes);
        }
        i += c.bytes;
    }
    return copied ? std::string_view(copy) : text;
}

#ifdef HYDRALORA_PCRE2

template <auto function>
struct Free {
    template <class T>
    void operator()(T* object) const {
        function(object);
    }
};
template <class T, auto function>
using Owned = std::unique_ptr<T, Free<function>>;
using Code = Owned<pcre2_code, pcre2_code_free>;

/// What a thread matches with.
struct Matcher {
    static constexpr std::size_t stack_bytes = std::size_t{64} << 20;
    static constexpr std::uint32_t heap_kib = std::uint32_t{64} << 10;

    Owned<pcre2_match_data, pcre2_match_data_free> data{pcre2_match_data_create(1, nullptr)};
    Owned<pcre2_match_context, pcre2_match_context_free> context{pcre2_match_context_create(nullptr)};
    Owned<pcre2_jit_stack, pcre2_jit_stack_free> stack{pcre2_jit_stack_create(32 << 10, stack_bytes, nullptr)};

    Matcher() {
        if (data == nullptr || context == nullptr) fail("PCRE2: no memory for matching");
        pcre2_set_heap_limit(context.get(), heap_kib);
        if (stack != nullptr) pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    }
    [[nodiscard]] static Matcher& of_thread() {
        static thread_local Matcher matcher;
        return matcher;
    }
    /// The first match from `at` on, where steps from one place are at most `steps`.
    [[nodiscard]] int find(const pcre2_code* code, std::string_view text, std::size_t at, std::uint32_t steps) {
        pcre2_set_match_limit(context.get(), steps);
        return pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at, PCRE2_NO_UTF_CHECK,
                           data.get(), context.get());
    }
    [[nodiscard]] std::size_t begin() const { return pcre2_get_ovector_pointer(data.get())[0]; }
    [[nodiscard]] std::size_t end() const { return pcre2_get_ovector_pointer(data.get())[1]; }
};

[[nodiscard]] inline std::string message_of(int error) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(error, text, sizeof text);
    return reinterpret_cast<const char*>(text);
}

[[nodiscard]] inline Code compile(const std::string& pattern, std::uint32_t options) {
    const Owned<pcre2_compile_context, pcre2_compile_context_free> context{pcre2_compile_context_create(nullptr)};
    check(context != nullptr, "PCRE2: no memory for compiling");
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
    pcre2_set_max_pattern_length(context.get(), std::size_t{1} << 16);
    int error = 0;
    std::size_t at = 0;
    Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                            PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | options, &error, &at, context.get()));
    if (code == nullptr) fail("PCRE2 does not take it: ", message_of(error));
    // Where there is no compiler for this processor it is interpreted.
    static_cast<void>(pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE));
    return code;
}

#endif

}  // namespace regex_detail

/// A regular expression as tokenizer.json has it (pattern_dialect.hpp). Copies share it, and threads may.
class Regex {
public:
    /// Whether this build has an engine.
#ifdef HYDRALORA_PCRE2
    static constexpr bool available = true;
#else
    static constexpr bool available = false;
#endif

    /// Errors say why, for the caller to say which and where.
    explicit Regex(std::string_view pattern) {
#ifdef HYDRALORA_PCRE2
        constexpr bool script_prefix = PCRE2_MAJOR > 10 || (PCRE2_MAJOR == 10 && PCRE2_MINOR >= 40);
        const std::string translated = to_pcre2(pattern, script_prefix);
        codes_ = std::make_shared<const Codes>(Codes{std::string(pattern), regex_detail::compile(translated, 0),
                                                     regex_detail::compile(translated, PCRE2_ANCHORED)});
#else
        static_cast<void>(pattern);
        fail(
            "this build has no PCRE2, which it needs: install it (libpcre2-dev on Debian and Ubuntu) and configure "
            "again, or define HYDRALORA_PCRE2 and link pcre2-8");
#endif
    }

    /// Calls `take(begin, end)` for the matches, from left to right, that do not overlap; one of no characters counts if no
    /// match ends where it stands. `limit` is told what this may have cost.
    template <class Take>
    void each_match(std::string_view text, GrowthLimit& limit, Take&& take) const {
#ifdef HYDRALORA_PCRE2
        std::string copy;
        Search search{*codes_, regex_detail::Matcher::of_thread(), limit, regex_detail::readable(text, copy)};
        constexpr std::size_t none = ~std::size_t{0};
        std::size_t last = none;
        for (std::size_t at = 0; at <= text.size() && search.next(at);) {
            const std::size_t begin = search.matcher.begin(), end = search.matcher.end();
            if (begin != end || begin != last) take(begin, end);
            last = end;
            at = end;
            if (begin == end) at += end < text.size() ? character_at(text, end).bytes : 1;
        }
#else
        static_cast<void>(text), static_cast<void>(limit), static_cast<void>(take);
#endif
    }

private:
#ifdef HYDRALORA_PCRE2
    struct Codes {
        std::string pattern;
        regex_detail::Code anywhere, here;  // the second matches at one place only
    };
    /// Looks for matches with few steps a place, and once they are not enough place by place with more and more, so that
    /// what is spent is known: the engine counts anew at each place.
    struct Search {
        static constexpr std::uint32_t few = 100;

        const Codes& codes;
        regex_detail::Matcher& matcher;
        GrowthLimit& limit;
        std::string_view text;
        bool one_by_one = false;

        /// Whether there is a match from `at` on.
        [[nodiscard]] bool next(std::size_t at) {
            if (!one_by_one) {
                const int found = matcher.find(codes.anywhere.get(), text, at, few);
                if (found != PCRE2_ERROR_MATCHLIMIT) {
                    limit.spend(few * ((found < 0 ? text.size() : matcher.begin()) - at + 1));
                    return is_match(found);
                }
                limit.spend(few * (text.size() - at + 1));
                one_by_one = true;
            }
            for (; at <= text.size(); at += at < text.size() ? character_at(text, at).bytes : 1)
                if (at_place(at)) return true;
            return false;
        }
        [[nodiscard]] bool at_place(std::size_t at) {
            constexpr std::uint32_t most = std::uint32_t{1} << 30;
            for (std::uint32_t steps = few;; steps *= 8) {
                limit.spend(steps);
                const int found = matcher.find(codes.here.get(), text, at, steps);
                if (found != PCRE2_ERROR_MATCHLIMIT || steps >= most) return is_match(found);
            }
        }
        [[nodiscard]] bool is_match(int found) const {
            if (found >= 0) return true;
            if (found == PCRE2_ERROR_NOMATCH) return false;
            fail("Tokenizer: the regular expression ", io::in_quotes(codes.pattern), " on a text of ", text.size(),
                 " bytes: ", regex_detail::message_of(found), "; encode less at once");
        }
    };

    std::shared_ptr<const Codes> codes_;
#endif
};

}  // namespace hydralora::text
