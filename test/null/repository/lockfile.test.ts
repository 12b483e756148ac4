import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { root } from './source-tree.ts'

type Dependencies = Readonly<Record<string, string>>

interface Lock {
  readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly integrity?: string; readonly link?: boolean }>>
}

interface Manifest {
  readonly scripts: Dependencies
  readonly dependencies: Dependencies
  readonly devDependencies: Dependencies
  readonly peerDependencies: Dependencies
}

const lock = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')) as Lock
const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as Manifest
const installed = Object.entries(lock.packages).filter(([path]) => path !== '')

test('the lock file names no registry, and a digest for every package', () => {
  expect(installed.length).toBeGreaterThan(50)
  expect(installed.filter(([, entry]) => entry.resolved !== undefined)).toEqual([])
  expect(installed.filter(([, entry]) => !entry.integrity?.startsWith('sha512-')).map(([path]) => path)).toEqual([])
})

test('every dependency is pinned to one version, and installing runs no script', () => {
  const ranges = [manifest.dependencies, manifest.devDependencies, manifest.peerDependencies].flatMap(Object.entries)
  expect(ranges.filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range))).toEqual([])
  expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?(install|prepare)$/.test(name))).toEqual([])
  expect(readFileSync(`${root}.npmrc`, 'utf8')).toMatch(/^ignore-scripts=true$/m)
})
