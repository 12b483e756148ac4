import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FormatError, MismatchError, NextxError, OptionError, RuntimeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { causal } from '../../../src/base/visibility.ts'
import { embed, openRecomputeStepper, openStepper, type StepperOptions } from '../../../src/engine/index.ts'
import { tiedHead } from '../../../src/heads/index.ts'
import {
  initialize,
  layerNorm,
  learned,
  normal,
  type PositionsFactory,
  rmsNorm,
  rotary,
  swiglu,
  Transformer,
  yarn,
} from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, int32 } from '../../../src/tensor/index.ts'

const sizes = { vocabularySize: 23, context: 80, width: 32 }

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

async function decoderOf(layers: number, positions: PositionsFactory = rotary(), seed = 2) {
  const attention = { heads: 4, keyValueHeads: 2 }
  const norm = layers === 1 ? layerNorm() : rmsNorm()
  const backbone = new Transformer({ ...sizes, layers, attention, mlp: swiglu(48), norm, positions, weight: normal(0.3) })
  await initialize(backbone, createRng(seed))
  return { backbone, head: tiedHead(backbone.embed_tokens) }
}

const tokens = (count: number, label = 'tokens') =>
  Array.from({ length: count }, (_, i) => createRng(5).fold(label).integerAt(i, sizes.vocabularySize))
const append = { keep: 'append', logits: 'last' } as const
const ways: Readonly<Record<string, Partial<StepperOptions>>> = {
  growing: { cache: 'growing' },
  writing: { cache: 'writing' },
  'writing, 16 bits': { storage: 'float16' },
  'writing, 8 bits': { storage: 'int8' },
}

describe.each(Object.entries(ways))('a saved state of a %s cache', (_name, options) => {
  it('goes on where it was, in another stepper with the same weights', async () => {
    const decoder = await decoderOf(2)
    await using one = openStepper(decoder, { device, ...options })
    const state = await one.open()
    await one.extend([{ state, tokens: tokens(9) }], append)
    const bytes = await one.save(state)
    const [expected] = await one.extend([{ state, tokens: [3] }], append)
    await using two = openStepper(await decoderOf(2), { device, ...options })
    const other = await two.open()
    await two.extend([{ state: other, tokens: tokens(4, 'other') }], append)
    const restored = await two.restore(bytes)
    expect(restored.length).toBe(9)
    const [found] = await two.extend([{ state: restored, tokens: [3] }], append)
    expect(found!.logits).toEqual(expected!.logits)
    await two.rewind(restored, 5)
    expect(restored.length).toBe(5)
  })

  it('is refused when it is damaged anywhere, or of other weights', async () => {
    await using stepper = openStepper(await decoderOf(2), { device, ...options })
    const state = await stepper.open()
    await stepper.extend([{ state, tokens: tokens(3) }], append)
    const bytes = await stepper.save(state)
    const random = createRng(7)
    for (let i = 0; i < 60; i++) {
      const damaged = bytes.slice()
      const place = random.integerAt(i, damaged.length)
      damaged[place] = damaged[place]! ^ (1 << random.integerAt(1000 + i, 8))
      await expect(stepper.restore(damaged), `byte ${place}`).rejects.toThrow(NextxError)
    }
    await expect(stepper.restore(bytes.slice(0, -1))).rejects.toThrow(FormatError)
    await using strange = openStepper(await decoderOf(2, rotary(), 3), { device, ...options })
    await expect(strange.restore(bytes)).rejects.toThrow(/other weights/)
    await using turned = openStepper(await decoderOf(2, rotary({ base: 500 })), { device, ...options })
    await expect(turned.restore(bytes), 'the same weights with other settings').rejects.toThrow(MismatchError)
    expect([stepper.memory().states, strange.memory().states]).toEqual([1, 0])
  })
})

it('a state saved in one storage is refused in another', async () => {
  const decoder = await decoderOf(2)
  await using wide = openStepper(decoder, { device })
  await using narrow = openStepper(decoder, { device, storage: 'int8' })
  const state = await wide.open()
  await wide.extend([{ state, tokens: tokens(3) }], append)
  await expect(narrow.restore(await wide.save(state))).rejects.toThrow(MismatchError)
})

it('a recomputing stepper saves its tokens', async () => {
  const decoder = await decoderOf(2)
  await using stepper = openRecomputeStepper(decoder, { device })
  const state = await stepper.open()
  await stepper.extend([{ state, tokens: tokens(6) }], append)
  const restored = await stepper.restore(await stepper.save(state))
  const both = await stepper.extend(
    [state, restored].map((each) => ({ state: each, tokens: [1] })),
    append,
  )
  expect(both[0]!.logits).toEqual(both[1]!.logits)
})

