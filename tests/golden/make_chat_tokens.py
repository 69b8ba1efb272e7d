"""Writes chat_chatml/, chat_llama2/ and chat_mistral/, small models' tokenizer files, with conversations.json beside them: the ids that
Hugging Face transformers makes of the conversations of make_chat.py, and which of them the assistant's are. And
chat_templates.json: the ids of chat_chatml/ for the templates and conversations of make_templates.py.

    HF_HUB_OFFLINE=1 python make_chat_tokens.py    # transformers 5, tokenizers 0.22
"""
import json
import pathlib

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import make_templates
from make_chat import CONVERSATIONS, TEMPLATES

CORPUS = [content for turns in CONVERSATIONS for _, content in turns] + [
    "system user assistant tool\n", "[INST] <<SYS>>\n\n<</SYS>> [/INST]", "What is the answer to the question?"] * 4


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=360, initial_alphabet=alphabet, special_tokens=specials, show_progress=False))
    return tokenizer, {"eos_token": "<|im_end|>"}


def sentence_piece(normalizer, pre_tokenizer):
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    specials = ["<unk>", "<s>", "</s>"]
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=460, special_tokens=specials + bytes_, show_progress=False))
    # Bytes are tokens of the vocabulary, and no added ones.
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = [t for t in document["added_tokens"] if t["content"] in specials]
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))])
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


SPACES = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
FIRST = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first", split=False)
MODELS = {"chatml": byte_level(), "llama2": sentence_piece(SPACES, None), "mistral": sentence_piece(None, FIRST)}
for name, (tokenizer, tokens) in MODELS.items():
    folder = pathlib.Path(__file__).with_name("chat_" + name)
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=True) + "\n")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": TEMPLATES[name], **tokens}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    eos = tokenizer.token_to_id(tokens["eos_token"])
    (folder / "config.json").write_text(json.dumps({"vocab_size": tokenizer.get_vocab_size(), "eos_token_id": eos}) + "\n")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=TEMPLATES[name], **tokens)
    cases = []
    for turns in CONVERSATIONS:
        messages = [{"role": role, "content": content} for role, content in turns]
        if any(mark in content for _, content in turns for mark in ("<|im_", "<s>", "</s>")):
            continue  # transformers takes these for control tokens, we do not
        try:
            out = fast.apply_chat_template(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=True)
        except Exception as error:
            assert "by turns" in str(error) or "alone" in str(error), error
            continue
        case = {"messages": messages, "ids": list(out["input_ids"]), "mask": list(out["assistant_masks"])}
        if turns[-1][0] != "assistant":
            case["prompt"] = list(fast.apply_chat_template(messages, tokenize=True, return_dict=False, add_generation_prompt=True))
        cases.append(case)
    (folder / "conversations.json").write_text(json.dumps(cases) + "\n")
    print(name, len(cases), tokenizer.get_vocab_size())

cases = []
tokenizer, _ = MODELS["chatml"]
tokens = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"}
for name, template in make_templates.CHAT.items():
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=template, **tokens)
    for conversation in make_templates.CONVERSATIONS:
        messages = [{"role": role, "content": content} for role, content in conversation["turns"]]
        if any(mark in m["content"] for m in messages for mark in ("<|im_", "<|end")):
            continue  # transformers takes these for control tokens, we do not
        options = {"tools": conversation.get("tools"), "add_generation_prompt": conversation.get("prompt", False)}
        marks = "generation %}" in template
        try:
            out = fast.apply_chat_template(messages, tokenize=True, return_dict=True, return_assistant_tokens_mask=marks, **options)
        except Exception:
            continue
        case = {"template": name, "messages": messages, **options, "ids": list(out["input_ids"])}
        if marks:
            case["mask"] = list(out["assistant_masks"])
        cases.append(case)
document = {"tokens": tokens, "templates": make_templates.CHAT, "cases": cases}
pathlib.Path(__file__).with_name("chat_templates.json").write_text(json.dumps(document) + "\n")
print("templates", len(cases))
