#!/usr/bin/env python3
"""Makes include/hydralora/text/unicode_tables.hpp, case_tables.hpp, compatibility_tables.hpp and pattern_tables.hpp:
pip install tokenizers==0.23.3; python3 make_unicode.py with a Python whose unicodedata is Unicode 14 (3.11).

The truth is the package, not a version of Unicode (it mixes three): every property is asked of it for every code point.
Python's unicodedata only proposes: marks with their class and pairs, of which those stay that the package knows; and it
says what a PCRE2 of Unicode 14 takes a character for.
"""
import pathlib
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

every = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
nfc, nfd = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str


def of_regex(pattern):
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return {ord(c) for piece, _ in split.pre_tokenize_str("".join(map(chr, every))) for c in piece}


def of_digits():
    pieces = pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str("".join(chr(c) + "|" for c in every))
    return {ord(piece) for piece, _ in pieces if len(piece) == 1 and piece != "|"}


def of_words():
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    tokenizer.add_tokens([AddedToken("<w>", single_word=True, normalized=False)])
    return {c for c in every if tokenizer.token_to_id("<w>") not in tokenizer.encode(chr(c) + "<w>").ids}


def of_strip():
    tokenizer = Tokenizer(models.BPE(vocab={"a": 0}, merges=[]))
    tokenizer.add_tokens([AddedToken("<l>", lstrip=True, normalized=False)])
    return {c for c in every if tokenizer.encode(chr(c) + "<l>").offsets[0] == (0, 4)}


def of_punctuation():
    pieces = pre_tokenizers.Punctuation("isolated").pre_tokenize_str("".join("a" + chr(c) for c in every))
    return {ord(piece) for piece, _ in pieces if len(piece) == 1 and piece != "a"}


def of_accents():
    strip = normalizers.StripAccents().normalize_str
    return {c for c in every if strip("a" + chr(c)) == "a"}


def combining_classes():
    """A mark that the package knows goes before one of a lower class; U+0315 (232) and U+0316 (220) are in all versions."""
    classes = {}
    for c in every:
        ccc = unicodedata.combining(chr(c))
        if ccc == 0:
            continue
        other = "\u0334" if ccc > 1 else "\u0345"
        text = chr(c) + other if ccc > 1 else other + chr(c)
        known = nfd(text) != text if nfd(chr(c)) == chr(c) else True
        classes[c] = ccc if known else 0
    return classes


def decompositions():
    """One step each, as in UnicodeData.txt, of the characters that the package decomposes."""
    result = {}
    for c in every:
        fields = unicodedata.decomposition(chr(c))
        if fields and not fields.startswith("<") and nfd(chr(c)) != chr(c):
            assert nfd(chr(c)) == unicodedata.normalize("NFD", chr(c)), hex(c)
            result[c] = [int(x, 16) for x in fields.split()]
    for c in every:  # nothing that only the package decomposes, but Hangul, which is computed
        assert c in result or nfd(chr(c)) == chr(c) or 0xAC00 <= c < 0xD7A4, hex(c)
    return result


def rows(words, width=120):
    line = "   "
    for word in words:
        if len(line) + len(word) + 2 > width:
            yield line
            line = "   "
        line += " " + word + ","
    yield line


def boundaries(flags):
    """start << 8 | flags, wherever the flags change."""
    last, result = 0, []
    for c in range(0x110000):
        now = flags.get(c, 0)
        if now != last or c == 0:
            result.append(hex(c << 8 | now))
            last = now
    return result


def runs_of(pairs, steps):
    """[first, last, step, to - first] of the longest runs (first, first + step, ...) that go to as many in a row."""
    result = []
    for c, to in sorted(pairs.items()):
        last = result[-1] if result else None
        if last and last[3] == to - c and (c - last[1] in steps if last[0] == last[1] else c - last[1] == last[2]):
            last[2] = c - last[1]
            last[1] = c
        else:
            result.append([c, c, 1, to - c])
    return result


def lower_case():
    lower = normalizers.Lowercase().normalize_str
    pairs = {c: lower(chr(c)) for c in every if lower(chr(c)) != chr(c)}
    assert pairs.pop(0x130) == "i\u0307" and all(len(to) == 1 for to in pairs.values())
    assert lower("\u0391\u03a3") == "\u03b1\u03c3"  # each for itself: no final sigma
    return [f"{{{hex(a)}, {hex(b)}, {step}, {delta}}}"
            for a, b, step, delta in runs_of({c: ord(to) for c, to in pairs.items()}, (1, 2))]


def compatibility():
    """What NFKD makes of the characters of which NFD makes something else: runs of single characters, and texts."""
    nfkd = normalizers.NFKD().normalize_str
    texts = {c: nfkd(chr(c)) for c in every if nfkd(chr(c)) != nfd(chr(c))}
    assert all(ord(x) < 0x10000 for to in texts.values() for x in to)
    single = [f"{{{hex(a)}, {hex(b)}, {hex(a + delta)}}}"
              for a, b, _, delta in runs_of({c: ord(to) for c, to in texts.items() if len(to) == 1}, (1,))]
    # The longest texts first, so that others are found within them.
    pool, entries = "", []
    longer = {c: to for c, to in texts.items() if len(to) > 1}
    places = {}
    for to in sorted(set(longer.values()), key=lambda t: (-len(t), t)):
        if to not in pool:
            pool += to
        places[to] = pool.index(to)
    for c, to in sorted(longer.items()):
        entries.append(f"{{{hex(c)}, {places[to]}, {len(to)}}}")
    return single, entries, [hex(ord(x)) for x in pool]