describe.each([
  ['all channels', rotary()],
  ['half of the channels', rotary({ share: 0.5 })],
  ['yarn', rotary({ scaling: yarn({ factor: 4, original: 20 }) })],
])('positions forgotten from the middle, with rotations of %s', (_name, positions) => {
  it.each(['growing', 'writing'] as const)(
    'are as if they had never been, where no slot has seen another (one layer, %s)',
    async (cache) => {
      const decoder = await decoderOf(1, positions)
      await using stepper = openStepper(decoder, { device, cache })
      const [long, short] = [await stepper.open(), await stepper.open()]
      const all = tokens(30)
      await stepper.extend([{ state: long, tokens: all }], append)
      await stepper.forget(long, { start: 4, count: 11 })
      await stepper.forget(long, { start: 6, count: 2 })
      const kept = [...all.slice(0, 4), ...all.slice(15, 17), ...all.slice(19)]
      expect(long.length).toBe(kept.length)
      await stepper.extend([{ state: short, tokens: kept }], append)
      const [a, b] = await stepper.extend(
        [long, short].map((state) => ({ state, tokens: [7] })),
        append,
      )
      const worst = a!.logits.reduce((most, x, i) => Math.max(most, Math.abs(x - b!.logits[i]!)), 0)
      expect(worst).toBeLessThan(1e-4)
      await expect(stepper.rewind(long, 10)).rejects.toThrow(/forgotten/)
      await stepper.rewind(long, 17)
      await stepper.rewind(long, 4)
      await stepper.extend([{ state: long, tokens: all.slice(4) }], append)
      await stepper.rewind(short, 0)
      const [c] = await stepper.extend([{ state: long, tokens: [7] }], append)
      const [d] = await stepper.extend([{ state: short, tokens: [...all, 7] }], append)
      expect(c!.logits.reduce((most, x, i) => Math.max(most, Math.abs(x - d!.logits[i]!)), 0)).toBeLessThan(1e-4)
    },
  )
})

it('nothing is forgotten by models whose positions are embedded, in narrow storage, or out of range', async () => {
  await using embedded = openStepper(await decoderOf(2, learned()), { device })
  await using narrow = openStepper(await decoderOf(2), { device, storage: 'float16' })
  await using stepper = openStepper(await decoderOf(2), { device })
  for (const [one, range] of [
    [embedded, { start: 1, count: 1 }],
    [narrow, { start: 1, count: 1 }],
    [stepper, { start: 3, count: 3 }],
    [stepper, { start: -1, count: 1 }],
    [stepper, { start: 0, count: 0 }],
  ] as const) {
    const state = await one.open()
    await one.extend([{ state, tokens: tokens(5) }], append)
    await expect(one.forget(state, range)).rejects.toThrow(OptionError)
    expect(state.length).toBe(5)
  }
})

describe.each([
  ['float16', 2e-2, 0.5],
  ['int8', 0.3, 0.3125 + 0.0625],
] as const)('a cache of %s', (storage, tolerance, share) => {
  it('differs little from one of float32, and is smaller', async () => {
    const decoder = await decoderOf(2)
    await using wide = openStepper(decoder, { device })
    await using narrow = openStepper(decoder, { device, storage })
    const [a, b] = [await wide.open(), await narrow.open()]
    let worst = 0
    for (const token of tokens(40)) {
      const [x] = await wide.extend([{ state: a, tokens: [token] }], append)
      const [y] = await narrow.extend([{ state: b, tokens: [token] }], append)
      worst = x!.logits.reduce((most, value, i) => Math.max(most, Math.abs(value - y!.logits[i]!)), worst)
    }
    expect(worst).toBeGreaterThan(0)
    expect(worst).toBeLessThan(tolerance)
    expect(narrow.bytesOf(b) / wide.bytesOf(a)).toBe(share)
    const { cacheBytes, reservedBytes } = wide.memory()
    expect([cacheBytes, reservedBytes >= cacheBytes]).toEqual([wide.bytesOf(a), true])
  })

  it('refuses to grow in place', async () => {
    const decoder = await decoderOf(2)
    expect(() => openStepper(decoder, { device, storage, cache: 'growing' })).toThrow(OptionError)
  })
})

