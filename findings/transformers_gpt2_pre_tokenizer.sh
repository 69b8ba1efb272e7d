#!/usr/bin/env bash
# transformers 5.24.0 (tokenizers 0.23.3): where tokenizer_config.json names GPT2Tokenizer, AutoTokenizer puts GPT-2's pre-tokenizer
# in place of the one in tokenizer.json, without a word: a step that splits digits is gone, and numbers get other ids.
#
# SmolLM2 is such a directory: `tokenizers` and llama.cpp, which follow the file, cut "123" into three digits, AutoTokenizer makes
# one token of it where the vocabulary has one. The model_type beside it decides too: with mistral the file holds, with llama not.
#
# Output seen:
#   tokenizer.json by tokenizers:          ['a', 'G', '1', '2', '3']
#   PreTrainedTokenizerFast, no model_type: ['a', 'G', '1', '2', '3']
#   GPT2Tokenizer, no model_type:           ['a', 'G', '123']
#   GPT2Tokenizer, model_type llama:        ['a', 'G', '123']
#   GPT2Tokenizer, model_type mistral:      ['a', 'G', '1', '2', '3']
# (G is the space of byte-level vocabularies.)
#
# The way out: name PreTrainedTokenizerFast, or read tokenizer.json with `tokenizers`. Needs a network and Python 3; exits 1 if the
# behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.24.0 tokenizers==0.23.3
"$folder/venv/bin/python" - "$folder" 2> /dev/null << 'END'
import json, pathlib, sys
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer

vocabulary = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
merges = [("1", "2"), ("12", "3")]
for a, b in merges:
    vocabulary[a + b] = len(vocabulary)
file = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
file.pre_tokenizer = pre_tokenizers.Sequence(
    [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])


def shown(tokens):
    return [t.replace("\u0120", "G") for t in tokens]


def by_transformers(name, model_type):
    directory = pathlib.Path(sys.argv[1]) / f"{name}_{model_type}"
    directory.mkdir()
    file.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    if model_type:
        (directory / "config.json").write_text(json.dumps({"model_type": model_type}))
    tokenizer = AutoTokenizer.from_pretrained(directory)
    return shown(tokenizer.convert_ids_to_tokens(tokenizer("a 123")["input_ids"]))


digits, joined = ["a", "G", "1", "2", "3"], ["a", "G", "123"]
seen = [shown(file.encode("a 123").tokens)]
print("tokenizer.json by tokenizers:         ", seen[0])
for name, model_type in (("PreTrainedTokenizerFast", None), ("GPT2Tokenizer", None), ("GPT2Tokenizer", "llama"),
                         ("GPT2Tokenizer", "mistral")):
    seen.append(by_transformers(name, model_type))
    title = f"{name}, model_type {model_type}:" if model_type else f"{name}, no model_type:"
    print(f"{title:39}", seen[-1])
sys.exit(seen != [digits, digits, joined, joined, digits])
END