def young():
    """Characters that the package's expressions take for something that they were not in Unicode 14, each run with an older
    character of the same kinds and of as many bytes."""
    kinds = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
    kind = {c: k for k in kinds for c in of_regex(r"\p{%s}" % k)}
    more = [of_regex(r"\w"), of_regex(r"\s"), of_regex(r"\p{Han}")]
    script = {c: s for s in ("Arabic", "Cyrillic", "Hiragana", "Katakana", "Latin") for c in of_regex(r"\p{%s}" % s)}
    described = {c: (kind[c], len(chr(c).encode()), *(c in m for m in more)) for c in every}
    young = [c for c in every if kind[c] != unicodedata.category(chr(c))]
    old = {}
    for c in every:
        if kind[c] == unicodedata.category(chr(c)):
            old.setdefault((described[c], script.get(c)), c)
            old.setdefault(described[c], c)
    result = []
    for c in young:  # of the same script too, if there is one
        stand = old.get((described[c], script.get(c)), old[described[c]])
        if result and result[-1][1] == c - 1 and result[-1][2] == stand:
            result[-1][1] = c
        else:
            result.append([c, c, stand])
    return [f"{{{hex(a)}, {hex(b)}, {hex(stand)}}}" for a, b, stand in result]


def header(name, *parts):
    text = [
        "// Generated by tests/golden/make_unicode.py from what the Python package `tokenizers` 0.23.3 answers for every",
        "// code point. Do not edit.",
        "// clang-format off",
        "#pragma once",
        "",
        "#include <cstdint>",
        "",
        "namespace hydralora::text::tables {",
        "",
        *parts,
        "}  // namespace hydralora::text::tables",
        "",
    ]
    path = pathlib.Path(__file__).resolve().parents[2] / "include/hydralora/text" / name
    path.write_text("\n".join(text))


def table(declaration, items, *comment):
    return [*comment, f"inline constexpr {declaration}[] = {{", *rows(items), "};", ""]


def main():
    letters, numbers, spaces = of_regex(r"\p{L}"), of_regex(r"\p{N}"), of_regex(r"\s")
    assert spaces == of_strip()
    flags = {}
    for bit, members in enumerate((letters, numbers, spaces, of_words(), of_digits(), of_regex(r"\p{P}"), of_accents(),
                                   of_punctuation())):
        for c in members:
            flags[c] = flags.get(c, 0) | 1 << bit
    pairs = decompositions()
    items = [f"{{{hex(c)}, {hex(d[0])}, {hex(d[1]) if len(d) > 1 else 0}}}" for c, d in sorted(pairs.items())]
    composed = {tuple(d): i for i, (c, d) in enumerate(sorted(pairs.items()))
                if len(d) == 2 and nfc(chr(d[0]) + chr(d[1])) == chr(c)}
    header("unicode_tables.hpp",
           *table("std::uint32_t properties", boundaries(flags),
                  "/// start << 8 | flags: the flags of all code points from `start` to the next entry's. 1 \\p{L}, 2 \\p{N}, 4 \\s",
                  "/// (Unicode 16), 8 \\w of added tokens (Unicode 16), 16 what `Digits` splits off (Unicode 17), 32 \\p{P},",
                  "/// 64 what `StripAccents` takes off (Unicode 9), 128 what `Punctuation` splits off (Unicode 7)."),
           *table("std::uint32_t combining_classes", boundaries(combining_classes()),
                  "/// start << 8 | canonical combining class (Unicode 9, which is what NFC of the package knows)."),
           "struct Decomposition {",
           "    std::uint32_t from, first, second;  // second = 0: to one character",
           "};",
           *table("Decomposition decompositions", items,
                  "/// One step of canonical decomposition, by `from`; Hangul is computed."),
           *table("std::uint16_t compositions", [str(i) for _, i in sorted(composed.items())],
                  "/// Indices of the decompositions that NFC undoes, by (first, second)."))
    header("case_tables.hpp",
           "struct LowerCaseRun {",
           "    std::uint32_t first, last;",
           "    std::int32_t step, delta;",
           "};",
           *table("LowerCaseRun lower_case", lower_case(),
                  "/// first, first + step, ... last become what is `delta` beside them (Unicode 17). U+0130 becomes two and is not here."))
    single, texts, pool = compatibility()
    header("compatibility_tables.hpp",
           "struct CompatibilityRun {",
           "    std::uint32_t first, last, to;",
           "};",
           *table("CompatibilityRun compatibility_runs", single,
                  "/// Characters that NFKD (Unicode 9) makes other ones of, run by run: first to last become `to` and what follows it."),
           "struct CompatibilityText {",
           "    std::uint32_t from;",
           "    std::uint16_t begin, size;",
           "};",
           *table("CompatibilityText compatibility_texts", texts,
                  "/// Characters that it makes several of, a place in the pool."),
           *table("char16_t compatibility_pool", pool))
    header("pattern_tables.hpp",
           "struct YoungRun {",
           "    std::uint32_t first, last, stands_in;",
           "};",
           *table("YoungRun young", young(),
                  "/// Characters whose kind a PCRE2 of Unicode 14 does not know, and one that it knows: of the same general category,",
                  "/// \\w, \\s and \\p{Han}, and of as many bytes."))


main()
