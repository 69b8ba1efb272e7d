"""Writes templates.json: small templates of Jinja and chat templates, as Hugging Face transformers renders them.

The templates below are written for this script, the chat templates after the way of the families they are named for.
null stands where transformers raises. "generated" are the [begin, end) of the generation blocks, in bytes.

    HF_HUB_OFFLINE=1 python make_templates.py    # transformers 5.24, jinja2 3.1
"""
import json
import pathlib

from transformers.utils.chat_template_utils import render_jinja_template

# One feature each; `v` has the variables below.
SMALL = r"""
{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ -2 ** 2 }} {{ 2 ** 3 ** 2 }}
{{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1e-5 }} {{ 123456789012345680.0 }} {{ 1.5e300 }} {{ 0.0001 }} {{ -0.0 }} {{ 100.0 }}
{{ none }} {{ None }} {{ true }} {{ False }} {{ [1, 'a', none, true, 1.5] }} {{ {'a': 1, 'b': [2]} }} {{ (1,) }} {{ (1, 2) }} {{ () }}
{{ ["it's", 'say "x"', "both ' and \"", 'a\nb\tc\\d', 'grüß', '\u200b\u00a0\x07'] }}
{{ 'a' ~ 1 ~ none ~ true ~ [1] }} {{ 'ab' * 3 }} {{ [1] * 2 + [3] }} {{ 'a' + 'b' }}
{{ 1 == 1.0 }} {{ true == 1 }} {{ 'a' == 'a' }} {{ [1] == (1,) }} {{ none == false }} {{ 1 != 2 }} {{ 1 < 2 < 3 }} {{ 3 > 2 >= 2 <= 5 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }}
{{ 'b' in 'abc' }} {{ 2 in [1, 2] }} {{ 'k' in {'k': 1} }} {{ 'x' not in 'abc' }} {{ 'x' in nothing }} {{ not 1 in [2] }}
{{ 1 and 2 }} {{ 0 or 'x' }} {{ '' or none }} {{ not '' }} {{ 1 and 0 or 3 }} {{ not true and false }}
{{ 'yes' if v.n > 2 else 'no' }} {{ 'no' if false }}| {{ 1 if 0 else 2 if 0 else 3 }}
{{ v.text[0] }} {{ v.text[-1] }} {{ v.text[1:3] }} {{ v.text[::-1] }} {{ v.text[:-2] }} {{ v.text[5:1:-2] }} {{ v.text[100] }}|{{ v.text[2:100] }}
{{ v.list[0] }} {{ v.list[-1] }} {{ v.list[1:] }} {{ v.list[::-1] }} {{ v.list[::2] }} {{ v.list[-2:] }} {{ v.list[9] }}| {{ v.list[3:0:-1] }} {{ v.list[:0] }}
{{ v.dict.a }} {{ v.dict['b'] }} {{ v['dict']['a'] }} {{ v.dict.zz }}| {{ v.dict.items() | list }} {{ v.dict.keys() | list }} {{ v.dict.values() | list }} {{ v.dict.get('a') }} {{ v.dict.get('q') }} {{ v.dict.get('q', 5) }}
{{ v.shadow.items is callable }} {{ v.shadow['items'] }} {{ v.shadow.keys is string }}
{{ missing }}| {{ missing is defined }} {{ missing | default('d') }} {{ '' | default('d') }}| {{ '' | default('d', true) }} {{ none | d(1, boolean=True) }}
{{ missing.x }}
{{ missing + 1 }}
{{ 'a' + 1 }}
{{ v.none.x }}| {{ v.none is none }}
{{ '  x \n' | trim }}| {{ 'xxaxx' | trim('x') }} {{ 5 | trim }} {{ '\u00a0a\u3000' | trim }}|
{{ 'abc' | length }} {{ [1, 2] | count }} {{ 'grüß' | length }} {{ v.dict | length }} {{ missing | length }}
{{ 'aBc dEf' | upper }} {{ 'aBc dEf' | lower }} {{ "aBc-dEf gHi(jk" | title }} {{ "aBc dEf's" | capitalize }} {{ "aBc dEf's".title() }} {{ 'aBc'.capitalize() }}
{{ v | tojson }}
{{ v.dict | tojson(indent=2) }}
{{ [1, {'a': [], 'b': {}}] | tojson(indent=4) }} {{ [] | tojson(indent=1) }}
{{ [1, 'a"b\\c\n\u0001é\u2028😀'] | tojson(separators=(',', ':')) }} {{ 'é😀\x7f' | tojson(ensure_ascii=true) }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }}
{{ {1: 2, none: 3, true: 4, 1.5: 5} | tojson }} {{ 1.0 | tojson }} {{ 1e20 | tojson }}
{{ missing | tojson }}
{{ [1, 'b', none] | join(', ') }} {{ ['a'] | join }} {{ 'abc' | join('-') }} {{ v.rows | join('/', attribute='name') }} {{ '-'.join(['a', 'b']) }}
{{ 'a.b.c' | replace('.', '!') }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 'ab' | replace('', '-') }} {{ 'a.b'.replace('.', '') }} {{ 'aaa'.replace('a', 'b', 1) }}
{{ [3, 1, 2] | first }} {{ [3, 1, 2] | last }} {{ [] | first }}| {{ 'xyz' | first }} {{ 'xyz' | last }} {{ {'a': 1} | first }}
{{ v.rows | map(attribute='name') | list }} {{ ['a', 'b'] | map('upper') | join }} {{ v.rows | map(attribute='zz', default='-') | list }} {{ ['a.b'] | map('replace', '.', '_') | first }}
{{ v.rows | selectattr('on') | map(attribute='name') | list }} {{ v.rows | selectattr('name', 'equalto', 'p') | list | length }} {{ v.rows | rejectattr('on') | map(attribute='name') | list }} {{ v.rows | selectattr('name', 'in', ['q']) | list | length }} {{ v.rows | selectattr('zz', 'defined') | list }}
{{ [0, 1, 2, 3] | select('odd') | list }} {{ [0, 1, '', 'a'] | select | list }} {{ [1, 2] | reject('eq', 1) | list }} {{ none | select | list }}
{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ [1, 3, 2] | sort(reverse=true) }} {{ v.rows | sort(attribute='name', reverse=true) | map(attribute='name') | list }}
{{ {'b': 1, 'A': 2} | dictsort }} {{ {'b': 1, 'A': 2} | dictsort(by='value') }} {{ {'b': 1, 'A': 2} | dictsort(true, reverse=true) }} {{ {'a': 1} | items | list }}
{{ [1, 2, 1, 3] | unique | list }} {{ ['a', 'A'] | unique | list }} {{ [1, 2] | reverse | list }} {{ 'abc' | reverse }} {{ [1, 2, 3] | sum }} {{ [3, 1] | min }} {{ [3, 1] | max }}
{{ '12' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ '3.9' | int }} {{ 3.9 | int }} {{ ' 5 ' | int }} {{ '1.5' | float }} {{ 'x' | float }} {{ 2 | float }} {{ true | int }}
{{ 2.5 | round }} {{ 3.14159 | round(2) }} {{ 2.1 | round(0, 'ceil') }} {{ 2.9 | round(method='floor') }} {{ -3 | abs }} {{ -1.5 | abs }} {{ 5 | round }}
{{ 'a\nb\n\nc' | indent }}| {{ 'a\nb' | indent(2, true) }} {{ 'a\n\nb' | indent(1, blank=true) }} {{ 'a\nb' | indent('>') }} {{ 'a\n' | indent }}|
{{ '<a & "b">' | escape }} {{ ('<' | safe) + '<' }} {{ '<' + ('>' | e) }} {{ ('<' | safe) ~ '<' }}
{{ 'a,b,,c'.split(',') }} {{ ' a  b c '.split() }} {{ 'a b c'.split(' ', 1) }} {{ 'a b c'.rsplit(' ', 1) }} {{ ' a b  c '.split(none, 1) }} {{ ' a b  c '.rsplit(none, 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a</think>b</think>c'.split('</think>')[-1] }} {{ 'a\u2003b'.split() }}
{{ '  ab '.strip() }}| {{ '  ab '.lstrip() }}| {{ '  ab '.rstrip() }}| {{ 'xyaxy'.strip('xy') }} {{ '\n\na\n'.lstrip('\n') }}| {{ 'üaü'.strip('ü') }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'bc')) }} {{ 'abc'.find('c') }} {{ 'abc'.find('z') }} {{ 'abcabc'.rfind('b') }} {{ 'üab'.index('b') }} {{ 'aXbX'.count('X') }} {{ 'abc'.count('') }}
{{ 'a\nb\r\nc'.splitlines() }} {{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'ab'.partition('=') }} {{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('bc') }} {{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ ' '.isspace() }} {{ 'AB'.isupper() }} {{ 'aB'.islower() }}
{{ '{} and {}'.format(1, 'x') }} {{ '{1}{0}{a}{{}}'.format(1, 2, a=3) }} {{ '%s is %d%%' % ('a', 5) }} {{ '%s' % 'x' }} {{ '%s-%s' | format(1, 2) }}
{{ 1 is number }} {{ true is number }} {{ 1 is integer }} {{ true is integer }} {{ 1.0 is float }} {{ 'a' is string }} {{ [] is sequence }} {{ {} is sequence }} {{ {} is mapping }} {{ [] is mapping }} {{ 'a' is iterable }} {{ 1 is iterable }} {{ missing is iterable }} {{ missing is sequence }} {{ 1 is boolean }} {{ true is boolean }} {{ 1 is true }} {{ false is false }} {{ none is none }} {{ 3 is odd }} {{ 3 is not even }} {{ 6 is divisibleby 3 }} {{ 1 is sameas true }} {{ 'a' is lower }} {{ 'a' is in 'abc' }} {{ 1 is eq 1 }} {{ 2 is gt 1 }} {{ range is callable }} {{ missing is undefined }} {{ 4 is ge 4 }} {{ 1 is not none and 2 is not string }}
{% for i in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}
{% for i in [] %}x{% else %}none{% endfor %} {% for i in missing %}x{% else %}none{% endfor %} {% for i in [1, 2, 3, 4] if i is odd %}{{ i }}/{{ loop.length }}{% else %}-{% endfor %}
{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }} {% endfor %}{% for k in {'x': 1} %}{{ k }}{% endfor %}{% for c in 'abü' %}{{ c }}.{% endfor %}{% for a, (b, c) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %} {{ range(2, 8, 3) | list }} {{ range(3, 0, -1) | list }}
{% for i in [1, 2] %}{% for j in [1, 2] %}{{ loop.index }}{{ i }}{{ loop.depth }}{% endfor %}{{ loop.cycle('a', 'b') }}{% endfor %} {% for i in [1, 1, 2] %}{{ loop.changed(i) }}{% endfor %}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }} {% if true %}{% set x = 9 %}{% endif %}{{ x }}
{% set ns = namespace(a=1, b='x') %}{% for i in [1, 2] %}{% set ns.a = ns.a + i %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c }}| {{ ns.get is defined }} {% set ns.d = [1] %}{{ ns.d }}
{% set a, b = 1, 2 %}{{ a }}{{ b }} {% set t = 1, 2 %}{{ t }} {% set s %}in {{ a }} block{% endset %}{{ s | upper }} {% set s | trim | upper %} y {% endset %}{{ s }}
{% macro m(a, b=2, c='x' ~ b) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 5) }}{{ m(b=3, a=0) }}{{ m() }}{% set r = m(7) %}{{ r | length }}
{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }} {% set y = 5 %}{% macro g() %}{{ y }}{% endmacro %}{% set y = 6 %}{{ g() }}
{% macro w() %}<{{ caller() }}>{% endmacro %}{% call w() %}body {{ 1 }}{% endcall %} {% macro wa() %}{{ caller(2) }}{% endmacro %}{% call(n) wa() %}n{{ n }}{% endcall %}
{% filter upper %}abc {{ 'd' }}{% endfilter %} {% filter trim | replace('a', 'b') %} aa {% endfilter %}| {% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a }}
{% if 0 %}a{% elif '' %}b{% elif [1] %}c{% else %}d{% endif %} {% if not none %}{% if none %}{% else %}e{% endif %}{% endif %} {% if 1, 2 %}t{% endif %}
{% raw %}{{ not }} {% run %}{% endraw %} a {# comment {{ 1 }} #} b {%- raw -%}  x {%- endraw -%}  c
a{{- 1 -}} b {%- if true -%} c {%- endif -%} d {{ 2 }} e
{{ dict(a=1, b=2) }} {{ {'a': 1, 'a': 2} }} {{ 'a' 'b' }} {{ "\x41\u00e9\101\q" }} {{ 1_000 }} {{ 'x' if 1 else 'y' ~ 'z' }} {{ (1, 2)[0] }} {{ [[1, 2], [3]][0][1] }} {{ {'a': {'b': 3}}.a.b }} {{ v.list.0 }}
{{ raise_exception('no') }}
{{ v.list.append(4) }}
{{ v.dict.update({}) }}
{% set loop_messages = v.list[1:] %}{{ loop_messages }} {% set v = 3 %}{{ v }}
{{ 'abc'[1] ~ 'é😀'[1] ~ ('é😀'[::-1]) }} {{ 'a-b'.split('-') | last }} {{ ('a' if 1 else 'b') | upper }} {{ -1 | abs }} {{ 'x' | upper ~ 'y' }} {{ not 'x' | length }}
{{ [1, 2, 3][1:] | first }} {{ ([1, 2] | list)[0] }} {{ {'f': 1}['f'] + 1 }} {{ 5 % 3 }} {{ 'a' < 'B' }} {{ [1, [2, [3]]] }} {{ 1 if v.on is defined and v.on else 0 }} {{ v.on is true }}
{{ 1 / 0 }}
{{ [] < {} }}
{{ 'a' in 5 }}
{% set a = 1 %}{{ a.b }}| {{ a['b'] }}| {{ 'abc'.b }}| {{ [1].b }}|
{{ nofunction() }}
{{ 'x' | nofilter }}
{{ 'x' is notest }}
{{ 'unclosed }}
{% if x %}
{% endfor %}
{% for a in b %}{% endif %}
{{ 1 + }}
{{ (1, 2 }}
{% include 'x' %}
{% unknown %}
{# never ends
{% raw %} x
{{ a b }}
{% set 1 = 2 %}
{% break %}
""".strip("\n").split("\n")

