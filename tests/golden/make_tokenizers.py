#!/usr/bin/env python3
"""Makes tokenizer/*: pip install tokenizers==0.23.3; python3 make_tokenizers.py

NAME.json are small tokenizers in the configurations of the families; texts.bin holds the texts (u32 length, bytes);
NAME.bin what the package makes of them, little endian:
    for special tokens as text, then recognised: u64 sum over the sums of all texts, u16 sum of each text,
        then for the first `shown` texts u16 count, u16 ids
    for decoding (the recognised ids) u64 sum, u16 sums; u64 sum without the ids of special tokens (which are taken out
        here: the package leaves special tokens in that its normalizer changes)
    u32 count of further decodings: u16 count, u16 ids, u16 bytes, the text (U+FFFD for what is no UTF-8)
sweep_NAME.json and .bin: the sums (u64) of `sweep_text` of blocks of 4096 code points.
A sum of ids is xxh64 of them as u32, of texts that of their bytes; the short sums are their low halves.
"""
import json
import pathlib
import random
import struct
import unicodedata

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Regex

here = pathlib.Path(__file__).resolve().parent / "tokenizer"
shown = 100
M64 = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                      0x27D4EB2F165667C5)


def rotl(x, r):
    return ((x << r) | (x >> (64 - r))) & M64


def mix(lane, word):
    return rotl((lane + word * P2) & M64, 31) * P1 & M64


def xxh64(data):
    n, i = len(data), 0
    if n >= 32:
        v = [(P1 + P2) & M64, P2, 0, -P1 & M64]
        words = struct.unpack_from("<%dQ" % (n // 32 * 4), data)
        for k in range(0, len(words), 4):
            v = [mix(v[j], words[k + j]) for j in range(4)]
        i = n // 32 * 32
        h = (rotl(v[0], 1) + rotl(v[1], 7) + rotl(v[2], 12) + rotl(v[3], 18)) & M64
        for lane in v:
            h = ((h ^ mix(0, lane)) * P1 + P4) & M64
    else:
        h = P5
    h = (h + n) & M64
    while i + 8 <= n:
        h = (rotl(h ^ mix(0, struct.unpack_from("<Q", data, i)[0]), 27) * P1 + P4) & M64
        i += 8
    if i + 4 <= n:
        h = (rotl(h ^ (struct.unpack_from("<I", data, i)[0] * P1 & M64), 23) * P2 + P3) & M64
        i += 4
    while i < n:
        h = rotl(h ^ (data[i] * P5 & M64), 11) * P1 & M64
        i += 1
    h = (h ^ (h >> 33)) * P2 & M64
    h = (h ^ (h >> 29)) * P3 & M64
    return h ^ (h >> 32)


def sum_of(ids):
    return xxh64(struct.pack("<%dI" % len(ids), *ids))


# ---- texts

ranges = [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x370, 0x3FF), (0x400, 0x45F), (0x531, 0x556), (0x5D0, 0x5EA),
          (0x620, 0x64A), (0x905, 0x939), (0x985, 0x9B9), (0xE01, 0xE2E), (0x10A0, 0x10FF), (0x1100, 0x11FF),
          (0x1E00, 0x1FFE), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFAD9),
          (0x10400, 0x1044F), (0x1D400, 0x1D7FF), (0x20000, 0x2A6DF)]
marks = [c for c in range(0x300, 0x20000) if unicodedata.combining(chr(c))]
digits = [c for c in range(0x30, 0x20000) if unicodedata.category(chr(c))[0] == "N"]
spaces = "\t\n\v\f\r \x1c\x1f\x85\xa0\u1680\u2003\u200b\u2028\u2029\u202f\u3000\ufeff"
syllables = "ka lo mi ter an the ing tion re st qu er o u ed pro con al is in to ex ple ment ly able ur es".split()
emoji = ["\U0001F600", "\U0001F44D\U0001F3FD", "\U0001F469\u200d\U0001F469\u200d\U0001F467", "\u2764\ufe0f",
         "\U0001F1E9\U0001F1EA", "\U0001F9D1\u200d\U0001F4BB", "1\ufe0f\u20e3"]
code = ["int main() {\n\treturn 0;\n}\n", "for (i = 0; i < n; ++i)", "    def f(self, x):\n        return x\n", "x += 1;",
        "a->b", "std::vector<int>", "// ----\n", "/* x */", "foo_bar", "camelCase", "HTTPServer2", "\\n", "{}[]()", "==",
        "!==", "0x1F", "1e-9", "3.14159", "https://x.org/a?b=c&d=%20", "<div class=\"a\">", "&amp;", "$PATH", "#!/bin/sh\n"]
