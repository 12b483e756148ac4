import { describe, expect, test } from 'vitest'
import { FormatError, OptionError } from '../../../../src/base/errors.ts'
import { namedVariables } from '../../../../src/nn/index.ts'
import { input } from '../../../../src/tensor/index.ts'
import { buildImageTokenizer, type MultiScaleOptions, multiScale, patches, pyramid, vq } from '../../../../src/tokenizers/index.ts'

const options: MultiScaleOptions = {
  picture: { channels: 1, height: 8, width: 8 },
  width: 4,
  downsample: 2,
  scales: [1, 2, 4],
  codes: 8,
  dimension: 4,
}

describe('multiScale', () => {
  test.each([
    [{ scales: [1, 2, 3] }, /last scale is 3×3; expected the latents' 4×4/],
    [{ scales: [2, 1, 4] }, /scale 1×1 after 2×2/],
    [{ scales: [1, 1, 4] }, /increasing/],
    [{ scales: [] }, OptionError],
    [{ carry: 'band' }, /odd/],
    [{ carry: 'sum' }, OptionError],
    [{ codes: 1 }, OptionError],
    [{ normalize: true }, /normalize/],
    [{ downsample: 3 }, OptionError],
    [{ restart: 1 }, OptionError],
  ])('refuses %j', (wrong, problem) => {
    expect(() => multiScale({ ...options, ...wrong } as MultiScaleOptions)).toThrow(problem)
    expect(() => buildImageTokenizer({ kind: 'multi-scale', ...options, ...wrong })).toThrow(FormatError)
  })

  test('whole pictures at each scale take other scales, with the same weights', () => {
    const tokenizer = multiScale({ ...options, carry: 'latest' })
    const wide = tokenizer.withScales!([
      [2, 2],
      [4, 5],
      [5, 6],
    ])
    expect(wide.picture).toEqual({ channels: 1, height: 10, width: 12 })
    expect(wide.layout.parts.map(({ shape }) => shape)).toEqual([
      [2, 2],
      [4, 5],
      [5, 6],
    ])
    expect([...namedVariables(wide)]).toEqual([...namedVariables(tokenizer)])
    expect(wide.encode(input('x', 'float32', [3, 1, 10, 12])).shape).toEqual([3, 4 + 20 + 30, 1])
    const painted = wide.decode(input('ids', 'int32', [3, 54, 1]), input('known', 'float32', [3, 54]))
    expect(painted.shape).toEqual([3, 1, 10, 12])
    expect(buildImageTokenizer(wide.toJSON()).layout).toEqual(wide.layout)
    expect(() =>
      tokenizer.withScales!([
        [2, 2],
        [1, 1],
      ]),
    ).toThrow(OptionError)
    expect(() => tokenizer.withScales!([])).toThrow(OptionError)
    expect(() =>
      tokenizer.withScales!([
        [0.5, 1],
        [3, 3],
      ]),
    ).toThrow(OptionError)
  })

  test('sums of scales and bands do not', () => {
    expect(multiScale(options).withScales).toBeUndefined()
    expect(
      multiScale({ ...options, picture: { channels: 1, height: 10, width: 10 }, scales: [1, 5], carry: 'band' }).withScales,
    ).toBeUndefined()
  })
})

describe('pyramid', () => {
  test('refuses bases without vectors, with several grids, or of another size', () => {
    const base = patches({ picture: options.picture, size: 2 }).toJSON()
    expect(pyramid({ base, scales: [1, 2, 4] }).losses).toBeUndefined()
    expect(() => pyramid({ base, scales: [1, 2] })).toThrow(/4×4/)
    expect(() => pyramid({ base: pyramid({ base, scales: [2, 4] }).toJSON(), scales: [4] })).toThrow(/one grid of vectors/)
    const { picture, width, downsample } = options
    const ids = vq({ picture, codes: 8, dimension: 4, width: width!, downsample: downsample! }).toJSON()
    expect(() => pyramid({ base: ids, scales: [1, 4] })).toThrow(OptionError)
    expect(() => pyramid({ base: { kind: 'none' }, scales: [1] })).toThrow(FormatError)
  })
})
