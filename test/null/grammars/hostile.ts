const nested = (levels: number, wrap: (inner: unknown) => unknown): unknown =>
  Array.from({ length: levels }).reduce<unknown>((inner) => wrap(inner), { type: 'string' })

const many = (count: number, make: (i: number) => [string, unknown]) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => make(i)))

/** Schemas and grammars that cost much, lead nowhere, or are not what they should be. */
export const hostile: readonly (readonly [name: string, spec: unknown])[] = [
  ...(
    [
      ['deep arrays', nested(5000, (items) => ({ type: 'array', items }))],
      ['arrays of many, within one another', nested(8, (items) => ({ type: 'array', items, minItems: 1000, maxItems: 1000 }))],
      ['two members of each of two, and so on', nested(30, (inner) => ({ anyOf: [inner, inner] }))],
      ['a million characters', { type: 'string', maxLength: 1_000_000 }],
      ['more than numbers can count', { type: 'string', maxLength: 2 ** 60 }],
      ['a hundred thousand items', { type: 'array', items: {}, minItems: 100_000 }],
      ['ten thousand characters at least', { type: 'string', minLength: 2000 }],
      ['a schema of itself', { $ref: '#' }],
      ['two that refer to one another', { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } }],
      ['an object that must hold itself', { type: 'object', properties: { me: { $ref: '#' } }, required: ['me'] }],
      ['any of itself', { anyOf: [{ $ref: '#' }, { type: 'null' }, { $ref: '#' }] }],
      ['nothing', false],
      ['an empty enum', { enum: [] }],
      ['a thousand optional properties', { type: 'object', properties: many(900, (i) => [`p${i}`, { type: 'integer' }]) }],
      [
        'references in a long row',
        { $ref: '#/$defs/d0', $defs: many(1500, (i) => [`d${i}`, i < 1499 ? { $ref: `#/$defs/d${i + 1}` } : {}]) },
      ],
      [
        'many references to many',
        {
          $ref: '#/$defs/d0',
          $defs: many(40, (i) => [`d${i}`, { anyOf: Array.from({ length: 40 }, (_, j) => ({ $ref: `#/$defs/d${j}` })) }]),
        },
      ],
      [
        'names of the prototype',
        {
          type: 'object',
          properties: JSON.parse('{"__proto__":{"type":"null"},"constructor":true,"toString":{}}'),
          required: ['__proto__', 'hasOwnProperty'],
        },
      ],
      ['a pattern with loops in loops', { type: 'string', pattern: '^(((a*)*)*b)*$' }],
      ['a pattern that matches in many ways', { type: 'string', pattern: '(a|a|aa|a?)*$' }],
      ['keywords of the wrong kind', { type: 'string', minLength: '3' }],
      ['a pointer to nowhere', { $ref: '#/$defs/none' }],
      ['a pointer to elsewhere', { $ref: 'https://example.org/schema' }],
      ['an enum of many', { enum: Array.from({ length: 3000 }, (_, i) => (i * 7919).toString(36)) }],
      ['wide bounds', { type: 'array', items: { type: 'number', minimum: -1e15, exclusiveMaximum: 999999999999999 } }],
      ['no schema', 'string'],
      ['a list', []],
    ] as const
  ).map(([name, schema]) => [name, { kind: 'json-schema', schema }] as const),
  ['an expression with counts in counts', { kind: 'regex', pattern: '((((a{1,99}){1,99}){1,99}){1,99}){1,99}' }],
  ['an expression with too many groups', { kind: 'regex', pattern: `${'('.repeat(1000)}a${')'.repeat(1000)}` }],
  ['many ways to the same text', { kind: 'regex', pattern: '(a?){60}a{60}' }],
  ['many ways, in classes', { kind: 'regex', pattern: '([a-y]|[b-z]|[a-z][a-z]|[a-z]{3})*x' }],
  ['everything, of every length', { kind: 'regex', pattern: '[^]*[^]*[^]*[^]*[^]*a' }],
  ['a word, as part of anything', { kind: 'regex', pattern: '.*(.*(.*(a|.*).*).*).*' }],
  ['an ambiguous grammar', { kind: 'ebnf', grammar: 'root ::= root root | root root root | "a" | "aa" | ""' }],
  ['an ambiguous grammar of classes', { kind: 'ebnf', grammar: 'root ::= e\ne ::= e e | e e e | [a-z] | e [a-z] e' }],
  ['brackets of many kinds', { kind: 'ebnf', grammar: 'root ::= ("(" root ")" | "[" root "]" | "(" root "]" | root root | "")*' }],
  ['rules in a circle', { kind: 'ebnf', grammar: 'root ::= a | "x"\na ::= b\nb ::= c\nc ::= a | root' }],
  ['loops of nothing', { kind: 'ebnf', grammar: 'root ::= (("" | "")*)* "a" ((""+)+)*' }],
  [
    'many rules',
    {
      kind: 'ebnf',
      grammar:
        Array.from({ length: 3000 }, (_, i) => `${i === 0 ? 'root' : `r${i}`} ::= "a" r${i + 1} | "b"`).join('\n') +
        '\nr3000 ::= "c"',
    },
  ],
  ['comments without end', { kind: 'ebnf', grammar: `root ::= "a" ${'#a'.repeat(20_000)}` }],
  ['brackets without end', { kind: 'ebnf', grammar: `root ::= ${'('.repeat(30_000)}` }],
  [
    'a choice of many',
    { kind: 'choice', choices: Array.from({ length: 3900 }, (_, i) => (i * 7919).toString(36).padStart(4, 'x')) },
  ],
  ['triggers that overlap themselves', { kind: 'tagged', triggers: ['aaaa'], tags: [{ begin: 'aaaab', schema: {}, end: 'a' }] }],
]