contractions = ["'s", "'S", "'t", "'RE", "'re", "'Ve", "'ll", "'LL", "'d", "'m", "'\u017f", "\u2019s", "'sx", "''s", "'r",
                "'l", "don't", "I'M", "we'll", "they'Re"]
lookalikes = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|end", "of_text|>", "<s>", "</s>", "<unk>", "<s", "</s",
              "<0x0A>", "<0x41>", "<mask>", " <mask> ", "word", "words", "sword", "<tool_call>", "</tool_call>",
              "<|begin_of_text|>", "<|eot_id|>", "ab", "abc", "abcd", "bcde", "\u00e9", "e\u0301", "A B", "\u2581A\u2581B",
              "<|im_end|><|im_end|>", "<pad>", "[INST]", "<l>", " <l>", "<r>  ", "\u1e9b\u0323"]


def letter(r):
    low, high = r.choice(ranges)
    return chr(r.randint(low, high))


def word(r):
    if r.random() < 0.6:
        return "".join(r.choice(syllables) for _ in range(r.randint(1, 4)))
    low, high = r.choice(ranges)
    return "".join(chr(r.randint(low, high)) for _ in range(r.randint(1, 7)))


def piece(r):
    k = r.randrange(18)
    if k < 5:
        return word(r)
    if k == 5:
        return word(r).capitalize()
    if k == 6:
        return " " * r.choice([1, 1, 1, 2, 3, 8])
    if k == 7:
        return "".join(r.choice(spaces) for _ in range(r.randint(1, 5)))
    if k == 8:
        return r.choice(["\n", "\r\n", "\n\n", " \n", "\n ", "\t\t", "\r", "  \n\n  "])
    if k == 9:
        return "".join(chr(r.choice(digits)) for _ in range(r.randint(1, 5)))
    if k == 10:
        return str(r.randrange(10 ** r.randint(1, 12)))
    if k == 11:
        return r.choice(emoji)
    if k == 12:
        return letter(r) + "".join(chr(r.choice(marks)) for _ in range(r.randint(1, 4)))
    if k == 13:
        return r.choice(code)
    if k == 14:
        return r.choice(contractions)
    if k == 15:
        return "".join(r.choice("!?.,;:-_/\\'\"()[]{}<>@#$%^&*+=|~`\u2026\u2014\u00ab\u00bb\u3002\u300c\u20ac\u00a3\u2581"
                                "\u0120\u00ad\u00a1") for _ in range(r.randint(1, 5)))
    if k == 16:
        return r.choice(lookalikes)
    c = r.randrange(0x110000)
    return chr(r.choice([r.randrange(0x20), 0x7F, r.randrange(0x80, 0xA0), r.randrange(0x3000), c if not
                         0xD800 <= c < 0xE000 else 0xFFFD, 0xFFFE, 0x10FFFF]))


def make_text(r):
    n = r.choice([0, 1, 1, 2, 3, 4, 5, 6, 8, 12, 16])
    out = []
    for _ in range(n):
        out.append(piece(r))
        if r.random() < 0.45:
            out.append(" ")
    text = "".join(out)
    if r.random() < 0.004:
        text += r.choice(["a", " ", "\n", "ab", "\u4e2d", "e\u0301", "=", "0"]) * r.randint(50, 400)
    return text


def training_text(r):
    common = [word(r) for _ in range(300)]
    for _ in range(4000):
        line = [r.choice(common[:40] if r.random() < 0.5 else common) for _ in range(r.randint(2, 9))]
        line += [piece(r) for _ in range(r.randint(0, 3))]
        r.shuffle(line)
        yield " ".join(line) + r.choice(["", ".", "!", "\n", "?\n\n", "...", " (1)"])


# ---- tokenizers

gpt2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
llama3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|"
          r"\s+(?!\S)|\s+")
qwen2 = llama3.replace("{1,3}", "")


deepseek = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^" "\r\n" r"\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+["
            "\r\n" r"]*|\s*[" "\r\n" r"]+|\s+(?!\S)|\s+")
cased = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]%s[\p{Ll}\p{Lm}\p{Lo}\p{M}]%s(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
o200k = "|".join([cased % ("*", "+"), cased % ("+", "*"), r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+",
                  r"\s+(?!\S)", r"\s+"])


def split(pattern, **more):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False, **more}


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def sequence(kind, *steps):
    return {"type": "Sequence", kind: list(steps)}


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": split}


