import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ContextError, DataError, OptionError, RuntimeError } from '../../../src/base/errors.ts'
import { type EmbedOptions, embed, embedTexts } from '../../../src/engine/index.ts'
import { byteTokenizer } from '../decode/byte-tokenizer.ts'
import { hashedLogits, StubStepper } from '../decode/stub-stepper.ts'

/** The stub's hidden states are the first two logits. */
function hiddenOf(tokens: readonly number[]): number[] {
  return [...Float32Array.from(Array.from(hashedLogits(8)(tokens)).slice(0, 2))]
}

function byHand(tokens: readonly number[], pooling: 'mean' | 'last', normalize: boolean): number[] {
  const states = tokens.map((_, i) => hiddenOf(tokens.slice(0, i + 1)))
  const pooled = pooling === 'last' ? states.at(-1)! : [0, 1].map((j) => states.reduce((sum, h) => sum + h[j]!, 0) / states.length)
  return normalize ? pooled.map((x) => x / Math.hypot(...pooled)) : pooled
}

const sequence = fc.array(fc.nat(7), { minLength: 1, maxLength: 12 })

describe('embed', () => {
  it('pools the hidden states of each sequence, whatever the batching', async () => {
    const options = fc.record({
      pooling: fc.constantFrom('mean' as const, 'last' as const),
      normalize: fc.boolean(),
      batching: fc.constantFrom('padded' as const, 'bucketed' as const, 'packed' as const),
      positionsPerCall: fc.integer({ min: 1, max: 60 }),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(sequence, { maxLength: 8 }), options, async (sequences, given) => {
        const stepper = new StubStepper(8, 12)
        const vectors = await embed(stepper, sequences, given)
        expect(vectors.length).toBe(sequences.length)
        for (const [i, tokens] of sequences.entries())
          byHand(tokens, given.pooling, given.normalize).forEach((x, j) => {
            expect(vectors[i]![j]).toBeCloseTo(x, 5)
          })
        expect(stepper.openStates).toBe(0)
      }),
      { seed: 4, numRuns: 200 },
    )
  })

  it('bounds calls, sorts into buckets and packs rows', async () => {
    const sequences = [9, 2, 8, 3, 7, 1].map((length) => new Array<number>(length).fill(1))
    const rowsOf = async (options: EmbedOptions) => {
      const stepper = new StubStepper(8, 12)
      const calls: number[][] = []
      const { extend } = stepper
      stepper.extend = (batch, given) => {
        calls.push(batch.map(({ tokens }) => tokens.length))
        return extend.call(stepper, batch, given)
      }
      await embed(stepper, sequences, { positionsPerCall: 18, ...options })
      return calls
    }
    expect(await rowsOf({ batching: 'padded' })).toEqual([
      [9, 2],
      [8, 3],
      [7, 1],
    ])
    expect(await rowsOf({})).toEqual([[1, 2, 3], [7, 8], [9]])
    expect(await rowsOf({ batching: 'packed' })).toEqual([
      [9, 9],
      [9, 3],
    ])
  })

  it('embeds texts after the start token', async () => {
    const stepper = new StubStepper(258, 12)
    const [a] = await embedTexts(stepper, byteTokenizer, ['hi'], { normalize: false, pooling: 'last' })
    const [b] = await embed(stepper, [[256, ...Buffer.from('hi')]], { normalize: false, pooling: 'last' })
    expect(a).toEqual(b)
  })

  it('leaves zeros as they are', async () => {
    const stepper = new StubStepper(8, 12, () => new Array(8).fill(0))
    expect(await embed(stepper, [[1, 2]])).toEqual([new Float32Array(2)])
  })

  it('refuses bad input before any work, and frees its states when a call fails', async () => {
    const stepper = new StubStepper(8, 12)
    const of = (value: unknown) => value as EmbedOptions
    for (const options of [
      { pooling: 'max' },
      { batching: 'flat' },
      { normalize: 1 },
      { positionsPerCall: 0 },
      { layer: 1 },
      { signal: 1 },
    ])
      await expect(embed(stepper, [[1]], of(options))).rejects.toThrow(OptionError)
    await expect(embed(stepper, [[1], []])).rejects.toThrow(DataError)
    await expect(embed(stepper, [[8]])).rejects.toThrow(DataError)
    await expect(embed(stepper, [new Array(13).fill(1)])).rejects.toThrow(ContextError)
    await expect(embed(stepper, [[1]], { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
    expect(stepper.calls).toEqual([])
    stepper.extend = async () => [{ logits: new Float32Array(8) }]
    await expect(embed(stepper, [[1]])).rejects.toThrow(RuntimeError)
    expect(stepper.openStates).toBe(0)
  })
})
