import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { globSync } from 'tinyglobby'
import { describe, expect, test } from 'vitest'
import { root } from './source-tree.ts'

interface Manifest {
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string } | string>>
  readonly imports: Readonly<Record<string, string>>
  readonly bin: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as Manifest
const entries = Object.entries(manifest.exports).filter(([key]) => key !== './package.json')
const systems = globSync('src/systems/*/*.ts', { cwd: root }).map((path) => path.slice('src/systems/'.length, -'.ts'.length))

/** `.` for src/index.ts, `./tensor` for src/tensor/index.ts. */
function entryOf(path: string): string {
  return path === 'src/index.ts' ? '.' : `./${path.split('/')[1]}`
}

describe('package.json', () => {
  test('exports each folder of src/ that has an index, and nothing else', () => {
    const indexes = globSync(['src/index.ts', 'src/*/index.ts'], { cwd: root })
    expect(entries.map(([key]) => key).sort()).toEqual([...indexes.map(entryOf), './systems/*'].sort())
    expect(manifest.exports['./package.json']).toBe('./package.json')
  })

  test.each(entries)('%s points at its declarations and its code, in this order', (key, target) => {
    const folder = key.slice(2)
    const stem = key === '.' ? 'index' : key.endsWith('/*') ? folder : `${folder}/index`
    expect(Object.entries(target)).toEqual([
      ['types', `./dist/${stem}.d.ts`],
      ['default', `./dist/${stem}.js`],
    ])
  })
})

describe('the built package', () => {
  test('imports by every public name, in plain Node', () => {
    const names = [
      ...entries.map(([key]) => `nextx${key.slice(1)}`).filter((name) => !name.includes('*')),
      ...systems.map((id) => `nextx/systems/${id}`),
    ]
    expect(namesOf(names)).toEqual(Object.fromEntries(names.map((name) => [name, expect.any(Array)])))
  })

  test('has the files that the runtime starts by path', () => {
    const started = [...Object.values(manifest.imports), ...Object.values(manifest.bin)]
    expect(started.filter((path) => !existsSync(root + path))).toEqual([])
    for (const path of Object.values(manifest.bin)) expect(readFileSync(root + path, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
  })
})

/** What each module exports, asked of a Node that knows nothing of this test runner. */
function namesOf(modules: readonly string[]): unknown {
  const script = `
    const names = {}
    for (const module of ${JSON.stringify(modules)}) {
      names[module] = await import(module).then((exports) => Object.keys(exports), (error) => String(error.stack))
    }
    console.log(JSON.stringify(names))`
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: root, encoding: 'utf8' }))
}