# White space: each on more than one line.
SMALL += [
    "a\n  {% if true %}\n b\n  {% endif %}\nc\n",
    "  {% set x = 1 %}\n{{ x }}\n\n",
    "a  {% if true %} b {% endif %}  \n c",
    "{%- if true %}\n\n a\n{%- endif %}\n\nb",
    "  {%+ if true %}\nx{% endif +%}\ny",
    "x {# c #}\n  {# d #}\ny {#- e -#} \n z",
    "{{ 1 }}\n\n{{ 2 }}\n",
    "{{- 1 -}}  \n\n x {{+ 2 }}\n",
    "a\r\nb\r{{ 'c\r\nd' }}\n\n",
    "\n\n{% for i in [1, 2] -%}\n  {{ i }}\n{%- endfor %}\n",
    "\t{% if true %}\t\n\t\tx\n\t{% endif %}\t\n",
    "{% raw %}\n a {{ b }}\n  {% endraw %}\nc",
    "{% if true %}{% if true %}\n{% endif %}{% endif %}\n {% if true %} {% endif %}\nx",
    "{{ {'a': {'b': 1}}['a'] }} {{ [{}] }} {{ '}}' }} {% set x = '%}' %}{{ x }}",
    "   {% macro a() %}\n  x\n   {% endmacro %}\n{{ a() }}|",
    "{% generation %}a{{ 1 }}{% endgeneration %} b {%- generation -%} c {%- endgeneration %}",
    "{% for i in [1, 2] %}{% generation %}{% set q = i %}{{ q }}é{% endgeneration %}{{ q }};{% endfor %}",
    "{% if true -%}\n   x\n{%- endif -%}\n   {# c -#}\n  y",
    "{%- set a -%}\n z \n{%- endset -%} [{{ a }}]",
    "{{ \"a\nb\" }}{{ 'tab\there' }}",
]

