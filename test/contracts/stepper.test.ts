import { createRng } from '../../src/base/rng.ts'
import type { StepperState } from '../../src/decode/index.ts'
import { openRecomputeStepper, openStepper } from '../../src/engine/index.ts'
import { initialize } from '../../src/nn/index.ts'
import { openDevice } from '../../src/platform/index.ts'
import { loadSystem } from '../../src/systems/index.ts'
import type { StepperUnderTest } from './stepper-bench.ts'
import { runStepperContract } from './stepper-contract.ts'

const sizes = { vocabularySize: 29, context: 48, width: 24, layers: 2, heads: 4, hidden: 40 }
const models = {
  gpt: { ...sizes, bias: true, head: 'separate' },
  llama: { ...sizes, keyValueHeads: 2, headWidth: 6, normEpsilon: 1e-5, rotaryBase: 10000, head: 'tied' },
}
const makers = { cached: openStepper, recomputing: openRecomputeStepper }

async function open(id: keyof typeof models, kind: keyof typeof makers, worker: boolean): Promise<StepperUnderTest<StepperState>> {
  const device = await openDevice({ threads: 1, worker })
  const network = (await loadSystem(id)).build(models[id])
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

const implementations = (['gpt', 'llama'] as const).flatMap((id) => [
  { id, kind: 'cached' as const, worker: false },
  { id, kind: 'recomputing' as const, worker: false },
])
for (const { id, kind, worker } of [...implementations, { id: 'llama' as const, kind: 'cached' as const, worker: true }]) {
  const name = `${id}, ${kind}, ${worker ? 'worker thread' : 'in process'}`
  console.log(`stepper contract runs over: ${name}`)
  runStepperContract(name, () => open(id, kind, worker))
}