it('prompts of several states are packed without padding, and continue like each alone', async () => {
  const decoder = await decoderOf(2)
  const prompts = [5, 1, 17, 9, 30, 2].map((count, i) => tokens(count, `prompt ${i}`))
  for (const packing of [0, 24, 512]) {
    await using stepper = openStepper(decoder, { device, packing })
    const states = await Promise.all(prompts.map(() => stepper.open()))
    const together = await stepper.extend(
      states.map((state, i) => ({ state, tokens: prompts[i]! })),
      append,
    )
    const next = await stepper.extend(
      states.map((state, i) => ({ state, tokens: [i] })),
      append,
    )
    for (const [i, prompt] of prompts.entries()) {
      const alone = await stepper.open()
      const [first] = await stepper.extend([{ state: alone, tokens: prompt }], append)
      const [second] = await stepper.extend([{ state: alone, tokens: [i] }], append)
      for (const [found, expected] of [
        [together[i]!, first!],
        [next[i]!, second!],
      ] as const)
        expect(
          found.logits.reduce((most, x, j) => Math.max(most, Math.abs(x - expected.logits[j]!)), 0),
          `packing ${packing}, prompt ${i}`,
        ).toBeLessThan(1e-4)
      await stepper.close(alone)
    }
  }
})

it.each(['growing', 'writing'] as const)('hidden states of tapped layers are what those layers give (%s)', async (cache) => {
  const decoder = await decoderOf(3)
  const ids = tokens(7)
  await using whole = openStepper(decoder, { device, cache, taps: [0, 2] })
  const hidden = async (layer: number, slots: 'all' | 'last') => {
    const state = await whole.open()
    const [output] = await whole.extend([{ state, tokens: ids }], { keep: 'append', logits: 'none', hidden: { slots, layer } })
    return output!.hidden!
  }
  const position = { dtype: 'int32' as const, shape: [1, 7], data: Int32Array.from(ids.keys()) }
  const program = compile(
    { ids: int32(1, 7), position: int32(1, 7) },
    ({ ids, position }) => {
      const columns = { group: position, position0: position }
      const slots = { embedded: decoder.backbone.embed(ids, position), position, columns, visibility: causal }
      const { layers } = decoder.backbone.forward(slots)
      return { zero: layers[0]!, two: layers[2]! }
    },
    { device },
  )
  const { zero, two } = await program.run({ ids: Int32Array.from(ids), position })
  for (const [layer, expected] of [
    [0, zero],
    [2, two],
  ] as const) {
    const data = expected.data as Float32Array
    const all = await hidden(layer, 'all')
    expect(all.length).toBe(data.length)
    expect(Math.max(...all.map((x, i) => Math.abs(x - data[i]!)))).toBeLessThan(1e-4)
    expect(await hidden(layer, 'last')).toEqual(all.slice(-sizes.width))
  }
  await expect(hidden(1, 'all')).rejects.toThrow(/tapped: 0, 2/)
  expect(() => openStepper(decoder, { device, taps: [3] })).toThrow(OptionError)
  const [vector] = await embed(whole, [ids], { layer: 2, normalize: false })
  const mean = Array.from(
    { length: sizes.width },
    (_, i) => ids.reduce((sum, _id, t) => sum + (two.data as Float32Array)[t * sizes.width + i]!, 0) / 7,
  )
  expect(Math.max(...vector!.map((x, i) => Math.abs(x - mean[i]!)))).toBeLessThan(1e-4)
  await program.dispose()
})

it('a restoration or a forgetting that fails half-way changes nothing, and keeps no state', async () => {
  const decoder = await decoderOf(2)
  await using whole = openStepper(decoder, { device })
  const saved = await whole.open()
  await whole.extend([{ state: saved, tokens: tokens(9) }], append)
  const bytes = await whole.save(saved)
  let left = Number.POSITIVE_INFINITY
  const failing = new Proxy(device, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      return (...given: unknown[]) => {
        if ((name === 'write' || name === 'run') && left-- <= 0) return Promise.reject(new RuntimeError('out of luck'))
        return (value as (...given: unknown[]) => unknown).apply(target, given)
      }
    },
  })
  await using stepper = openStepper(decoder, { device: failing })
  const state = await stepper.open()
  await stepper.extend([{ state, tokens: tokens(9) }], append)
  left = 3
  await expect(stepper.restore(bytes)).rejects.toThrow('out of luck')
  expect(stepper.memory().states).toBe(1)
  left = 1
  await expect(stepper.forget(state, { start: 2, count: 3 })).rejects.toThrow('out of luck')
  left = Number.POSITIVE_INFINITY
  expect(state.length).toBe(9)
  const [found] = await stepper.extend([{ state, tokens: [3] }], append)
  const [expected] = await whole.extend([{ state: saved, tokens: [3] }], append)
  expect(found!.logits).toEqual(expected!.logits)
})
