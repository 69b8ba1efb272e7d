#!/usr/bin/env python3
"""Makes tokenizer/classes.json: pip install tokenizers==0.23.3 transformers==5.24.0; python3 make_classes.py

For directories of tokenizer.json files of make_tokenizers.py, `model_type` and `tokenizer_class`: the class that AutoTokenizer takes,
and whether the words that it cuts a text into differ from those of the file.
"""
import json
import os
import pathlib
import shutil
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "critical"
from tokenizers import Tokenizer
from transformers import AutoTokenizer

here = pathlib.Path(__file__).resolve().parent / "tokenizer"
probe = ("Hello world's 12345 x=1,234.5;  \n\n DON'T\tfoo_bar!!\r\n  caf\u00e9 e\u0301 \u4e2d\u6587123 \u00bd\u0915\u093f /* */")
types = ["llama", "mistral", "qwen2", "qwen3", "gemma3_text"]
classes = ["", "GPT2Tokenizer", "GPT2TokenizerFast", "Qwen2Tokenizer", "Qwen2TokenizerFast", "Qwen3_5Tokenizer", "LlamaTokenizer",
           "LlamaTokenizerFast", "CodeLlamaTokenizer", "GemmaTokenizer", "CohereTokenizer", "GPTNeoXTokenizer", "RobertaTokenizer",
           "PreTrainedTokenizerFast", "TokenizersBackend", "NoSuchTokenizer"]


def words(tokenizer):
    text = tokenizer.normalizer.normalize_str(probe) if tokenizer.normalizer else probe
    return [w for w, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)] if tokenizer.pre_tokenizer else [text]


rows = []
for name in ["smollm2", "gpt2", "qwen2", "llama3", "llama2", "mistral"]:
    for model_type in types:
        for wanted in classes:
            with tempfile.TemporaryDirectory() as at:
                at = pathlib.Path(at)
                shutil.copy(here / f"{name}.json", at / "tokenizer.json")
                (at / "config.json").write_text(json.dumps({"model_type": model_type}))
                (at / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": wanted} if wanted else {}))
                try:
                    read = AutoTokenizer.from_pretrained(str(at), local_files_only=True)
                except Exception as error:
                    print(name, model_type, wanted, "refused:", str(error)[:100])
                    continue
            rows.append([name, model_type, wanted, type(read).__name__,
                         words(read.backend_tokenizer) != words(Tokenizer.from_file(str(here / f"{name}.json")))])
(here / "classes.json").write_text("[" + ",\n ".join(map(json.dumps, rows)) + "]\n")
print(len(rows), sum(r[4] for r in rows))
