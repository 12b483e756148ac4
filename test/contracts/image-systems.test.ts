import { readdirSync } from 'node:fs'
import { expect, it } from 'vitest'
import { imageSystemIds, loadImageSystem } from '../../src/systems/image-registry.ts'
import { runImageSystemContract } from './image-system-contract.ts'
import { toyImageSubject, toyNames } from './toy-image-models.ts'

it('every file of pictures is a system of its name', async () => {
  const files = readdirSync(new URL('../../src/systems/image', import.meta.url)).map((name) => name.replace(/\.ts$/, ''))
  expect([...imageSystemIds].sort()).toEqual(files.sort())
  for (const id of imageSystemIds) expect((await loadImageSystem(id)).id).toBe(id)
  expect([...new Set(toyNames.map((name) => name.split(' ')[0]))].sort()).toEqual(files)
})

const subjects = await Promise.all(toyNames.map(toyImageSubject))
const skips = subjects.flatMap(({ id, skip = {} }) =>
  Object.entries(skip).map(([name, reason]) => `  skip: ${id}: ${name}: ${reason}`),
)
console.info([`image system contract: ${subjects.map(({ id }) => id).join('; ')}`, ...skips].join('\n'))
for (const subject of subjects) runImageSystemContract(subject)
