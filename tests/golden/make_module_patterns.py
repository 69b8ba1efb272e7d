# Prints module_patterns.tsv: pattern, name, and whether PEFT's rule for rank_pattern and alpha_pattern matches (1, 0).
#     python make_module_patterns.py > module_patterns.tsv             (peft 0.21.2)
from peft.utils.other import get_pattern_key

names = [f"model.layers.{n}.{m}" for n in (0, 1, 10, 11, 21)
         for m in ("self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.down_proj")] + ["lm_head", "q_proj"]
patterns = ["q_proj", "proj", "self_attn.q_proj", r"self_attn\.q_proj", "layers.1.self_attn.q_proj", "1.self_attn.q_proj",
            "model.layers.0.self_attn.q_proj", "^model.layers.0.self_attn.q_proj", "^q_proj", "odel.layers.0.mlp.gate_proj",
            ".*self_attn.*", r".*\.layers\.(0|1)\..*", r"layers\.[01]\.mlp\.(gate|down)_proj", r"layers\.\d\..*", r"\d+\.mlp.*",
            r"layers\.1\d?\..*", r".*\.[^.]*_proj", "q_proj$", "[qv]_proj", "(?:q|v)_proj", "q_proj|v_proj", ".*q_proj|lm_head",
            r"layers\.\d{2}\..*", r"layers\.\d{1,2}?\.self_attn\.[a-q]_proj", r"\w+\.\w+\.\d+\.mlp\.\S+", "", ".*", "lm_head",
            r"layers\.(?P<n>1[01])\.mlp\.down_proj", r"self_attn\.(q|)_?proj", "{q}_proj", "[]q]_proj", r"[\w.]+_attn\.[^q]_proj"]
for pattern in patterns:
    for name in names:
        print(f"{pattern}\t{name}\t{int(get_pattern_key([pattern, '#'], name) == pattern and pattern != name or (pattern == name))}")
