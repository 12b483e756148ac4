import { createRng } from '../../src/base/rng.ts'
import { and, role, sameSegment } from '../../src/base/visibility.ts'
import type { StepperState } from '../../src/decode/index.ts'
import { openRecomputeStepper, openStepper } from '../../src/engine/index.ts'
import { tiedHead } from '../../src/heads/index.ts'
import { initialize, rmsNorm, rotary, sliding, swiglu, Transformer } from '../../src/nn/index.ts'
import { openDevice } from '../../src/platform/index.ts'
import { type LanguageModel, loadSystem } from '../../src/systems/index.ts'
import type { StepperUnderTest } from './stepper-bench.ts'
import { runStepperContract } from './stepper-contract.ts'

const sizes = { vocabularySize: 29, context: 48, width: 24, layers: 2 }
const common = { ...sizes, heads: 4, hidden: 40 }
const llamaOptions = { keyValueHeads: 2, headWidth: 6, normEpsilon: 1e-5, rotaryBase: 10000, head: 'tied' }

const models: Readonly<Record<string, () => Promise<LanguageModel>>> = {
  gpt: async () => (await loadSystem('gpt')).build({ ...common, bias: true, head: 'separate' }),
  llama: async () => (await loadSystem('llama')).build({ ...common, ...llamaOptions }),
  'layers of different shapes, one sliding': async () => {
    const model = new Transformer({
      ...sizes,
      attention: (layer) =>
        layer === 0
          ? { heads: 4, keyValueHeads: 1, narrow: sliding(5) }
          : { heads: 2, headWidth: 8, narrow: and(role('key', 'clean'), sameSegment) },
      mlp: swiglu(40),
      norm: rmsNorm(),
      positions: rotary(),
    })
    return { model, lm_head: tiedHead(model.embed_tokens) }
  },
}
const makers = { cached: openStepper, recomputing: openRecomputeStepper }

async function open(id: string, kind: keyof typeof makers, worker: boolean): Promise<StepperUnderTest<StepperState>> {
  const device = await openDevice({ threads: 1, worker })
  const network = await models[id]!()
  await initialize(network, createRng(3))
  const stepper = makers[kind]({ backbone: network.model, head: network.lm_head }, { device })
  return {
    stepper,
    memory: () => stepper.memory().states,
    dispose: async () => {
      await stepper[Symbol.asyncDispose]()
      await device[Symbol.asyncDispose]()
    },
  }
}

const inProcess = Object.keys(models).flatMap((id) => [
  { id, kind: 'cached' as const, worker: false },
  { id, kind: 'recomputing' as const, worker: false },
])
for (const { id, kind, worker } of [...inProcess, { id: 'llama', kind: 'cached' as const, worker: true }]) {
  const name = `${id}, ${kind}, ${worker ? 'worker thread' : 'in process'}`
  console.log(`stepper contract runs over: ${name}; no skips`)
  runStepperContract(name, () => open(id, kind, worker))
}
