import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DisposedError, OptionError, RuntimeError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import type { ExtendOptions } from '../../../src/decode/stepper.ts'
import { type OwnedStepper, openRecomputeStepper, openStepper } from '../../../src/engine/index.ts'
import { tiedHead } from '../../../src/heads/index.ts'
import {
  gatedMlp,
  gelu,
  initialize,
  layerNorm,
  learned,
  normal,
  parallel,
  rmsNorm,
  rotary,
  sandwich,
  sliding,
  swiglu,
  Transformer,
  unplaced,
  yarn,
} from '../../../src/nn/index.ts'
import { teacherForced } from '../../../src/objectives/likelihood.ts'
import { raster } from '../../../src/orders/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, geluTanh, int32 } from '../../../src/tensor/index.ts'

const sizes = { vocabularySize: 23, context: 40, width: 32, layers: 3 }
const backbones = {
  'learned positions, layer norms': () =>
    new Transformer({ ...sizes, attention: { heads: 2 }, mlp: gelu(24), norm: layerNorm(), positions: learned() }),
  'rotary positions, grouped queries': () =>
    new Transformer({ ...sizes, attention: { heads: 4, keyValueHeads: 2 }, mlp: swiglu(24), norm: rmsNorm(), positions: rotary() }),
  'layers that differ in heads and in how far they see': () =>
    new Transformer({
      ...sizes,
      attention: (layer) =>
        [
          { heads: 4, keyValueHeads: 1, narrow: sliding(3) },
          { heads: 2, headWidth: 16 },
          { heads: 4, narrow: sliding(9) },
        ][layer]!,
      mlp: swiglu(24),
      norm: rmsNorm(),
      positions: rotary(),
    }),
  'normed, capped, sunk, partly rotated, sandwiched': () =>
    new Transformer({
      ...sizes,
      attention: (layer) => ({
        heads: 4,
        keyValueHeads: 2,
        scale: 2,
        softCap: 1.5,
        queryKeyNorm: rmsNorm({ offset: 1 }),
        ...(layer > 0 && { sinks: normal(1) }),
        ...(layer === 1 && { narrow: sliding(5), positions: unplaced() }),
      }),
      mlp: gatedMlp(24, geluTanh, { bias: normal(0.1) }),
      norm: rmsNorm({ offset: 1 }),
      positions: rotary({ base: 100, share: 0.5, scaling: yarn({ factor: 4, original: 10 }) }),
      residual: sandwich,
      embeddingScale: 3,
    }),
  'attention beside the MLP': () =>
    new Transformer({
      ...sizes,
      attention: { heads: 2 },
      mlp: gelu(24),
      norm: layerNorm(),
      positions: rotary(),
      residual: parallel,
      bias: normal(0.1),
    }),
}

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 2 })
})
afterAll(() => device[Symbol.asyncDispose]())

async function decoderOf(make: () => Transformer) {
  const backbone = make()
  await initialize(backbone, createRng(2))
  return { backbone, head: tiedHead(backbone.embed_tokens) }
}

const tokens = (count: number, label = 'tokens') =>
  Array.from({ length: count }, (_, i) => createRng(5).fold(label).integerAt(i, sizes.vocabularySize))

async function extend(stepper: OwnedStepper, state: Awaited<ReturnType<OwnedStepper['open']>>, ids: readonly number[]) {
  const [output] = await stepper.extend([{ state, tokens: ids }], { keep: 'append', logits: 'all' })
  return Array.from(output!.logits)
}

describe.each(Object.entries(backbones))('%s', (_name, make) => {
  it('a teacher-forced pass equals steps through a cache, however the tokens are cut', async () => {
    const decoder = await decoderOf(make)
    const ids = tokens(sizes.context)
    const plan = raster().plan({ parts: [{ shape: [ids.length] }] })
    const forced = compile(
      { ids: int32(1, ids.length) },
      ({ ids }) => ({ logits: decoder.head.logits(teacherForced(decoder, plan, ids)) }),
      { device },
    )
    const expected = (await forced.run({ ids: Int32Array.from(ids) })).logits.data as Float32Array
    await using stepper = openStepper(decoder, { device })
    for (const cuts of [[1, 2, 3, 7, 8, 20, 40], [40], Array.from({ length: 40 }, (_, i) => i + 1)]) {
      const state = await stepper.open()
      const logits: number[] = []
      for (const end of cuts) logits.push(...(await extend(stepper, state, ids.slice(state.length, end))))
      const worst = logits.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i]!)), 0)
      expect(logits.length).toBe(expected.length)
      expect(worst, `cuts at ${cuts}`).toBeLessThan(2e-5)
      await stepper.close(state)
    }
    await forced.dispose()
  })
})

/** The device, with something happening at a run: after `calm` runs, `act` is called before each. */
function disturbed(calm: number, act: () => void): Device {
  let left = calm
  return new Proxy(device, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      return (...given: unknown[]) => {
        if (name === 'run' && left-- <= 0) act()
        return (value as (...given: unknown[]) => unknown).apply(target, given)
      }
    },
  })
}

