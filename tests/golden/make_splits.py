#!/usr/bin/env python3
"""Makes tokenizer/splits.json, beside make_tokenizers.py and its texts.bin: pip install tokenizers==0.23.3; python3 make_splits.py

What the package's Split makes of patterns: of published ones the sum (xxh64 of all pieces, a zero byte behind each, of the first
`count` texts) for every behaviour; of small ones that show the dialect the pieces; of one-character patterns the sum of the
characters that match, of all there are; what its Replace makes of texts; and which patterns it refuses.
"""
import json
import pathlib
import struct

from make_tokenizers import deepseek, gpt2, llama3, o200k, qwen2, xxh64
from tokenizers import Regex, normalizers, pre_tokenizers

here = pathlib.Path(__file__).resolve().parent / "tokenizer"
count = 300
behaviours = {"Isolated": "isolated", "Removed": "removed", "MergedWithPrevious": "merged_with_previous",
              "MergedWithNext": "merged_with_next", "Contiguous": "contiguous"}
kimi = "|".join([r"[\p{Han}]+", r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+",
                 r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+", r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*",
                 r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
published = {
    "gpt2": gpt2, "llama3": llama3, "qwen2": qwen2, "o200k": o200k, "deepseek": deepseek, "kimi": kimi,
    "qwen3_6": qwen2.replace(r"?\p{L}+", r"?[\p{L}\p{M}]+").replace(r"\s\p{L}\p{N}]", r"\s\p{L}\p{M}\p{N}]"),
    "tekken": o200k.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace("{1,3}", ""),
    "bloom": " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+",
    "cl100k": (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|"
               r"\s+(?!\S)|\s"),
    "cjk": "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", "digits": r"\p{N}{1,3}", "three_digits": "[0-9][0-9][0-9]",
    "from_the_right": r"\d{1,3}(?=(?:\d{3})*\b)", "spaces": " {2,}", "lines": r"\n+", "nothing": "", "maybe": "x*",
}
dialect = [
    (r"\d{1,3}+", "1234567a"), (r"a{2}?", "aaaaab"), (r"a{,2}b", "aaab"), (r"a{1,2}?", "aaa"), (r"a++a", "aaa"), (r"a?+a", "a"),
    (r"(?>a+)a", "aaa"), (r"(?>a|ab)c", "abc"), (r"a$", "a\na\n"), (r"\n$", "\n"), (r"$", "a\nb\n"), (r"^", "a\nb\n"),
    (r"^\n?", "\n\n"), (r"a\Z", "a\na\n"), (r"a\z", "a\na"), (r"\Aa", "aa"), (r"(?m:.)", "a\n"), (".", "a\nb"),
    (r"(?i:s)", "\u017fSs"), (r"(?i:k)", "\u212ak"), (r"(?i:[a-z])", "\u017f\u212aZ"), (r"(?i)a|b", "AB"), (r"x(?i)a|b", "xAXBxB"),
    (r"(?i:'s|'t|'re)", "'S'\u017f'Re"), (r"\h+", "g fA9\u00a0"), (r"\v+", "\x0b\n"), (r"\u4e00", "\u4e00"), (r"\x{4e00}", "\u4e00"),
    (r"\x41", "A"), (r"[a-c-e]", "a-d"), (r"[\w-]+", "a-b "), (r"[-a]+", "a-b"), (r"[a-]+", "a-b"), (r"[]a]+", "a]b"), ("{", "{a"),
    ("a{", "a{"), ("a{x}", "a{x}"), ("a{,}", "a{,}aa"), ("x{2,}", "xxxx"), (r"[a-z&&[^b]]+", "abc"), (r"[^a-z&&[^b]]+", "abcB"),
    (r"[^\W\d_]+", "a1_b"), (r"[\S&&\D]+", "a1 b"), (r"[[a-c][x-z]]+", "axd"), (r"[^[a-c]x]+", "axd"), (r"(?<=a)b", "abb"),
    (r"(?<!a)b", "abb"), (r"(?<=a|bc)d", "adbcd"), (r"a(?=b)", "abac"), (r"a(?!b)", "abac"), (r"\bab", "ab cab"), (r"b\B", "ab abb"),
    (r"\be", "e\u0301e \u0301e"), (r"(a)(b)?c", "acabc"), (r"(?<name>a)b", "ab"), (r"a(?#comment)b", "ab"), (r"(?:a|b)*?c", "abcc"),
    (r"\p{^L}+", "a1 b"), (r"\P{L}+", "a1 b"), (r"\p{Letter}+", "a1"), (r"\p{uppercase letter}", "aB"), (r"\p{Lu}\p{Ll}*", "HelloWorld"),
    (r"\\\.\[\]\(\)\{\}\*\+\?\^\$\|", "\\.[](){}*+?^$|"), (r"[\\\]\[\-\^]+", "\\][-^"), (r"\t\n\r\f\a\e", "\t\n\r\f\a\x1b"),
    ("\u00e9+", "\u00e9\u00e9e"), ("[\u00e0-\u00ff]+", "\u00e9\u00e8e"), ("a**", "aab"), ("(?:a|b)+?", "ab"), ("#", "a#b"),
    (r"\p{L}+", "a\U00031350\u1c89b\U00011f04"), (r"\p{Lu}", "\u1c89\u1c8a"), (r"[^\p{L}]+", "a\u180eb"), (r"\s+", "a\u180e\u2003b"), (r"[\w]+", "a\u00b2 1"), (r"\w+", "a\u00b2 1"), (r"[^\W]+", "a\u00bd 1"),
]
kinds = "L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp Cc Cf Co".split()
scripts = "Armenian Georgian Greek Han Hangul Hebrew Hiragana Katakana Khmer Tamil Thai Tibetan".split()
one_character = [r"\s", r"\S", r"\w", r"\W", r"\d", r"\D", r"\h", r"\H", r"[^\W\s]", r"(?i:[a-z])", r"(?i:\p{L})", r"[\p{L}&&[^\p{Han}]]",
                 *(rf"\p{{{k}}}" for k in kinds + scripts), r"\P{L}", r"[^\s\p{L}\p{N}]", r"\b(?m:.)\b"]
replacements = [("x*", "-", "abxxc"), ("(a)", r"\1$1", "ba"), (r"\s+", " ", "a \t\u3000b\n"), ("", "-", "\u00e9a"), (r"^\s+|\s+$", "", "  a  "),
                (r"(?<=a)", "!", "aab")]
refused = [r"[\s-a]", "[a", "(a", "a)", "*a", "[]", r"\p{Nope}", r"(?s:.)", "[b-a]", r"[&&a]x["]


def pieces(pattern, text, behaviour="isolated", invert=False):
    return [p for p, _ in pre_tokenizers.Split(Regex(pattern), behaviour, invert=invert).pre_tokenize_str(text)]


def sum_of(parts):
    return f"{xxh64(b''.join(p.encode() + bytes(1) for p in parts)):016x}"


def main():
    data = (here / "texts.bin").read_bytes()
    texts, at = [], 0
    while len(texts) < count:
        size = struct.unpack_from("<I", data, at)[0]
        texts.append(data[at + 4:at + 4 + size].decode())
        at += 4 + size
    every = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    result = {
        "count": count,
        "published": [{"name": name, "pattern": pattern, "sums": {
            json_name: [sum_of(p for t in texts for p in pieces(pattern, t, behaviour, invert)) for invert in (False, True)]
            for json_name, behaviour in behaviours.items()}} for name, pattern in published.items()],
        "dialect": [{"pattern": p, "text": t, "pieces": pieces(p, t), "matches": pieces(p, t, "removed", True)} for p, t in dialect],
        "one_character": [{"pattern": p, "sum": f"{xxh64(''.join(pieces(p, every, 'removed', True)).encode()):016x}"} for p in one_character],
        "replacements": [{"pattern": p, "content": c, "text": t, "result": normalizers.Replace(Regex(p), c).normalize_str(t)}
                         for p, c, t in replacements],
    }
    for pattern in refused:
        try:
            Regex(pattern)
        except Exception:
            continue
        print("not refused:", pattern)
    result["refused"] = refused
    (here / "splits.json").write_text(json.dumps(result, indent=1) + "\n")


main()
