import fc from 'fast-check'
import type { GeneratedToken, GenerateOptions } from '../../../src/decode/continuation.ts'
import { type StubState, StubStepper } from '../decode/stub-stepper.ts'

/** The stub, with the size of a state. */
export class SizedStepper extends StubStepper {
  bytesOf(state: StubState): number {
    return 16 * state.length
  }
}

export async function collect(tokens: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const collected: GeneratedToken[] = []
  for await (const token of tokens) collected.push(token)
  return collected
}

/** A turn of the event loop. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn()
}

/** Options as requests of all kinds have them; the vocabulary has 8 tokens. */
export const anyOptions: fc.Arbitrary<GenerateOptions> = fc.record(
  {
    maxTokens: fc.integer({ min: 1, max: 12 }),
    temperature: fc.constantFrom(0, 0.7, 1.3),
    topK: fc.integer({ min: 1, max: 8 }),
    repetitionPenalty: fc.constant(1.3),
    seed: fc.nat(1000),
    stopTokens: fc.array(fc.nat(7), { maxLength: 1 }),
    topLogProbs: fc.integer({ min: 1, max: 3 }),
  },
  { requiredKeys: ['maxTokens'] },
)

/** Many begin alike, so that a cache has something to find. */
export const anyPrompt = fc
  .tuple(fc.constantFrom([], [1, 2, 3, 4, 5], [1, 2, 3, 0, 0, 0, 7]), fc.array(fc.nat(7), { minLength: 1, maxLength: 12 }))
  .map(([start, rest]) => [...start, ...rest])
