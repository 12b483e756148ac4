import { readdirSync } from 'node:fs'
import { expect, it } from 'vitest'
import { loadSystem, systemIds } from '../../src/systems/index.ts'
import { runTextSystemContract } from './system-contract.ts'

it('every file of a modality is a system of its name', async () => {
  const files = readdirSync(new URL('../../src/systems/text', import.meta.url)).map((name) => name.replace(/\.ts$/, ''))
  expect([...systemIds].sort()).toEqual(files.sort())
  for (const id of systemIds) expect((await loadSystem(id)).id).toBe(id)
  console.log(`system contract runs over: ${systemIds.join(', ')}; no skips`)
})

for (const id of systemIds) runTextSystemContract(id)
