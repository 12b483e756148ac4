import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { memorySource } from '../../../src/base/byte-source.ts'
import { FormatError, NextxError, OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { openRecurrentStepper } from '../../../src/engine/index.ts'
import { readRwkvCpp } from '../../../src/formats/index.ts'
import { initialize, Rwkv7 } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { loadRwkv7 } from '../../../src/systems/index.ts'
import { decoderOf } from '../../../src/systems/rwkv7-model.ts'
import { runStepperContract } from '../../contracts/stepper-contract.ts'

const folder = ['data', process.env.NEXTX_DATA ?? ''].map((place) => join(place, 'models/rwkv-tiny-bytes')).find(existsSync)
const model = folder === undefined ? undefined : join(folder, 'tiny-rwkv-7v0-834K-FP32.bin')
if (model === undefined) console.log('rwkv7: the published model is neither in data/ nor under NEXTX_DATA; its tests are skipped')

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

describe.skipIf(model === undefined)('the published tiny RWKV-7', () => {
  it('gives the logits that rwkv.cpp published, however the prompt is cut', async () => {
    await using loaded = await loadRwkv7(model!, { device })
    const bytes = readFileSync(join(folder!, 'expected-logits-7v0-834K.bin'))
    const logits = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
    for (const cut of [[[0x22, 0x69, 0x6e]], [[0x22], [0x69, 0x6e]]]) {
      const state = await loaded.stepper.open()
      let last = new Float32Array()
      for (const tokens of cut)
        last = (await loaded.stepper.extend([{ state, tokens }], { keep: 'append', logits: 'last' }))[0]!
          .logits as Float32Array<ArrayBuffer>
      expect(last.length).toBe(256)
      expect(Math.max(...last.map((x, i) => Math.abs(x - logits[i]!)))).toBeLessThan(1e-4)
    }
  })

  it('is refused when it is cut short or damaged, and never crashes', async () => {
    const bytes = readFileSync(model!)
    for (const length of [0, 10, 24, 30, 40, 1000, bytes.length - 1])
      await expect(readRwkvCpp(memorySource(bytes.subarray(0, length), 'cut')), `${length} bytes`).rejects.toThrow(FormatError)
    const random = createRng(3)
    for (let i = 0; i < 300; i++) {
      const damaged = Buffer.from(bytes.subarray(0, 3000))
      damaged[random.integerAt(2 * i, 200)] = random.integerAt(2 * i + 1, 256)
      await readRwkvCpp(memorySource(damaged, 'damaged')).catch((error) => expect(error).toBeInstanceOf(NextxError))
    }
  })
})

const noRewind = 'a recurrent state cannot go back'
runStepperContract(
  'rwkv7, a state of fixed size',
  async () => {
    const own = await openDevice({ worker: false, threads: 1 })
    const network = new Rwkv7({
      vocabularySize: 29,
      width: 16,
      layers: 2,
      heads: 2,
      hidden: 24,
      ranks: { decay: 4, rate: 3, value: 2, gate: 5 },
    })
    await initialize(network, createRng(3))
    const stepper = openRecurrentStepper(decoderOf(network, 48), { device: own })
    return {
      stepper,
      memory: () => stepper.memory().states,
      dispose: async () => {
        await stepper[Symbol.asyncDispose]()
        await own[Symbol.asyncDispose]()
      },
    }
  },
  {
    skip: {
      'fork then rewind never happened': noRewind,
      'rewind forgets': noRewind,
      'every change of the state drops scratch': noRewind,
      'a full context is usable, one position more is refused': noRewind,
    },
  },
)

it('a recurrent stepper rewinds to nothing, stays where it is, and refuses the rest', async () => {
  const network = new Rwkv7({
    vocabularySize: 29,
    width: 16,
    layers: 1,
    heads: 2,
    hidden: 24,
    ranks: { decay: 4, rate: 3, value: 2, gate: 5 },
  })
  await initialize(network, createRng(3))
  await using stepper = openRecurrentStepper(decoderOf(network, 48), { device })
  expect(stepper.canRewind).toBe(false)
  const state = await stepper.open()
  const feed = async (tokens: number[]) =>
    (await stepper.extend([{ state, tokens }], { keep: 'append', logits: 'last' }))[0]!.logits
  const first = await feed([1, 2, 3])
  await stepper.rewind(state, 3)
  await expect(stepper.rewind(state, 2)).rejects.toThrow(OptionError)
  await stepper.rewind(state, 0)
  expect(await feed([1, 2, 3])).toEqual(first)
  const restored = await stepper.restore(await stepper.save(state))
  const [a, b] = await stepper.extend(
    [state, restored].map((each) => ({ state: each, tokens: [4] })),
    { keep: 'append', logits: 'last' },
  )
  expect(a!.logits).toEqual(b!.logits)
})
