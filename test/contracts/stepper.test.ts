import { expect } from 'vitest'
import { createRng } from '../../src/base/rng.ts'
import { and, role, sameSegment } from '../../src/base/visibility.ts'
import type { StepperState } from '../../src/decode/index.ts'
import { type OwnedStepper, openRecomputeStepper, openStepper, type StepperOptions } from '../../src/engine/index.ts'
import { tiedHead } from '../../src/heads/index.ts'
import { initialize, rmsNorm, rotary, sliding, swiglu, Transformer } from '../../src/nn/index.ts'
import { type DeviceOptions, openDevice } from '../../src/platform/index.ts'
import { type LanguageModel, loadSystem, systemIds } from '../../src/systems/index.ts'
import { smallOptions } from './small-options.ts'
import type { StepperUnderTest } from './stepper-bench.ts'
import { runStepperContract } from './stepper-contract.ts'

const sizes = { vocabularySize: 29, context: 48, width: 32, layers: 2 }
const common = { ...sizes, heads: 4, hidden: 40 }
const llamaOptions = { keyValueHeads: 2, headWidth: 8, normEpsilon: 1e-5, rotaryBase: 10000, head: 'tied' }

const models: Readonly<Record<string, () => Promise<LanguageModel>>> = {
  gpt: async () => (await loadSystem('gpt')).build({ ...common, bias: true, head: 'separate' }),
  llama: async () => (await loadSystem('llama')).build({ ...common, ...llamaOptions }),
  'layers of different shapes, one sliding': async () => {
    const model = new Transformer({
      ...sizes,
      attention: (layer) =>
        layer === 0
          ? { heads: 4, keyValueHeads: 1, headWidth: 8, narrow: sliding(5) }
          : { heads: 2, headWidth: 16, narrow: and(role('key', 'clean'), sameSegment) },
      mlp: swiglu(40),
      norm: rmsNorm(),
      positions: rotary(),
    })
    return { model, lm_head: tiedHead(model.embed_tokens) }
  },
}
type Make = (decoder: Parameters<typeof openStepper>[0], options: StepperOptions) => OwnedStepper
const makers: Readonly<Record<string, Make>> = {
  'writing cache': (decoder, options) => openStepper(decoder, { ...options, cache: 'writing' }),
  'growing cache': (decoder, options) => openStepper(decoder, { ...options, cache: 'growing' }),
  'growing cache, packing': (decoder, options) => openStepper(decoder, { ...options, cache: 'growing', packing: 512 }),
  'writing cache, packing': (decoder, options) => openStepper(decoder, { ...options, cache: 'writing', packing: 20 }),
  recomputing: openRecomputeStepper,
  'as it comes': openStepper,
}

async function smallModel(id: string, more: object = {}): Promise<LanguageModel> {
  const system = await loadSystem(id)
  return system.build({ ...smallOptions(system, sizes.vocabularySize), ...more })
}

/** Every family of published models, and one whose heads no kernel takes. */
const families = {
  ...Object.fromEntries(systemIds.map((id) => [`small ${id}`, () => smallModel(id)])),
  'small llama, heads of 6': () => smallModel('llama', { headWidth: 6 }),
}

const drivers = {
  'C API': { driver: 'onnxruntime-c' },
  'binding, in process': { driver: 'onnxruntime-node', worker: false },
  'binding, worker thread': { driver: 'onnxruntime-node', worker: true },
} as const satisfies Record<string, DeviceOptions>
type Driver = keyof typeof drivers

interface Way {
  readonly id: string
  readonly kind: string
  readonly driver: Driver
}

async function open({ id, kind, driver }: Way): Promise<StepperUnderTest<StepperState>> {
  const device = await openDevice({ threads: 1, ...drivers[driver] })
  expect(device.info).toMatchObject({ worker: false, ...drivers[driver] })
  const network = await { ...models, ...families }[id]!()
  await initialize(network, createRng(3))
  const stepper = makers[kind]!({ backbone: network.model, head: network.lm_head }, { device })
  return {
    stepper,
    memory: () => stepper.memory().states,
    dispose: async () => {
      await stepper[Symbol.asyncDispose]()
      await device[Symbol.asyncDispose]()
    },
  }
}

const ways: readonly Way[] = [
  ...Object.keys(models).flatMap((id) => Object.keys(makers).map((kind) => ({ id, kind, driver: 'C API' as const }))),
  ...Object.keys(families).map((id) => ({ id, kind: 'as it comes', driver: 'C API' as const })),
  ...['writing cache', 'growing cache', 'recomputing'].map((kind) => ({
    id: 'llama',
    kind,
    driver: 'binding, in process' as const,
  })),
  ...['writing cache', 'growing cache'].map((kind) => ({ id: 'llama', kind, driver: 'binding, worker thread' as const })),
  ...Object.keys(families).map((id) => ({ id, kind: 'as it comes', driver: 'binding, in process' as const })),
]
for (const way of ways) {
  const name = `${way.id}, ${way.kind}, ${way.driver}`
  console.log(`stepper contract runs over: ${name}; no skips`)
  runStepperContract(name, () => open(way))
}
