import { expect, test } from 'vitest'
import { readSources } from './source-tree.ts'
import { findLapses } from './style-rules.ts'

test('the sources keep the house rules', () => {
  expect(findLapses(readSources('{src,test,bench,examples}/**/*.ts', '*.config.ts'))).toEqual([])
})

test.each([
  ['src/nn/a.ts', 'const x: unknown = 1', undefined],
  ['src/nn/a.ts', '// any company\nconst company = "any"', undefined],
  ['src/nn/a.ts', 'const x: any = 1', 'any; use unknown'],
  ['src/nn/a.ts', 'const x = y as any', 'any; use unknown'],
  ['test/a.ts', 'function f(x: Record<string, any[]>) {}', 'any; use unknown'],
  ['src/systems/text/gpt.ts', 'export default {}', undefined],
  ['src/nn/a.ts', 'export default {}', 'default export'],
  ['src/nn/a.ts', 'export default function f() {}', 'default export'],
  ['src/nn/a.ts', 'const x = 1\nexport { x as default }', 'default export'],
  ['src/nn/a.ts', 'switch (x) { default: f() }', undefined],
  ['src/cli/a.ts', 'console.log(1)', undefined],
  ['bench/a.ts', 'console.log(1)', undefined],
  ['src/nn/a.ts', 'console.log(1)', 'console'],
  ['src/nn/a.ts', 'let count = 0', 'module-level let'],
  ['src/nn/a.ts', 'export var count = 0', 'module-level let'],
  ['src/nn/a.ts', 'function f() { let count = 0 }', undefined],
  ['src/nn/a.ts', `// ${'TO'}DO later`, 'a note of later work'],
  ['bench/a.ts', `/* ${'FIX'}ME */`, 'a note of later work'],
])('judges %s: %s', (path, text, problem) => {
  expect(findLapses(new Map([[path, text]]))).toEqual(problem === undefined ? [] : [expect.stringContaining(problem)])
})