VARIABLES = {"v": {"n": 3, "text": "abcdef", "list": [1, 2, 3, 4], "dict": {"a": 1, "b": "x"}, "none": None, "on": True,
                   "shadow": {"items": 5, "keys": "k"}, "real": 1.5,
                   "rows": [{"name": "p", "on": True}, {"name": "q", "on": False}]}}

CHAT = {
    "tools_and_default_system": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nA default.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant") %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' }}{{- message.content }}{{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
    "thoughts_of_the_last": """{%- set ns = namespace(multi=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>')) %}
        {%- set ns.multi = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- if message.role != "assistant" %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- else %}
        {%- set thought = '' %}
        {%- if message.reasoning_content is string %}
            {%- set thought = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thought)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}
{%- endif %}""",
    "headers_and_dates": """{{- bos_token }}
{%- if not date_string is defined %}{%- set date_string = "1 Jun 2025" %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}{{- "Environment: tools\\n" }}{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
""",
    "inst_of_the_last_user": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- for message in loop_messages | selectattr('role', 'in', ['user', 'assistant']) %}
    {%- if (message["role"] == "user") != (loop.index0 % 2 == 0) %}
        {{- raise_exception("roles must alternate") }}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST]" + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST]" + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- message["content"] + eos_token }}
    {%- endif %}
{%- endfor %}
""",
    "model_turns": """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first = messages[0]['content'] + '\\n\\n' %}{% set turns = messages[1:] %}{% else %}{% set first = '' %}{% set turns = messages %}{% endif %}
{% for message in turns %}
    {%- if (message['role'] == 'assistant') %}{%- set role = 'model' %}{% else %}{%- set role = message['role'] %}{% endif %}
    {{- '<start_of_turn>' + role + '\\n' + (first if loop.first else '') }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}{{ item['text'] | trim }}{%- endfor -%}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}""",
    "lines_of_roles": """{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>
' + message['content'] + '<|end|>' }}
{% elif message['role'] == 'system' %}
{{ '<|system|>
' + message['content'] + '<|end|>' }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>
'  + message['content'] + '<|end|>' }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>
' }}{% endif %}
{% endfor %}
{{ eos_token if not add_generation_prompt else '' }}
""",
    "macros": """{%- macro role_of(message) -%}
    {{- {'user': 'Human', 'assistant': 'AI'}.get(message.role, message.role | title) -}}
{%- endmacro -%}
{%- macro text_of(content) -%}
    {%- if content is string -%}{{ content.strip() }}{%- else -%}{%- for part in content if part.type == 'text' -%}{{ part.text }}{%- endfor -%}{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
    {%- if message.role == 'tool' -%}{%- continue -%}{%- endif -%}
    {{- '### ' ~ role_of(message) ~ ':\\n' ~ text_of(message.content) ~ '\\n' -}}
    {%- if not loop.last %}{{ '\\n' }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt %}{{ '\\n### AI:\\n' }}{%- endif -%}""",
    "generation_blocks": """{%- for message in messages %}
    {{- '<|' ~ message.role ~ '|>' }}
    {%- if message.role == 'assistant' %}
        {%- generation %}
        {{- message.content + eos_token }}
        {%- endgeneration %}
    {%- else %}
        {{- message.content + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}""",
}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "It's <b>", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "enum": [1, 2]}}}}}]

S, U, A, T = "system", "user", "assistant", "tool"
CONVERSATIONS = [
    {"turns": [(U, "hi"), (A, "yo")]},
    {"turns": [(S, "Be brief."), (U, "What is 2 + 2?"), (A, "4")]},
    {"turns": [(S, "Be brief."), (U, "What is 2 + 2?")], "prompt": True},
    {"turns": [(U, "a"), (A, "b"), (U, "c"), (A, "d")]},
    {"turns": [(S, " s \n"), (U, " a\n"), (A, "<think>\nhm\n</think>\n\nb "), (U, "c"), (A, "<think>\nwell\n</think>\n\n d")]},
    {"turns": [(U, "a"), (A, "<think>\nhm\n</think>\n\nb"), (U, "c")], "prompt": True},
    {"turns": [(U, "w?"), (A, "call"), (T, "7"), (T, "8"), (A, "7.")]},
    {"turns": [(U, "w?"), (A, "ok")], "tools": TOOLS},
    {"turns": [(S, "x"), (U, "w?")], "tools": TOOLS, "prompt": True},
    {"turns": [(U, "gr\u00fc\u00df \U0001f600 \u4f60\u597d"), (A, "\u00e9\u0301\u200dx </think> a")]},
    {"turns": [(U, "\u3000wide\u2003"), (A, "\n\tanswer\u00a0 ")]},
    {"turns": [(U, "a"), (U, "b"), (A, "c")]},
    {"turns": [(U, "a"), (A, "")]},
    {"turns": [(S, "only")]},
    {"turns": [(U, "<|im_end|></s>"), (A, "{{ 1 }} {% raw %}")]},
]


def in_bytes(text, spans):
    return [[len(text[:begin].encode()), len(text[:end].encode())] for begin, end in spans if begin < end]


def rendered(template, messages, **variables):
    marks = "generation %}" in template or "generation -%}" in template
    try:
        texts, spans = render_jinja_template([messages], chat_template=template, return_assistant_tokens_mask=True,
                                             **variables) if marks else \
            (render_jinja_template([messages], chat_template=template, **variables)[0], [[]])
        return {"text": texts[0], "generated": in_bytes(texts[0], spans[0])}
    except Exception:
        return None


def main():
    small = [{"template": t, "rendered": rendered(t, [], **VARIABLES)} for t in SMALL]
    chats = []
    for conversation in CONVERSATIONS:
        messages = [{"role": role, "content": content} for role, content in conversation["turns"]]
        options = {"tools": conversation.get("tools"), "add_generation_prompt": conversation.get("prompt", False)}
        chats.append({"messages": messages, **options,
                      "rendered": {n: rendered(t, messages, **options, **TOKENS) for n, t in CHAT.items()}})
    document = {"variables": VARIABLES, "tokens": TOKENS, "small": small, "templates": CHAT, "conversations": chats}
    pathlib.Path(__file__).with_name("templates.json").write_text(json.dumps(document, indent=0) + "\n")
    print(len(small), sum(s["rendered"] is None for s in small), [s["template"] for s in small if s["rendered"] is None])


if __name__ == "__main__":
    main()