def template(before, after):
    single = [{"SpecialToken": {"id": t, "type_id": 0}} for t, _ in before]
    single.append({"Sequence": {"id": "A", "type_id": 0}})
    single += [{"SpecialToken": {"id": t, "type_id": 0}} for t, _ in after]
    tokens = {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in before + after}
    return {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": tokens}


def added(content, **flags):
    return {"id": 0, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": True, **flags}


def part(cls, spec):
    """A step of the package from its JSON."""
    frame = {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {}, "merges": []}, cls: spec}
    return getattr(Tokenizer.from_str(json.dumps(frame)), cls)


def trained(vocabulary, normalizer, pre_tokenizer, specials, alphabet):
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = part("normalizer", normalizer)
    if pre_tokenizer:
        tokenizer.pre_tokenizer = part("pre_tokenizer", pre_tokenizer)
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=specials, initial_alphabet=alphabet,
                                  limit_alphabet=max(200, len(alphabet)), show_progress=False)
    tokenizer.train_from_iterator(training_text(random.Random(7)), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model["vocab"], model["merges"]


def build(vocab, merges, extra, pairs=False, **parts):
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
             "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False}
    model.update(parts.pop("model", {}))
    model["vocab"] = vocab
    model["merges"] = merges if pairs else [" ".join(m) for m in merges]
    next_id = len(vocab)
    for token in extra:
        token["id"] = vocab.get(token["content"], next_id)
        next_id = max(next_id, token["id"] + 1)
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": extra, "normalizer": None,
            "pre_tokenizer": None, "post_processor": None, "decoder": None, **parts, "model": model}


