import { afterEach, describe, expect, it } from 'vitest'
import type { ExtendOptions, Extension, Outputs } from '../../../src/decode/stepper.ts'
import { StepperBench } from '../../contracts/stepper-bench.ts'
import { type StepperCase, stepperCases } from '../../contracts/stepper-cases.ts'
import { runStepperContract } from '../../contracts/stepper-contract.ts'
import { type StubState, StubStepper } from './stub-stepper.ts'

runStepperContract('stub', () => {
  const stepper = new StubStepper()
  return { stepper, memory: () => stepper.openStates }
})

class NoisyStepper extends StubStepper {
  override async extend(batch: readonly Extension<StubState>[], options: ExtendOptions): Promise<Outputs[]> {
    const outputs = await super.extend(batch, options)
    return outputs.map((output) => ({ ...output, logits: output.logits.map((x) => x + 1e-3 * batch.length) }))
  }
}

class FlatTreeStepper extends StubStepper {
  override async extend(batch: readonly Extension<StubState>[], options: ExtendOptions): Promise<Outputs[]> {
    await super.extend(batch, options)
    const chains = batch.map(({ state, tokens }) => ({ state, tokens }))
    return super.extend(chains, options.keep === 'append' ? { ...options, keep: 'scratch' } : options)
  }
}

class ForgetfulCommitStepper extends StubStepper {
  override async commit(state: StubState, slots: readonly number[]): Promise<void> {
    const { scratch } = state
    await super.commit(state, slots.slice(0, 1))
    state.scratch = scratch
  }
}

class SharedForkStepper extends StubStepper {
  override async fork(state: StubState, count: number): Promise<StubState[]> {
    return Array.from({ length: count }, () => state)
  }
}

class KeepingScratchStepper extends StubStepper {
  override async extend(batch: readonly Extension<StubState>[], options: ExtendOptions): Promise<Outputs[]> {
    const outputs = await super.extend(batch, options)
    for (const { state } of batch) if (state.scratch.length > 0) state.tokens = state.scratch[0]!.path
    return outputs
  }
}

class LeakyStepper extends StubStepper {
  override async close(): Promise<void> {}
}

class DeafStepper extends StubStepper {
  override extend(batch: readonly Extension<StubState>[], { keep, logits, hidden = false }: ExtendOptions): Promise<Outputs[]> {
    return super.extend(batch, { keep, logits, hidden })
  }
}

class HalfwayStepper extends StubStepper {
  override async extend(batch: readonly Extension<StubState>[], options: ExtendOptions): Promise<Outputs[]> {
    const outputs: Outputs[] = []
    for (const row of batch) outputs.push(...(await super.extend([row], options)))
    return outputs
  }
}

class ReusingStepper extends StubStepper {
  readonly #buffer = new Float32Array(4096)
  override async extend(batch: readonly Extension<StubState>[], options: ExtendOptions): Promise<Outputs[]> {
    const outputs = await super.extend(batch, options)
    if (outputs.length !== 1) return outputs
    const [{ logits, ...others }] = outputs as [Outputs]
    this.#buffer.set(logits)
    return [{ ...others, logits: this.#buffer.subarray(0, logits.length) }]
  }
}

describe('the contract catches', () => {
  let bench: StepperBench<StubState>
  afterEach(() => bench.closeAll())

  const broken: { what: string; make: () => StubStepper; fails: StepperCase[] }[] = [
    {
      what: 'company that changes numbers',
      make: () => new NoisyStepper(),
      fails: ['a batch of equal rows equals one row', 'a ragged batch equals each row alone'],
    },
    { what: 'trees read as chains', make: () => new FlatTreeStepper(), fails: ['siblings of a tree do not see one another'] },
    {
      what: 'a stepper that appends nothing',
      make: () => new FlatTreeStepper(),
      fails: ['cached equals uncached', 'many tokens at once equal one by one', 'chunks equal the whole'],
    },
    {
      what: 'a commit that loses slots',
      make: () => new ForgetfulCommitStepper(),
      fails: ['commit of a path equals append of that path', 'commit of the beginning of a chain keeps that'],
    },
    {
      what: 'a commit that keeps the scratch',
      make: () => new ForgetfulCommitStepper(),
      fails: ['every change of the state drops scratch'],
    },
    {
      what: 'forks that share',
      make: () => new SharedForkStepper(),
      fails: ['forks are copies that go their own ways', 'fork then rewind never happened', 'a fork outlives its original'],
    },
    {
      what: 'scratch that stays',
      make: () => new KeepingScratchStepper(),
      fails: ['scratch leaves no trace', 'a fork taken from a state with scratch holds committed slots only'],
    },
    {
      what: 'states that are never freed',
      make: () => new LeakyStepper(),
      fails: [
        'closing frees the memory',
        'a closed state is refused everywhere, closing twice is allowed',
        'a closed row stops its batch before anything changes',
      ],
    },
    { what: 'a signal unheard', make: () => new DeafStepper(), fails: ['an aborted call changes nothing'] },
    { what: 'a refusal half-way', make: () => new HalfwayStepper(), fails: ['too long an extension changes nothing, in no row'] },
    { what: 'a reused output buffer', make: () => new ReusingStepper(), fails: ['earlier outputs are not overwritten'] },
  ]
  it.each(broken.flatMap(({ what, make, fails }) => fails.map((title) => ({ what, make, title }))))(
    '$what: $title',
    async ({ make, title }) => {
      const stepper = make()
      bench = new StepperBench({ stepper, memory: () => stepper.openStates }, 1e-4)
      await expect(stepperCases[title](bench)).rejects.toThrow()
    },
  )
})
