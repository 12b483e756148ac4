import { expect, test } from 'vitest'
import { createBlockChecker } from './block-checker.ts'
import { blocksOfDocstrings, blocksOfMarkdown, type CodeBlock } from './code-blocks.ts'
import { exampleCast } from './example-cast.ts'
import { readPublicNames, undocumentedNames } from './public-names.ts'
import { readSources } from './source-tree.ts'

const checker = createBlockChecker()

test('the code in README.md and docs/ compiles as a user would write it', () => {
  const pages = readSources('README.md', 'docs/*.md')
  if (!pages.has('README.md')) console.warn('README.md is missing: its examples were not checked')
  expect(checker.check(blocksOfMarkdown(pages))).toEqual([])
})

test('the examples in the docstrings of public names compile', () => {
  expect(checker.check(blocksOfDocstrings(checker.program))).toEqual([])
})

test('every public function and class has a docstring', () => {
  expect(undocumentedNames(readPublicNames(checker.program))).toEqual([])
})

function page(text: string): CodeBlock[] {
  return blocksOfMarkdown(new Map([['PAGE.md', text]]))
}

test('blocks are found by their fences', () => {
  const text =
    '# A\n\n```ts\nconst a = 1\n```\n\n```sh\nls\n```\n\n- item\n  ```typescript no-check\n  const b = 2\n  ```\n\n````md\n```ts\nshown\n```\n````\n'
  expect(page(text)).toEqual([
    { place: 'PAGE.md:3', meta: '', text: 'const a = 1\n', entry: undefined },
    { place: 'PAGE.md:12', meta: 'no-check', text: '  const b = 2\n', entry: undefined },
  ])
})

const docstring = (text: string): CodeBlock[] => [{ place: 'src/base/errors.ts:1', meta: '', text, entry: 'nextx/platform' }]

test.each([
  ['a good block', page("```ts\nimport * as platform from 'nextx/platform'\nawait platform\n```"), []],
  [
    'a wrong type',
    page('```ts\nconst a = 1\nconst b: string = a\n```'),
    ["PAGE.md:1, code line 2: Type 'number' is not assignable to type 'string'."],
  ],
  ['a missing import', page('```ts\nnoSuchName()\n```'), ["PAGE.md:1, code line 1: Cannot find name 'noSuchName'."]],
  [
    'a private path',
    page("```ts\nimport { ShapeError } from 'nextx/base/errors'\n```"),
    [expect.stringContaining('code line 1: Cannot find module')],
  ],
  [
    'an unchecked block',
    page('```ts no-check\n1\n```'),
    ["PAGE.md:1: 'no-check' after the fence; blocks are checked without exception"],
  ],
  ['a silenced error', page('```ts\n// @ts-expect-error\nf()\n```'), ['PAGE.md:1: a comment that silences the compiler']],
  ['two blocks of the same names', page('```ts\nconst a = 1\n```\n```ts\nconst a = 2\n```'), []],
  ['a docstring of public names and the cast', docstring('openDevice({ threads: seed })'), []],
  [
    'a docstring that misuses the cast',
    docstring('const a: string = seed'),
    [expect.stringContaining("'number' is not assignable to type 'string'")],
  ],
  ['a docstring with names of its own', docstring('const seed = "a"\nconst a: string = seed'), []],
  ['a docstring that names a parameter like the cast', docstring('const f = (x: string) => x\nconst shape = x.shape'), []],
  ['all of the cast', docstring([...exampleCast.keys()].join('\n')), []],
  ['the cast outside docstrings', page('```ts\nseed\n```'), ["PAGE.md:1, code line 1: Cannot find name 'seed'."]],
  [
    'a docstring of an unknown name',
    docstring('noSuchName()'),
    ["src/base/errors.ts:1, code line 1: Cannot find name 'noSuchName'."],
  ],
])('%s', (_name, blocks, problems) => {
  expect(checker.check(blocks)).toEqual(problems)
})
