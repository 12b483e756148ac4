import { describe, expect, it } from 'vitest'
import { ContextError, DataError, NonFiniteError, OptionError } from '../../../src/base/errors.ts'
import { generate } from '../../../src/decode/generate.ts'
import { type ScoreOptions, score } from '../../../src/decode/score.ts'
import { bigramLogits, StubStepper } from './stub-stepper.ts'

describe('score', () => {
  it('has the values of a Markov chain', async () => {
    const transitions = [
      [0.5, 0.5],
      [0.25, 0.75],
    ]
    const stepper = new StubStepper(2, 8, bigramLogits(transitions.map((row) => row.map(Math.log))))
    const { logProbs, total } = await score(stepper, [0, 1, 1, 0])
    const expected = [0.5, 0.75, 0.25].map(Math.log)
    for (const [i, value] of expected.entries()) expect(logProbs[i]).toBeCloseTo(value, 6)
    expect(logProbs.length).toBe(3)
    expect(total).toBeCloseTo(Math.log(0.5 * 0.75 * 0.25), 6)
    expect(stepper.openStates).toBe(0)
  })

  it('equals the log-probabilities of the tokens while they were generated', async () => {
    const stepper = new StubStepper()
    const [tokens, logProbs] = [[1, 2, 3], [] as number[]]
    for await (const { token, logProb } of generate(stepper, tokens.slice(), { temperature: 0.7, topK: 4 })) {
      tokens.push(token)
      logProbs.push(logProb)
    }
    const scored = await score(stepper, tokens, { promptLength: 3 })
    expect([...scored.logProbs]).toEqual(logProbs)
    expect(scored.total).toBe(logProbs.reduce((sum, x) => sum + x, 0))
    expect(tokens.length).toBe(stepper.contextLength + 1)
  })

  it('gives the same numbers in chunks of any size', async () => {
    const tokens = [3, 1, 4, 1, 5, 2, 6, 5, 3]
    const whole = await score(new StubStepper(), tokens, { promptLength: 4 })
    for (let positionsPerCall = 1; positionsPerCall < 10; positionsPerCall++) {
      const stepper = new StubStepper()
      expect(await score(stepper, tokens, { promptLength: 4, positionsPerCall })).toEqual(whole)
      expect(Math.max(...stepper.calls)).toBeLessThanOrEqual(positionsPerCall)
      expect(stepper.calls.reduce((sum, n) => sum + n)).toBe(8)
    }
  })

  it('asks for logits only where it needs them', async () => {
    const stepper = new StubStepper()
    const wanted: string[] = []
    const extend = stepper.extend.bind(stepper)
    stepper.extend = (batch, options) => {
      wanted.push(options.logits)
      return extend(batch, options)
    }
    await score(stepper, [1, 2, 3, 4, 5], { promptLength: 3 })
    expect(wanted).toEqual(['none', 'all'])
    expect(stepper.calls).toEqual([2, 2])
  })

  it('says the likeliest tokens at every scored place', async () => {
    const stepper = new StubStepper()
    const tokens = [1, 2, 3, 4]
    const { topLogProbs, logProbs } = await score(stepper, tokens, { topLogProbs: 8 })
    expect(topLogProbs).toHaveLength(3)
    for (const [i, likeliest] of topLogProbs!.entries()) {
      expect(likeliest.map(({ logProb }) => logProb)).toEqual(likeliest.map(({ logProb }) => logProb).sort((a, b) => b - a))
      expect(likeliest.reduce((sum, { logProb }) => sum + Math.exp(logProb), 0)).toBeCloseTo(1, 9)
      expect(likeliest.find(({ token }) => token === tokens[i + 1])!.logProb).toBe(logProbs[i])
    }
  })

  it('gives −∞ to a token that the model excludes', async () => {
    const stepper = new StubStepper(2, 8, () => [0, Number.NEGATIVE_INFINITY])
    expect((await score(stepper, [0, 1])).total).toBe(Number.NEGATIVE_INFINITY)
  })
})

/** Each option alone changes what happens. */
const effects: { [Name in keyof Required<ScoreOptions>]: ScoreOptions } = {
  promptLength: { promptLength: 2 },
  positionsPerCall: { positionsPerCall: 1 },
  topLogProbs: { topLogProbs: 2 },
  signal: { signal: AbortSignal.abort() },
}

describe('score: options and bad input', () => {
  it.each(Object.entries(effects))('%s changes the outcome', async (_, options) => {
    const outcome = async (given: ScoreOptions) => {
      const stepper = new StubStepper()
      const result = await score(stepper, [1, 2, 3, 4], given).catch((error: unknown) => error)
      return { result, calls: stepper.calls }
    }
    expect(await outcome(options)).not.toEqual(await outcome({}))
  })

  it('is refused before any work', async () => {
    const stepper = new StubStepper(8, 10)
    stepper.open = () => {
      throw new Error('work was begun')
    }
    for (const options of [{ chunk: 1 }, { promptLength: 0 }, { positionsPerCall: 0 }, { signal: 1 }, null] as ScoreOptions[]) {
      await expect(score(stepper, [1, 2], options)).rejects.toThrow(OptionError)
    }
    for (const tokens of [[], [1], [1, 8], [1, -1], [1, 0.5]]) await expect(score(stepper, tokens)).rejects.toThrow(DataError)
    await expect(score(stepper, [1, 2], { promptLength: 2 })).rejects.toThrow(DataError)
    await expect(score(stepper, new Int32Array(12))).rejects.toThrow(ContextError)
  })

  it('frees the state after an error and after an abort', async () => {
    const broken = new StubStepper(8, 32, () => new Float32Array(8).fill(Number.NaN))
    await expect(score(broken, [1, 2])).rejects.toThrow(NonFiniteError)
    expect(broken.openStates).toBe(0)
    const controller = new AbortController()
    const stepper = new StubStepper(8, 32, () => {
      controller.abort(new Error('enough'))
      return new Float32Array(8)
    })
    const scoring = score(stepper, [1, 2, 3, 4, 5], { positionsPerCall: 1, signal: controller.signal })
    await expect(scoring).rejects.toThrow('enough')
    expect(stepper.calls).toEqual([1])
    expect(stepper.openStates).toBe(0)
  })
})
