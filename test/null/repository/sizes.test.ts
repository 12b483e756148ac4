import { expect, test } from 'vitest'
import { measure } from './size-rules.ts'
import { readSources } from './source-tree.ts'

test('files and functions keep within their budgets', () => {
  const { warnings, failures } = measure(readSources('{src,bench,examples}/**/*.ts'))
  if (warnings.length > 0) console.warn(`over the soft budget:\n  ${warnings.join('\n  ')}`)
  expect(failures).toEqual([])
})

const lines = (count: number) => '\n'.repeat(count)
const functionOf = (count: number) => `function long() {${lines(count - 1)}}`

test.each([
  ['a file at its limit', 'src/nn/a.ts', `${lines(399)}x\n`, [], []],
  ['a file over the soft limit', 'src/nn/a.ts', `${lines(400)}x`, ['src/nn/a.ts: 401 lines'], []],
  ['a file over the hard limit', 'src/nn/a.ts', `${lines(800)}x`, [], ['src/nn/a.ts: 801 lines']],
  ['a generated file', 'src/nn/a.ts', `// @generated from x.proto${lines(900)}x`, [], []],
  ['a long system', 'src/systems/text/gpt.ts', `${lines(200)}x`, ['src/systems/text/gpt.ts: 201 lines'], []],
  ['the registry of systems', 'src/systems/index.ts', `${lines(200)}x`, [], []],
  ['a function at its limit', 'src/nn/a.ts', functionOf(60), [], []],
  ['a function over the soft limit', 'src/nn/a.ts', `\n${functionOf(61)}`, ['src/nn/a.ts:2 long: 61 lines'], []],
  ['a function over the hard limit', 'src/nn/a.ts', functionOf(121), [], ['src/nn/a.ts:1 long: 121 lines']],
  ['an arrow', 'src/nn/a.ts', `const short = () => {${lines(120)}}`, [], ['src/nn/a.ts:1 short: 121 lines']],
  ['a method', 'src/nn/a.ts', `class A {\nrun() {${lines(60)}} }`, ['src/nn/a.ts:2 run: 61 lines'], []],
  ['a constructor', 'src/nn/a.ts', `class A {\nconstructor() {${lines(60)}} }`, ['src/nn/a.ts:2 constructor: 61 lines'], []],
  ['a documented function', 'src/nn/a.ts', `/** ${lines(70)} */\n${functionOf(5)}`, [], []],
  ['a long class of short methods', 'src/nn/a.ts', `class A {${lines(150)}}`, [], []],
])('%s', (_name, path, text, warnings, failures) => {
  const report = measure(new Map([[path, text]]))
  expect(report.warnings).toEqual(warnings.map((warning) => expect.stringContaining(warning)))
  expect(report.failures).toEqual(failures.map((failure) => expect.stringContaining(failure)))
})
