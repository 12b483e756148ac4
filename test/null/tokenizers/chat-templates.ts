/** Templates as public models have them, shortened where they speak of tools. */
export const chatml =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

export const llama2 = `{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}`

export const llama3 =
  "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + " +
  "'<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}" +
  "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"

/** What a template of bad will may try: work without end, text and lists without bound, crashes of the parser. */
export const hostile: readonly (readonly [name: string, template: string])[] = [
  ['a huge range', '{% for i in range(1000000000) %}x{% endfor %}'],
  ['an infinite range', '{{ range(0, 1, 0) }}'],
  ['loops in loops', '{% for a in range(60000) %}{% for b in range(60000) %}{% endfor %}{% endfor %}'],
  ['loops that choose', '{% set r = range(60000) %}{% for a in r %}{% for b in r if false %}{% endfor %}{% endfor %}'],
  ['a text that doubles', '{% set n = namespace(x="ab") %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}'],
  [
    'a block that doubles',
    '{% set n = namespace(x="ab") %}{% for i in range(60) %}{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}{% endfor %}{{ n.x }}',
  ],
  [
    'lists that double',
    '{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|tojson }}',
  ],
  [
    'objects that double',
    '{% set n = namespace(x={}) %}{% for i in range(60) %}{% set n.x = {"a": n.x, "b": n.x} %}{% endfor %}{{ n.x }}',
  ],
  ['a namespace in itself', '{% set n = namespace(x=1) %}{% set n.x = n %}{{ n|tojson }}{{ n }}'],
  ['a slice in steps of 0', '{{ "abc"[0:3:0] }}'],
  ['a slice in computed steps', '{{ messages[0:3:(1 // 2)] }}'],
  ['a wide indentation', '{{ "a\\nb"|indent(500000000) }}'],
  ['a wide indentation by name', '{{ "a\\nb"|indent(width=500000000) }}'],
  ['a wide JSON', '{{ [1,[2]]|tojson(indent=500000000) }}'],
  [
    'a long separator',
    '{% set n = namespace(x="ab") %}{% for i in range(19) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ range(600)|join(n.x) }}',
  ],
  [
    'a long replacement',
    '{% set n = namespace(x="ab") %}{% for i in range(19) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x.replace("a", n.x) }}',
  ],
  [
    'a long replacement by a computed name',
    '{% set n = namespace(x="ab") %}{% for i in range(19) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x["rep" ~ "lace"]("a", n.x) }}',
  ],
  ['spread arguments', '{{ "aa".replace(*["a", "b"]) }}'],
  ['macros that call themselves', '{% macro m(x) %}{% if x > 0 %}{{ m(x - 1) }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(60) }}'],
  ['a large macro in a loop', `{% for i in range(60000) %}{% macro q() %}${'{{ 1 }}'.repeat(10_000)}{% endmacro %}{% endfor %}`],
  ['long output', `{% for i in range(60000) %}${'x'.repeat(1000)}{% endfor %}`],
  ['nested brackets', `{{ ${'('.repeat(100_000)}1${')'.repeat(100_000)} }}`],
  ['a long sum', `{{ 1${' + 1'.repeat(50_000)} }}`],
  ['nested conditions', '{% if 1 %}'.repeat(20_000)],
  ['a long run of spaces', `a${' '.repeat(200_000)}b`],
  ['many runs of spaces', `{%${' '.repeat(250)}`.repeat(1000)],
  ['open brackets', '{{'.repeat(100_000)],
  ['a text without end', `{{ "${'a'.repeat(200_000)}`],
  ['a comment without end', '{#'.repeat(100_000)],
  ['a break without a loop', '{% break %}'],
  ["JavaScript's constructor", '{{ messages.constructor.constructor("return process")() }}'],
  ['a call of a list', '{{ messages() }}'],
  ['an unknown filter', '{{ messages|shell }}'],
  ['an unknown statement', '{% include "/etc/passwd" %}'],
  ['too long a template', 'x'.repeat(300_000)],
]
