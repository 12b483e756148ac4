import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CodeBatch } from '../../../../src/base/codes.ts'
import { MismatchError, OptionError } from '../../../../src/base/errors.ts'
import { toPictures } from '../../../../src/base/pictures.ts'
import { createRng } from '../../../../src/base/rng.ts'
import { bitsPerDimension, pictureStep } from '../../../../src/metrics/index.ts'
import { initialize, parameterCount } from '../../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../../src/platform/index.ts'
import starflow, { type StarflowOptions } from '../../../../src/systems/image/starflow.ts'
import { compile, float32, int32 } from '../../../../src/tensor/index.ts'
import { patches, vae, vq } from '../../../../src/tokenizers/index.ts'

const picture = { channels: 1, height: 4, width: 4 }
const toy = { width: 16, heads: 2, layers: [1, 1] }
const tokenizer = patches({ picture, size: 2 })

function build(options: object = {}, context: Partial<Parameters<typeof starflow.build>[1]> = {}) {
  return starflow.build(starflow.readOptions({ ...toy, ...options }), { tokenizer, classes: 2, ...context })
}

const pixels = Uint8Array.from({ length: 32 }, (_, i) => (37 * i) % 256)
const samples: CodeBatch = {
  kind: 'vectors',
  dimension: 4,
  layout: tokenizer.layout,
  count: 2,
  data: Float32Array.from(pixels, (pixel) => pixel / 127.5 - 1),
}

describe('training feeds', () => {
  const labels = Int32Array.of(0, 2)

  it('are values somewhere within their level, the same for the same generator', () => {
    const network = build()
    const { values, labels: fed } = network.feed(samples, labels, createRng(1)) as Record<string, Float32Array>
    expect(fed).toEqual(labels)
    expect([...toPictures(values!, picture).pixels]).toEqual([...pixels])
    expect(new Set(values!.map((value, i) => Math.round(1e4 * (value - samples.data[i]!)))).size).toBeGreaterThan(10)
    expect(network.feed(samples, labels, createRng(1))).toEqual({ values, labels })
    expect(network.feed(samples, labels, createRng(2)).values).not.toEqual(values)
  })

  it('have Gaussian noise of the deviation asked for', () => {
    const network = build({ noise: { gaussian: 0.3 } })
    const many: CodeBatch = { ...samples, count: 256, data: new Float32Array(256 * 16) } as CodeBatch
    const { values } = network.feed(many, new Int32Array(256), createRng(1)) as Record<string, Float32Array>
    const variance = values!.reduce((sum, x) => sum + x * x, 0) / values!.length
    expect(Math.sqrt(variance)).toBeCloseTo(0.3, 1)
  })
})

describe('the loss', () => {
  let device: Device
  beforeAll(async () => {
    device = await openDevice({ worker: false, threads: 1 })
  })
  afterAll(() => device[Symbol.asyncDispose]())

  it('is minus log p per number, and bits per pixel are of 256 levels', async () => {
    const network = build()
    await initialize(network, createRng(1))
    const program = compile(
      network.trainingInputs(2),
      (given) => {
        const { total, parts } = network.loss(given)
        return { total, bits: parts!.bits!, logProb: network.logProb!(given.values!, given.labels!) }
      },
      { device },
    )
    const feeds = network.feed(samples, Int32Array.of(0, 2), createRng(1)) as { values: Float32Array; labels: Int32Array }
    const { total, bits, logProb } = await program.run(feeds)
    const nats = -(logProb.data as Float32Array).reduce((sum, x) => sum + x, 0) / 2
    expect(total.data[0]).toBeCloseTo(nats / 16, 5)
    expect(bits.data[0]).toBeCloseTo(bitsPerDimension(nats, 16, { step: pictureStep }), 5)
    // At first the flow is the identity: log p is that of a standard normal distribution.
    const normal = feeds.values.reduce((sum, x) => sum + 0.5 * (x * x + Math.log(2 * Math.PI)), 0) / 2
    expect(nats).toBeCloseTo(normal, 3)
  })

  it('has no bits where the noise hides the levels', () => {
    const network = build({ noise: { gaussian: 0.1 } })
    compile(
      { values: float32(2, 4, 4), labels: int32(2) },
      (given) => {
        const { total, parts } = network.loss(given)
        expect(parts).toBeUndefined()
        return { total }
      },
      {},
    )
  })
})

it('presets have the sizes that they say, on 28×28 pictures', () => {
  const digits = patches({ picture: { channels: 1, height: 28, width: 28 }, size: 4 })
  const sizes = Object.entries(starflow.presets).map(([name, options]) => [
    name,
    Math.round(parameterCount(starflow.build(options, { tokenizer: digits, classes: 10 })) / 1e5) / 10,
  ])
  expect(Object.fromEntries(sizes)).toEqual({ tiny: 0.5, small: 1.7 })
})

describe('what does not fit is refused', () => {
  it.each<[string, object, Partial<Parameters<typeof starflow.build>[1]>, new (...args: never[]) => Error]>([
    ['ids', {}, { tokenizer: vq({ picture, codes: 8, dimension: 2 }) }, MismatchError],
    ['uniform noise for latents', {}, { tokenizer: vae({ picture, channels: 2 }) }, OptionError],
    ['an unknown option', { depth: 3 }, {}, OptionError],
    ['no noise', { noise: { gaussian: 0 } }, {}, OptionError],
    ['unknown noise', { noise: 'salt' }, {}, OptionError],
    ['no blocks', { layers: [] }, {}, OptionError],
    ['blocks without layers', { layers: [1, 0] }, {}, OptionError],
    ['a label drop above 1', { labelDrop: 1.5 }, {}, OptionError],
    ['an unknown scale', { scale: 'sigmoid' }, {}, OptionError],
    ['heads that do not divide the width', { heads: 3 }, {}, OptionError],
  ])('%s', (_name, options, context, error) => {
    expect(() => build(options, context)).toThrow(error)
  })

  it('but latents with Gaussian noise', () => {
    expect(build({ noise: { gaussian: 0.3 } }, { tokenizer: vae({ picture, channels: 2 }) }).classes).toBe(2)
  })
})

it('options come back as they were read', () => {
  const options: StarflowOptions = starflow.readOptions(toy)
  expect(starflow.readOptions(JSON.parse(JSON.stringify(options)))).toEqual(options)
})