def families():
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    fallback = ["<0x%02X>" % b for b in range(256)]
    bl = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    v, m = trained(1200, None, byte_level(), ["<|endoftext|>"], bytes_)
    yield "gpt2", build(v, m, [added("<|endoftext|>")], pre_tokenizer=byte_level(), decoder=bl, post_processor=bl,
                        model={"continuing_subword_prefix": "", "end_of_word_suffix": ""})
    yield "gpt2_prefix", build(v, m, [
        added("<|endoftext|>"), added("<mask>", lstrip=True), added("word", special=False, single_word=True),
        added("<r>", special=False, rstrip=True), added("<l>", special=False, lstrip=True, rstrip=True, single_word=True),
        added("ab", special=False, normalized=True), added("abcd", special=False), added("bcde", special=False),
        added(" ", special=False)], pre_tokenizer=byte_level(prefix=True), decoder=bl, pairs=True)
    pre = sequence("pretokenizers", split(llama3), byte_level(regex=False))
    v, m = trained(1500, None, pre, [], bytes_)
    n = len(v)
    # As in the family's own vocabulary some words cannot be reached by the merges.
    m = [pair for i, pair in enumerate(m) if i % 17 or any(pair[0] + pair[1] in other for other in m)]
    yield "llama3", build(v, m, [added("<|begin_of_text|>"), added("<|endoftext|>"), added("<|eot_id|>")], pairs=True,
                          pre_tokenizer=pre, decoder=bl, model={"ignore_merges": True},
                          post_processor=sequence("processors", byte_level(), template([("<|begin_of_text|>", n)], [])))
    pre = sequence("pretokenizers", split(qwen2), byte_level(regex=False))
    v, m = trained(1300, {"type": "NFC"}, pre, [], bytes_)
    yield "qwen2", build(v, m, [added("<|endoftext|>"), added("<|im_start|>"), added("<|im_end|>"),
                                added("<tool_call>", special=False), added("</tool_call>", special=False),
                                added("e\u0301", special=False, normalized=True)],
                         normalizer={"type": "NFC"}, pre_tokenizer=pre, decoder=byte_level(regex=False),
                         post_processor=byte_level(regex=False))
    pre = sequence("pretokenizers", {"type": "Digits", "individual_digits": True}, byte_level())
    v, m = trained(1200, None, pre, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], bytes_)
    yield "smollm2", build(v, m, [added("<|endoftext|>"), added("<|im_start|>"), added("<|im_end|>")],
                           pre_tokenizer=pre, decoder=bl, model={"unk_token": "<|endoftext|>"})
    prepend = sequence("normalizers", {"type": "Prepend", "prepend": "\u2581"},
                       {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"})
    v, m = trained(1400, None, metaspace("always", True), ["<unk>", "<s>", "</s>"] + fallback, [])
    back = sequence("decoders", {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
                    {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0})
    model = {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True}
    marks3 = [added("<unk>"), added("<s>"), added("</s>")]
    yield "llama2", build(v, m, marks3, normalizer=prepend, decoder=back, model=model,
                          post_processor=template([("<s>", 1)], []))
    marks3 = [added("<unk>", normalized=True), added("<s>", normalized=True), added("</s>", normalized=True),
              added("A B", normalized=True, special=False), added("[INST]", special=False), added("<pad>", rstrip=True)]
    yield "llama2_normalized", build(v, m, marks3, normalizer=prepend, decoder=back, model=model, pairs=True,
                                     post_processor=template([("<s>", 1)], [("</s>", 2)]))
    marks3 = [added("<unk>"), added("<s>"), added("</s>"), added("[INST]")]
    yield "mistral", build(v, m, marks3, pre_tokenizer=metaspace("first", False), decoder=back, model=model,
                           post_processor=template([("<s>", 1)], []))
    few = {t: i for i, t in enumerate([t for t in v if not t.startswith("<0x")])}
    m_few = [p for p in m if p[0] + p[1] in few]
    yield "metaspace", build(few, m_few, [added("<unk>"), added("word", special=False, lstrip=True)],
                             pre_tokenizer=metaspace("always", True), decoder=metaspace("always", True),
                             model={"unk_token": "<unk>"})
    partial = {t: i for i, t in enumerate([t for t in v if t not in ("<0xF0>", "<0xE4>")])}
    yield "plain", build(partial, m, [added("abc", special=False), added("ab"), added("\u00e9", normalized=True)],
                         normalizer=sequence("normalizers", {"type": "NFC"}, {"type": "Replace", "pattern": {"String": "--"},
                                                                            "content": "-"}),
                         pre_tokenizer=sequence("pretokenizers", metaspace("never", False),
                                                {"type": "Digits", "individual_digits": False}),
                         decoder=metaspace("never", False), model=model)


    pre = sequence("pretokenizers", split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), split(deepseek),
                   byte_level(regex=False))
    v, m = trained(1300, None, pre, [], bytes_)
    yield "deepseek", build(v, m, [added("<|endoftext|>")], normalizer=sequence("normalizers"), pre_tokenizer=pre, decoder=bl)
    pre = sequence("pretokenizers", split(o200k), byte_level(regex=False))
    v, m = trained(1300, None, pre, [], bytes_)
    yield "o200k", build(v, m, [added("<|endoftext|>")], pre_tokenizer=pre, decoder=bl)
    v, m = trained(1200, {"type": "NFKC"}, byte_level(), ["<EOT>"], bytes_)
    yield "claude", build(v, m, [added("<EOT>"), added("\ufb01x", special=False, normalized=True)],
                          normalizer={"type": "NFKC"}, pre_tokenizer=byte_level(), decoder=bl)
    folded = sequence("normalizers", {"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
                      {"type": "Strip", "strip_left": True, "strip_right": True},
                      {"type": "Replace", "pattern": {"Regex": r"(\d)|\s{2,}"}, "content": "0 "})
    pre = sequence("pretokenizers", {"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "MergedWithNext"},
                   {"type": "Split", "pattern": {"String": "0"}, "behavior": "Contiguous", "invert": False},
                   metaspace("never", False))
    v, m = trained(900, folded, pre, ["<unk>"], [])
    yield "folded", build(v, m, [added("<unk>"), added("Word", special=False, normalized=True)], normalizer=folded,
                          pre_tokenizer=pre, model={"unk_token": "<unk>"},
                          decoder=sequence("decoders", {"type": "Replace", "pattern": {"Regex": "[aeiou]+"}, "content": "_"},
                                           {"type": "Fuse"}))


def sweeps():
    """Merges of a, 1 and ! with any byte show whether a character stands in the same word as them."""
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [(w, b) for w in "a1!" for b in bytes_]
    vocab = {t: i for i, t in enumerate(bytes_ + [a + b for a, b in merges])}
    beside = [added("<w>", single_word=True), added("<l>", lstrip=True, rstrip=True)]
    yield "gpt2", build(vocab, merges, beside, pre_tokenizer=byte_level())
    yield "llama3", build(vocab, merges, beside, pre_tokenizer=sequence("pretokenizers", split(llama3),
                                                                      byte_level(regex=False)))
    yield "digits", build(vocab, merges, beside, pre_tokenizer=sequence(
        "pretokenizers", {"type": "Digits", "individual_digits": False}, byte_level(regex=False)))
    yield "nfc", build(vocab, merges, beside, normalizer={"type": "NFC"}, pre_tokenizer=byte_level(regex=False))
    yield "nfkd", build(vocab, merges, beside, normalizer={"type": "NFKD"}, pre_tokenizer=byte_level(regex=False))
    yield "nfkc", build(vocab, merges, beside, normalizer={"type": "NFKC"}, pre_tokenizer=byte_level(regex=False))
    yield "nfd", build(vocab, merges, beside, normalizer={"type": "NFD"}, pre_tokenizer=byte_level(regex=False))
    yield "lower", build(vocab, merges, beside, normalizer={"type": "Lowercase"}, pre_tokenizer=byte_level(regex=False))
    yield "accents", build(vocab, merges, beside, normalizer={"type": "StripAccents"}, pre_tokenizer=byte_level(regex=False))
    yield "punctuation", build(vocab, merges, beside, pre_tokenizer=sequence(
        "pretokenizers", {"type": "Punctuation", "behavior": "Isolated"}, byte_level(regex=False)))
    yield "whitespace", build(vocab, merges, beside, pre_tokenizer=sequence(
        "pretokenizers", {"type": "Whitespace"}, byte_level(regex=False)))


def sweep_text(block):
    cs = [chr(c) for c in range(block * 4096, block * 4096 + 4096) if not 0xD800 <= c < 0xE000]
    return "".join(f"a{c}\n1{c}\n!{c}<w><l>{c}\u0334\u0301\n" for c in cs)


def record(tokenizer, texts, r):
    out = bytearray()
    for as_text in (True, False):
        tokenizer.encode_special_tokens = as_text
        ids = [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
        sums = [sum_of(i) for i in ids]
        out += struct.pack("<Q", xxh64(struct.pack("<%dQ" % len(sums), *sums)))
        out += struct.pack("<%dH" % len(sums), *(s & 0xFFFF for s in sums))
        for i in ids[:shown]:
            out += struct.pack("<H%dH" % len(i), len(i), *i)
    specials = {i for i, t in tokenizer.get_added_tokens_decoder().items() if t.special}
    sums = [xxh64(tokenizer.decode(i, skip_special_tokens=False).encode()) for i in ids]
    out += struct.pack("<Q", xxh64(struct.pack("<%dQ" % len(sums), *sums)))
    out += struct.pack("<%dH" % len(sums), *(s & 0xFFFF for s in sums))
    ids = [[k for k in i if k not in specials] for i in ids]
    sums = [xxh64(tokenizer.decode(i, skip_special_tokens=False).encode()) for i in ids]
    out += struct.pack("<Q", xxh64(struct.pack("<%dQ" % len(sums), *sums)))
    count = tokenizer.get_vocab_size()
    further = []
    while len(further) < 300:
        i = [r.randrange(count + 3) for _ in range(r.randint(1, 12))]
        if any((tokenizer.id_to_token(k) or "").startswith("<0x") for k in i):
            continue
        t = tokenizer.decode(i, skip_special_tokens=False).encode()
        further.append(struct.pack("<H%dHH" % len(i), len(i), *i, len(t)) + t)
    return bytes(out) + struct.pack("<I", len(further)) + b"".join(further)


def main():
    here.mkdir(exist_ok=True)
    r = random.Random(1)
    texts = [make_text(r) for _ in range(20000)]
    (here / "texts.bin").write_bytes(b"".join(struct.pack("<I", len(t.encode())) + t.encode() for t in texts))
    for name, spec in families():
        text = json.dumps(spec, ensure_ascii=name == "qwen2", separators=(",", ":"))
        (here / f"{name}.json").write_text(text)
        (here / f"{name}.bin").write_bytes(record(Tokenizer.from_str(text), texts, random.Random(3)))
        print(name, len(spec["model"]["vocab"]), len(spec["model"]["merges"]))
    for name, spec in sweeps():
        text = json.dumps(spec, separators=(",", ":"))
        (here / f"sweep_{name}.json").write_text(text)
        tokenizer = Tokenizer.from_str(text)
        sums = [sum_of(tokenizer.encode(sweep_text(b)).ids) for b in range(0x110)]
        (here / f"sweep_{name}.bin").write_bytes(struct.pack("<272Q", *sums))
        print("sweep", name)


if __name__ == "__main__":
    main()
