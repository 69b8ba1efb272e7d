#!/usr/bin/env bash
# tokenizers 0.23.3: a pattern of tokenizer.json is Oniguruma's in Ruby's syntax, where `{1,3}+` is no possessive quantifier but a
# repetition of the whole: the spelling of tiktoken's patterns, copied into a Split, takes a number as one piece and not by threes.
#
# Nothing is refused. `++` and `?+` are possessive there as elsewhere; of `{n,m}+` alone the meaning differs (it is `(?:...{n,m})+`).
# And `\w` is not `[\w]`: outside brackets it takes superscript digits and fractions, inside it does not.
#
# Output seen:
#   \d{1,3}   of 1234567: ['123', '456', '7']
#   \d{1,3}+  of 1234567: ['1234567']
#   \w+       of a\xb2b: ['a\xb2b']
#   [\w]+     of a\xb2b: ['a', '\xb2', 'b']
#
# The way out: write `\d{1,3}` or `(?>\d{1,3})`, and the class that is meant. Needs a network and Python 3; exits 1 if the behaviour
# changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q tokenizers==0.23.3
"$folder/venv/bin/python" - << 'END'
import sys
from tokenizers import Regex, pre_tokenizers


def pieces(pattern, text):
    return [piece for piece, _ in pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str(text)]


number, power = "1234567", "a\u00b2b"
expected = [(r"\d{1,3}", number, ["123", "456", "7"]), (r"\d{1,3}+", number, [number]), (r"\w+", power, [power]),
            (r"[\w]+", power, list(power))]
for pattern, text, _ in expected:
    print(f"{pattern:9} of {ascii(text)[1:-1]}:", "[" + ", ".join(ascii(p) for p in pieces(pattern, text)) + "]")
sys.exit(any(pieces(pattern, text) != right for pattern, text, right in expected))
END
