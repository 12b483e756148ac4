import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { findBreaches, findOutsideBreaches, folderRules } from './import-rules.ts'
import { readSources, root } from './source-tree.ts'

describe('the repository', () => {
  test('imports point downwards, without cycles, and only src/platform names the platform', () => {
    expect(findBreaches(readSources('src/**/*.ts'))).toEqual([])
  })

  test('examples and benchmarks import public entries only', () => {
    expect(findOutsideBreaches(readSources('examples/**/*.ts', 'bench/**/*.ts'))).toEqual([])
  })

  test('every rule belongs to a folder of src/, and points at folders that have rules', () => {
    const folders = readdirSync(`${root}src`, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    expect(Object.keys(folderRules).sort()).toEqual(folders.sort())
    for (const { values, types = [] } of Object.values(folderRules))
      expect(folders).toEqual(expect.arrayContaining([...values, ...types]))
  })

  test('docs/structure.md shows the same rules', () => {
    const page = readFileSync(`${root}docs/structure.md`, 'utf8')
    const rows = [...page.matchAll(/^\| `([\w-]+)` \|.*\| (.*) \|$/gm)].map(([, folder = '', cell = '']) => [folder, cell])
    const shown = rows.filter(([, cell]) => !cell?.startsWith('all of the above') && cell !== 'everything')
    const expected = Object.entries(folderRules).map(([folder, rule]) => [folder, inWords(rule.values, rule.types)])
    expect(rows.map(([folder]) => folder)).toEqual(expected.map(([folder]) => folder))
    expect(expected).toEqual(expect.arrayContaining(shown))
  })

  test('the rules themselves have no cycle', () => {
    const depth = (folder: string, trail: readonly string[] = []): number => {
      expect(trail).not.toContain(folder)
      const { values = [], types = [] } = folderRules[folder] ?? {}
      return 1 + Math.max(0, ...[...values, ...types].map((next) => depth(next, [...trail, folder])))
    }
    expect(depth('base')).toBe(1)
    for (const folder of Object.keys(folderRules)) expect(depth(folder)).toBeLessThanOrEqual(Object.keys(folderRules).length)
  })
})

function inWords(values: readonly string[], types: readonly string[] = []): string {
  const parts = values.length === 0 ? 'nothing' : values.join(', ')
  return types.length === 0 ? parts : `${parts}; types of ${types.join(' and ')}`
}

/** Breaches of a made-up tree in which every imported file exists. */
function breachesOf(files: Readonly<Record<string, string>>): string[] {
  const base = { 'src/index.ts': '', 'src/base/x.ts': '', 'src/nn/x.ts': '', 'src/orders/x.ts': '', 'src/systems/x.ts': '' }
  return findBreaches(new Map(Object.entries({ ...base, ...files })))
}

describe('the checker', () => {
  test.each([
    ['src/tensor/a.ts', "import { x } from '../base/x.ts'"],
    ['src/index.ts', "export * from './nn/x.ts'"],
    ['src/decode/a.ts', "import type { Order } from '../orders/x.ts'"],
    ['src/engine/a.ts', "type S = import('../nn/x.ts').S"],
    ['src/platform/a.ts', "import { readFile } from 'node:fs/promises'\nprocess.exit(Buffer.byteLength(''))"],
    ['src/platform/a.ts', "import ort from 'onnxruntime-node'\nimport.meta.resolve('#ort-worker')"],
    ['src/cli/a.ts', "import { Command } from 'commander'\nimport x from '../systems/x.ts'\nprocess.exitCode = 1"],
    ['src/decode/a.ts', 'export function process(window: number) { return window }\nprocess(1)'],
    ['src/decode/a.ts', 'const rule = { window: 3, process() {} }\nrule.window\nrule.process()\ninterface R { document: string }'],
    ['src/formats/a.ts', "import { BinaryReader } from '@bufbuild/protobuf/wire'"],
  ])('accepts %s: %s', (path, text) => {
    expect(breachesOf({ [path]: text })).toEqual([])
  })

  test.each([
    ['src/base/a.ts', "import { x } from '../nn/x.ts'", 'src/base may not import src/nn'],
    ['src/base/a.ts', "import type { x } from '../nn/x.ts'", 'src/base may not import src/nn'],
    ['src/heads/a.ts', "export * from '../orders/x.ts'", 'src/heads may not import src/orders'],
    [
      'src/decode/a.ts',
      "import { order } from '../orders/x.ts'",
      "src/decode may import types only of src/orders; write 'import type'",
    ],
    ['src/decode/a.ts', "import { type Order } from '../orders/x.ts'", "types only of src/orders; write 'import type'"],
    ['src/decode/a.ts', "import type { Module } from '../nn/x.ts'", 'src/decode may not import src/nn'],
    ['src/engine/a.ts', "const gpt = await import('../systems/x.ts')", 'src/engine may not import src/systems'],
    ['src/nn/a.ts', "import { x } from '../index.ts'", 'imports src/index.ts'],
    ['src/nn/a.ts', "import { x } from './missing.ts'", 'which is no file of src/'],
    ['src/nn/a.ts', "import { x } from '../../test/x.ts'", 'which is no file of src/'],
    ['src/nn/a.ts', "import { x } from 'nextx/tensor'", 'the package does not import itself'],
    ['src/nn/a.ts', "import { x } from 'left-pad'", 'imports the package left-pad, which has no home'],
    ['src/nn/a.ts', "import { x } from 'onnxruntime-node'", 'imports the package onnxruntime-node; only src/platform may'],
    ['src/nn/a.ts', "import '#ort-worker'", "imports '#ort-worker'; only src/platform may"],
    ['src/data/a.ts', "import { readFile } from 'node:fs/promises'", "imports 'node:fs/promises'; only src/platform may"],
    ['src/data/a.ts', "import { readFile } from 'fs/promises'", "imports 'fs/promises'; only src/platform may"],
    ['src/cli/a.ts', "import { readFile } from 'node:fs/promises'", "imports 'node:fs/promises'; only src/platform may"],
    ['src/data/a.ts', 'const home = process.env.HOME', 'uses the global process; only src/platform may'],
    ['src/data/a.ts', 'const threads = globalThis.navigator.hardwareConcurrency', 'uses the global navigator'],
    ['src/data/a.ts', "const { env } = globalThis['process']", 'uses the global process'],
    ['src/data/a.ts', 'const options = { process }', 'uses the global process'],
    ['src/nn/a.ts', "const fs = require('fs')", 'uses the global require'],
    ['src/cli/a.ts', 'Buffer.alloc(1)', 'uses the global Buffer'],
    ['src/systems/a.ts', 'await import(file)', 'computed import'],
    ['src/studio/a.ts', '', 'src/studio has no import rule'],
  ])('refuses %s: %s', (path, text, problem) => {
    expect(breachesOf({ [path]: text })).toEqual([expect.stringContaining(problem)])
  })

  test('refuses cycles of values, through re-exports and lazy imports too; cycles of types are erased', () => {
    const cycle = (last: string) =>
      breachesOf({
        'src/nn/a.ts': "import { b } from './b.ts'",
        'src/nn/b.ts': "export * from './c.ts'",
        'src/nn/c.ts': last,
      })
    const expected = [expect.stringContaining('import cycle src/nn/a.ts → src/nn/b.ts → src/nn/c.ts → src/nn/a.ts')]
    expect(cycle("import { a } from './a.ts'")).toEqual(expected)
    expect(cycle("import { type A } from './a.ts'")).toEqual(expected)
    expect(cycle("const { a } = await import('./a.ts')")).toEqual(expected)
    expect(cycle("import type { A } from './a.ts'")).toEqual([])
  })

  test('says where', () => {
    expect(breachesOf({ 'src/base/a.ts': "\n\nimport '../nn/x.ts'" })).toEqual(['src/base/a.ts:3: src/base may not import src/nn'])
  })

  test.each([
    ['examples/a.ts', "import { tensor } from 'nextx/tensor'\nimport { readFile } from 'node:fs/promises'", undefined],
    ['bench/a.ts', "import { table } from './lib/table.ts'\nimport * as jax from '@jax-js/jax'", undefined],
    ['examples/a.ts', "import { tensor } from '../src/tensor/index.ts'", "only 'nextx' and 'nextx/…' may be imported here"],
    ['examples/a.ts', "import { helper } from './helper.ts'", "only 'nextx' and 'nextx/…' may be imported here"],
    ['bench/lib/a.ts', "import { tensor } from '../../src/tensor/index.ts'", "only 'nextx' and 'nextx/…' and files of bench/"],
  ])('judges %s: %s', (path, text, problem) => {
    const expected = problem === undefined ? [] : [expect.stringContaining(problem)]
    expect(findOutsideBreaches(new Map([[path, text]]))).toEqual(expected)
  })
})