describe('a batch of several slots behind pasts, which takes a growing cache several runs', () => {
  /** Two states with a gap between their rows, of three and five tokens. */
  async function withGap(stepper: OwnedStepper) {
    const [a, between, b] = [await stepper.open(), await stepper.open(), await stepper.open()]
    await extend(stepper, a, tokens(3, 'a'))
    await extend(stepper, b, tokens(5, 'b'))
    await stepper.close(between)
    return [a, b] as const
  }
  const batchOf = (states: readonly Awaited<ReturnType<OwnedStepper['open']>>[]) =>
    states.map((state) => ({ state, tokens: tokens(2, 'more') }))

  it('changes nothing when it is aborted between two of them', async () => {
    const decoder = await decoderOf(backbones['rotary positions, grouped queries'])
    const controller = new AbortController()
    await using stepper = openStepper(decoder, { device: disturbed(3, () => controller.abort()), cache: 'growing' })
    const [a, b] = await withGap(stepper)
    const options = { keep: 'append', logits: 'last', signal: controller.signal } as const
    await expect(stepper.extend(batchOf([a, b]), options)).rejects.toThrow(/aborted/)
    expect([a.length, b.length]).toEqual([3, 5])
    await using fresh = openStepper(decoder, { device })
    const again = await fresh.open()
    const [more] = await stepper.extend(batchOf([a]), { keep: 'append', logits: 'last' })
    const expected = (await extend(fresh, again, [...tokens(3, 'a'), ...tokens(2, 'more')])).slice(-sizes.vocabularySize)
    for (const [i, x] of expected.entries()) expect(more!.logits[i]).toBeCloseTo(x, 4)
  })

  it('changes nothing when the second run fails, but for older scratch, which is dropped', async () => {
    const decoder = await decoderOf(backbones['rotary positions, grouped queries'])
    const failing = disturbed(4, () => {
      throw new RuntimeError('out of luck')
    })
    await using stepper = openStepper(decoder, { device: failing, cache: 'growing' })
    const [a, b] = await withGap(stepper)
    await stepper.extend([{ state: a, tokens: [1, 2] }], { keep: 'scratch', logits: 'none' })
    await expect(stepper.extend(batchOf([a, b]), { keep: 'append', logits: 'last' })).rejects.toThrow('out of luck')
    expect([a.length, b.length]).toEqual([3, 5])
    await expect(stepper.commit(a, [0])).rejects.toThrow(/no scratch slots/)
  })
})

describe.each([
  ['cached', openStepper],
  ['recomputing', openRecomputeStepper],
])('a %s stepper', (_name, openOne) => {
  const fresh = async () => openOne(await decoderOf(backbones['learned positions, layer norms']), { device })

  it('refuses states of another stepper', async () => {
    await using one = await fresh()
    await using two = await fresh()
    const state = await one.open()
    await expect(extend(two, state, [1])).rejects.toThrow(/the state is of another stepper/)
    for (const act of [() => two.rewind(state, 0), () => two.fork(state, 1), () => two.commit(state, []), () => two.close(state)])
      await expect(act()).rejects.toThrow(OptionError)
    await expect(extend(one, {} as never, [1])).rejects.toThrow(OptionError)
    expect((await extend(one, state, [1])).length).toBe(sizes.vocabularySize)
  })

  it('refuses unknown options', async () => {
    await using stepper = await fresh()
    const state = await stepper.open()
    const call = (options: object) => stepper.extend([{ state, tokens: [1] }], options as ExtendOptions)
    for (const options of [
      { keep: 'append', logits: 'first' },
      { keep: 'some', logits: 'last' },
      { logits: 'last' },
      { keep: 'append', logits: 'last', hiden: true },
    ])
      await expect(call(options), JSON.stringify(options)).rejects.toThrow(OptionError)
    expect(state.length).toBe(0)
    const decoder = await decoderOf(backbones['learned positions, layer norms'])
    expect(() => openOne(decoder, { device, freeze: true } as never)).toThrow(OptionError)
    expect(() => openOne(decoder, {} as never)).toThrow(OptionError)
  })

  it.each([[[undefined]], [['1']], [[null]], [[1n]]])('refuses tokens %o', async (strange) => {
    await using stepper = await fresh()
    const state = await stepper.open()
    await expect(extend(stepper, state, strange as never)).rejects.toThrow(OptionError)
    expect(state.length).toBe(0)
  })

  it('is of no use after disposal, and frees all that it held', async () => {
    const before = await device.memory()
    const decoder = await decoderOf(backbones['learned positions, layer norms'])
    const stepper = openOne(decoder, { device })
    const state = await stepper.open()
    await extend(stepper, state, [1, 2])
    await stepper[Symbol.asyncDispose]()
    await stepper[Symbol.asyncDispose]()
    for (const act of [
      () => stepper.open(),
      () => extend(stepper, state, [1]),
      () => stepper.rewind(state, 0),
      () => stepper.fork(state, 1),
      () => stepper.commit(state, []),
    ])
      await expect(act()).rejects.toThrow(DisposedError)
    await stepper.close(state)
    const after = await device.memory()
    expect(after.sessions).toBe(before.sessions)
    expect(after.bytes).toBe(before.bytes)
  })
})
