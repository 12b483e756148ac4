import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { StepperState } from '../../src/decode/stepper.ts'
import { StepperBench, type StepperUnderTest } from './stepper-bench.ts'
import { type StepperCase, stepperCases } from './stepper-cases.ts'

export interface StepperContractOptions {
  /** Cases that this implementation does not pass, each with the reason, which is printed. */
  readonly skip?: Partial<Record<StepperCase, string>>
  /** Largest accepted difference of two logits that should be equal. Default 1e-4. */
  readonly tolerance?: number
}

/**
 * Registers the tests that every stepper must pass.
 * @example
 * runStepperContract('llama, key-value cache', async () => ({ stepper: await load(…), dispose: () => device[Symbol.asyncDispose]() }))
 */
export function runStepperContract<State extends StepperState>(
  name: string,
  makeStepper: () => StepperUnderTest<State> | Promise<StepperUnderTest<State>>,
  { skip = {}, tolerance = 1e-4 }: StepperContractOptions = {},
): void {
  describe(`stepper contract: ${name}`, () => {
    let bench: StepperBench<State>
    beforeAll(async () => {
      bench = new StepperBench(await makeStepper(), tolerance)
      expect(bench.stepper.contextLength, 'positions that the contract needs').toBeGreaterThanOrEqual(24)
      if (bench.subject.memory === undefined)
        console.info(`stepper contract: ${name}: memory is not checked, the subject has no memory()`)
    })
    afterEach(() => bench.closeAll())
    afterAll(async () => {
      await bench?.subject.dispose?.()
    })

    for (const [title, run] of Object.entries(stepperCases)) {
      const reason = skip[title as StepperCase]
      if (reason === undefined) it(title, () => run(bench))
      else {
        console.info(`stepper contract: ${name}: skipped “${title}”: ${reason}`)
        it.skip(`${title} (skipped: ${reason})`)
      }
    }
  })
}
