import { describe, expect, it } from 'vitest'
import { MismatchError } from '../../../src/base/errors.ts'
import { imageSystemIds, loadImageSystem } from '../../../src/systems/image-registry.ts'
import { type CarryKind, type ImageTokenizer, multiScale, patches, pyramid, vq } from '../../../src/tokenizers/index.ts'

const picture = { channels: 1, height: 12, width: 12 }
const grid = { picture, codes: 8, dimension: 4, width: 8 }
const scaled = (carry: CarryKind) => multiScale({ ...grid, scales: [1, 3], carry })
const pixels = (scales: number[]) => pyramid({ base: patches({ picture, size: 3 }).toJSON(), scales })

/** Tokenizers, and the systems that their papers made for such values. */
const cases: readonly (readonly [string, () => ImageTokenizer, readonly string[]])[] = [
  ['vq', () => vq(grid), ['elm', 'maskgit', 'nar']],
  ['multi-scale of residuals', () => scaled('residual'), ['elm', 'maskgit', 'var']],
  ['multi-scale of bands', () => scaled('band'), ['elm', 'maskgit', 'nfig', 'var']],
  ['multi-scale of pictures', () => scaled('latest'), ['elm', 'flexvar', 'maskgit', 'var']],
  ['patches', () => patches({ picture, size: 3 }), ['mar', 'starflow', 'xar']],
  ['pyramid of three', () => pixels([1, 2, 4]), ['flowar', 'mar']],
  ['pyramid of two', () => pixels([2, 4]), ['flowar', 'himar', 'mar']],
  ['pyramid of other sizes', () => pixels([1, 3, 4]), ['mar']],
]

async function build(id: string, tokenizer: ImageTokenizer, options: object = {}) {
  const system = await loadImageSystem(id)
  const sizes = { width: 16, heads: 2, layers: id === 'starflow' ? [1] : 2, ...options }
  return system.build(system.readOptions(sizes), { tokenizer, classes: 2 })
}

describe.each(cases)('%s', (_, make, fitting) => {
  it.each(imageSystemIds)('%s takes it, or says what it takes', async (id) => {
    const tokenizer = make()
    if (fitting.includes(id)) return expect(await build(id, tokenizer)).toBeDefined()
    const refused = build(id, tokenizer)
    await expect(refused).rejects.toThrow(MismatchError)
    await expect(refused).rejects.toThrow(
      new RegExp(`^${id} .*the tokenizer ${tokenizer.kind} .*take a (tokenizer of the kind|pyramid)`),
    )
  })
})

it('names system and tokenizer where options do not divide the grid', async () => {
  const refused = build('xar', patches({ picture, size: 4 }), { groups: 4 })
  await expect(refused).rejects.toThrow(MismatchError)
  await expect(refused).rejects.toThrow(
    /^xar cannot lay out what the tokenizer patches gives, 3×3: \[2,2\] groups of a grid \[3,3\]/,
  )
  expect(await build('xar', pixels([1, 2, 4]), { unit: 'scale' })).toBeDefined()
})
