import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { root } from './source-tree.ts'

type Dependencies = Readonly<Record<string, string>>

interface LockedPackage {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly optional?: boolean
  readonly optionalDependencies?: Dependencies
}

interface Manifest {
  readonly scripts: Dependencies
  readonly dependencies: Dependencies
  readonly devDependencies: Dependencies
  readonly peerDependencies: Dependencies
}

const manifest = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as Manifest
const lock = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')) as {
  readonly packages: Readonly<Record<string, LockedPackage>>
}
const installed = Object.entries(lock.packages).filter(([path]) => path !== '')

test('the lock file names no registry, and a digest for everything but builds for other platforms', () => {
  expect(installed.length).toBeGreaterThan(50)
  expect(installed.filter(([, entry]) => entry.resolved !== undefined)).toEqual([])
  expect(installed.filter(([, entry]) => !entry.integrity?.startsWith('sha512-') && !entry.optional).map(([path]) => path)).toEqual(
    [],
  )
})

test('the lock file has the builds for every platform, without which npm ci refuses it', () => {
  const optional = installed.flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {}).map((name) => ({ path, name })),
  )
  const missing = optional.filter(
    ({ path, name }) => !lock.packages[`${path}/node_modules/${name}`] && !lock.packages[`node_modules/${name}`],
  )
  expect(missing).toEqual([])
})

test('every dependency is pinned to one version, and installing runs no script', () => {
  const ranges = [manifest.dependencies, manifest.devDependencies, manifest.peerDependencies].flatMap(Object.entries)
  expect(ranges.filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range))).toEqual([])
  expect(Object.keys(manifest.scripts).filter((name) => /^(pre|post)?(install|prepare)$/.test(name))).toEqual([])
  expect(readFileSync(`${root}.npmrc`, 'utf8')).toMatch(/^ignore-scripts=true$/m)
})
