import { describe, expect, it } from 'vitest'
import { ContextError, DataError, NonFiniteError, OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import type { GeneratedToken, GenerateOptions } from '../../../src/decode/continuation.ts'
import { generate } from '../../../src/decode/generate.ts'
import { applyRules, type LogitsRule, logSoftmax } from '../../../src/decode/logits.ts'
import { logitsRules } from '../../../src/decode/pipeline.ts'
import { sampleToken } from '../../../src/decode/sample.ts'
import type { ExtendOptions, Extension, Outputs } from '../../../src/decode/stepper.ts'
import { temperature } from '../../../src/decode/truncation.ts'
import { chiSquare, chiSquareLimit } from '../rng-statistics.ts'
import { loops, StubConstraint } from './stub-constraint.ts'
import { bigramLogits, hashedLogits, type StubState, StubStepper } from './stub-stepper.ts'

async function collect(
  options: GenerateOptions = {},
  { stepper = new StubStepper(), prompt = [1, 2, 3] } = {},
): Promise<GeneratedToken[]> {
  const generated: GeneratedToken[] = []
  for await (const token of generate(stepper, prompt, options)) generated.push(token)
  return generated
}
const tokensOf = (generated: readonly GeneratedToken[]) => generated.map(({ token }) => token)

describe('generate', () => {
  it('equals sampling by hand', async () => {
    const options = { maxTokens: 12, temperature: 0.8, topK: 5, repetitionPenalty: 1.2, seed: 5 }
    const logitsOf = hashedLogits(8)
    const tokens = [1, 2, 3]
    const expected: GeneratedToken[] = []
    for (let index = 0; index < 12; index++) {
      const logits = Float32Array.from(logitsOf(tokens))
      const processed = applyRules(logitsRules(options), logits, { tokens, promptLength: 3 })
      const token = sampleToken(processed, createRng(5).fold('sample').uniformAt(index))
      expected.push({ index, token, logProb: logSoftmax(logits)[token]!, ...(index === 11 && { finish: 'length' as const }) })
      tokens.push(token)
    }
    expect(await collect(options)).toEqual(expected)
  })

  it('takes the likeliest token at temperature 0, of what the rules leave', async () => {
    const table = [
      [0, 3, 1],
      [2, 0, 5],
      [9, 0, 8],
    ]
    const stepper = new StubStepper(3, 16, bigramLogits(table))
    expect(tokensOf(await collect({ temperature: 0, maxTokens: 4 }, { stepper, prompt: [0] }))).toEqual([1, 2, 0, 1])
    const options = { temperature: 0, maxTokens: 4, noRepeatNgram: 2 }
    expect(tokensOf(await collect(options, { stepper, prompt: [0] }))).toEqual([1, 2, 0, 2])
  })

  it('feeds the prompt once, then one token a step', async () => {
    const stepper = new StubStepper()
    await collect({ maxTokens: 4 }, { stepper })
    expect(stepper.calls).toEqual([3, 1, 1, 1])
    expect(stepper.openStates).toBe(0)
  })

  it('feeds a long prompt in pieces, cut where an engine cuts it', async () => {
    const prompt = Array.from({ length: 600 }, (_, i) => i % 8)
    const logitsOf = (tokens: readonly number[]) => hashedLogits(8)(tokens.slice(-5))
    const stepper = new StubStepper(8, 700, logitsOf)
    const generated = await collect({ maxTokens: 2, seed: 3 }, { stepper, prompt })
    expect(stepper.calls).toEqual([256, 256, 88, 1])
    const likelihood = logSoftmax(Float32Array.from(logitsOf(prompt)))
    expect(generated[0]!.logProb).toBe(likelihood[generated[0]!.token])
  })

  it('does not depend on its company', async () => {
    const alone = await Promise.all([1, 2, 3].map((seed) => collect({ seed }, { prompt: [seed] })))
    const stepper = new StubStepper()
    const together = await Promise.all([3, 1, 2].map((seed) => collect({ seed }, { stepper, prompt: [seed] })))
    expect([together[1], together[2], together[0]]).toEqual(alone)
    expect(stepper.openStates).toBe(0)
  })

  it('ends with the context, one token beyond the last that is fed', async () => {
    const stepper = new StubStepper(8, 10)
    const generated = await collect({}, { stepper })
    expect(generated.length).toBe(8)
    expect(generated.at(-1)!.finish).toBe('length')
    expect(stepper.calls.reduce((sum, slots) => sum + slots)).toBe(10)
    expect((await collect({ maxTokens: 100 }, { stepper, prompt: new Array(10).fill(0) })).length).toBe(1)
  })

  it('reports the finish on the last token only', async () => {
    const byLength = await collect({ maxTokens: 3 })
    expect(byLength.map(({ finish }) => finish)).toEqual([undefined, undefined, 'length'])
    const whole = tokensOf(await collect({ maxTokens: 20 }))
    const end = whole[4]!
    const ended = await collect({ maxTokens: 20, stopTokens: [end] })
    expect(tokensOf(ended)).toEqual(whole.slice(0, whole.indexOf(end) + 1))
    expect(ended.at(-1)!.finish).toBe('end-token')
  })

  it('lists the likeliest tokens of the model, whatever the rules do', async () => {
    const [first] = await collect({ maxTokens: 1, topLogProbs: 8, temperature: 0.1, topK: 1, logitBias: new Map([[0, 50]]) })
    expect(first!.token).toBe(0)
    const logProbs = logSoftmax(Float32Array.from(hashedLogits(8)([1, 2, 3])))
    const sorted = [...logProbs.keys()].sort((a, b) => logProbs[b]! - logProbs[a]!)
    expect(first!.topLogProbs).toEqual(sorted.map((token) => ({ token, logProb: logProbs[token]! })))
    expect(first!.topLogProbs!.reduce((sum, { logProb }) => sum + Math.exp(logProb), 0)).toBeCloseTo(1, 12)
    expect(first!.logProb).toBe(logProbs[0])
  })

  it('follows the joint distribution of three tokens', async () => {
    const logitsOf = hashedLogits(4, 3)
    const stepper = new StubStepper(4, 8, logitsOf)
    const runs = 8000
    const probabilityOf = (path: number[]) =>
      path.reduce((product, token, i) => {
        const logProbs = logSoftmax(Float32Array.from(logitsOf([0, ...path.slice(0, i)])))
        return product * Math.exp(logProbs[token]!)
      }, 1)
    const paths = Array.from({ length: 64 }, (_, i) => [i >> 4, (i >> 2) & 3, i & 3])
    const count = async (options: GenerateOptions) => {
      const counts = new Array<number>(64).fill(0)
      for (let seed = 0; seed < runs; seed++) {
        const [a, b, c] = tokensOf(await collect({ ...options, maxTokens: 3, seed }, { stepper, prompt: [0] })) as [
          number,
          number,
          number,
        ]
        counts[16 * a + 4 * b + c]!++
      }
      return counts
    }
    // Rare paths share one bin, so that every bin expects enough.
    const expected = paths.map((path) => probabilityOf(path) * runs)
    const frequent = expected.flatMap((n, i) => (n >= 10 ? [i] : []))
    const binned = (values: number[]) => {
      const bins = frequent.map((i) => values[i]!)
      return [...bins, values.reduce((sum, n) => sum + n) - bins.reduce((sum, n) => sum + n)]
    }
    const limit = chiSquareLimit(frequent.length)
    expect(chiSquare(binned(await count({})), binned(expected))).toBeLessThan(limit)
    expect(chiSquare(binned(await count({ rules: [temperature(1.15)] })), binned(expected))).toBeGreaterThan(limit)
  })
})

/** Each option alone, against the same request without it (or with what `base` says). */
const effects: { [Name in keyof Required<GenerateOptions>]: { base?: GenerateOptions; changed: GenerateOptions } } = {
  maxTokens: { changed: { maxTokens: 5 } },
  temperature: { changed: { temperature: 0.3 } },
  topK: { changed: { topK: 2 } },
  topP: { changed: { topP: 0.4 } },
  minP: { changed: { minP: 0.5 } },
  typicalP: { changed: { typicalP: 0.3 } },
  repetitionPenalty: { changed: { repetitionPenalty: 3 } },
  frequencyPenalty: { changed: { frequencyPenalty: 2 } },
  presencePenalty: { changed: { presencePenalty: 2 } },
  noRepeatNgram: { base: { maxTokens: 6 }, changed: { maxTokens: 6, noRepeatNgram: 1 } },
  logitBias: { changed: { logitBias: new Map([[4, 3]]) } },
  rules: { changed: { rules: [(logits) => logits.map((x) => -x)] } },
  seed: { changed: { seed: 1n } },
  stopTokens: { changed: { stopTokens: [0, 1, 2, 3, 4, 5, 6, 7] } },
  topLogProbs: { changed: { topLogProbs: 2 } },
  constraint: { changed: { constraint: new StubConstraint(loops) } },
  signal: { changed: { signal: AbortSignal.abort() } },
}

describe('each option changes the outcome', () => {
  it.each(Object.entries(effects))('%s', async (_, { base = {}, changed }) => {
    const outcome = (options: GenerateOptions) => collect(options).catch((error: unknown) => error)
    expect(await outcome(changed)).not.toEqual(await outcome(base))
  })
})

describe('leaving early', () => {
  const forever: GenerateOptions = { maxTokens: 1000 }

  it('a break frees the state after the token at hand', async () => {
    const stepper = new StubStepper()
    for await (const { index } of generate(stepper, [1], forever)) if (index === 2) break
    expect(stepper.openStates).toBe(0)
    expect(stepper.calls.length).toBe(3)
  })

  it('an error of the consumer, of a rule, of the stepper frees the state', async () => {
    const stepper = new StubStepper()
    const consume = async () => {
      for await (const _ of generate(stepper, [1], forever)) throw new Error('consumer')
    }
    await expect(consume()).rejects.toThrow('consumer')
    const rule: LogitsRule = () => {
      throw new Error('rule')
    }
    await expect(collect({ rules: [rule] }, { stepper })).rejects.toThrow('rule')
    expect(stepper.openStates).toBe(0)
    const broken = new StubStepper(8, 32, () => new Float32Array(8).fill(Number.NaN))
    await expect(collect({}, { stepper: broken })).rejects.toThrow(NonFiniteError)
    expect(broken.openStates).toBe(0)
  })

  it('an abort between tokens stops before the next', async () => {
    const stepper = new StubStepper()
    const controller = new AbortController()
    const seen: number[] = []
    const consume = async () => {
      for await (const { index } of generate(stepper, [1], { ...forever, signal: controller.signal })) {
        seen.push(index)
        if (index === 3) controller.abort(new Error('enough'))
      }
    }
    await expect(consume()).rejects.toThrow('enough')
    expect(seen).toEqual([0, 1, 2, 3])
    expect(stepper.openStates).toBe(0)
    expect(stepper.calls.length).toBe(4)
  })

  it('an abort during a step drops the step, even when the stepper does not listen', async () => {
    const controller = new AbortController()
    class SlowStepper extends StubStepper {
      override async extend(batch: readonly Extension<StubState>[]): Promise<Outputs[]> {
        if (this.calls.length === 2) controller.abort(new Error('late'))
        return super.extend(batch, { keep: 'append', logits: 'last' })
      }
    }
    const stepper = new SlowStepper()
    await expect(collect({ ...forever, signal: controller.signal }, { stepper })).rejects.toThrow('late')
    expect(stepper.calls.length).toBe(3)
    expect(stepper.openStates).toBe(0)
  })

  it('an abort during a long prompt is heard after the piece at hand, even when the stepper does not listen', async () => {
    const controller = new AbortController()
    class SlowStepper extends StubStepper {
      override async extend(batch: readonly Extension<StubState>[], options: ExtendOptions): Promise<Outputs[]> {
        if (this.calls.length === 1) controller.abort(new Error('late'))
        return super.extend(batch, { keep: options.keep, logits: options.logits })
      }
    }
    const stepper = new SlowStepper(8, 2000)
    const prompt = new Array(1500).fill(1)
    await expect(collect({ signal: controller.signal }, { stepper, prompt })).rejects.toThrow('late')
    expect(stepper.calls).toEqual([256, 256])
    expect(stepper.openStates).toBe(0)
  })

  it('an aborted signal opens nothing; the stepper gets the signal', async () => {
    const stepper = new StubStepper()
    await expect(collect({ signal: AbortSignal.abort(new Error('before')) }, { stepper })).rejects.toThrow('before')
    expect(stepper.calls).toEqual([])
    let heard: AbortSignal | undefined
    stepper.extend = async (_, options) => {
      heard = options.signal
      return [{ logits: new Float32Array(8) }]
    }
    const { signal } = new AbortController()
    await collect({ signal, maxTokens: 1 }, { stepper })
    expect(heard).toBe(signal)
  })
})

describe('bad input is refused before any work', () => {
  const stepper = new StubStepper(8, 10)
  stepper.open = () => {
    throw new Error('work was begun')
  }
  const of = (value: unknown) => value as GenerateOptions

  it.each([
    { what: 'an unknown option', options: of({ top_k: 1 }) },
    { what: 'an option of another prototype', options: of(JSON.parse('{"__proto__": 1}')) },
    { what: 'null', options: of(null) },
    { what: 'a list', options: of([]) },
    { what: 'maxTokens 0', options: { maxTokens: 0 } },
    { what: 'maxTokens in text', options: of({ maxTokens: '3' }) },
    { what: 'a negative temperature', options: { temperature: -1 } },
    { what: 'NaN temperature', options: { temperature: Number.NaN } },
    { what: 'topK 0', options: { topK: 0 } },
    { what: 'topP above 1', options: { topP: 1.5 } },
    { what: 'minP above 1', options: { minP: 1.5 } },
    { what: 'typicalP 0', options: { typicalP: 0 } },
    { what: 'repetitionPenalty 0', options: { repetitionPenalty: 0 } },
    { what: 'NaN frequencyPenalty', options: { frequencyPenalty: Number.NaN } },
    { what: 'NaN presencePenalty', options: { presencePenalty: Number.NaN } },
    { what: 'noRepeatNgram 0', options: { noRepeatNgram: 0 } },
    { what: 'a bias for no token', options: { logitBias: new Map([[8, 1]]) } },
    { what: 'a bias that is no Map', options: of({ logitBias: { 1: 1 } }) },
    { what: 'an infinite bias', options: { logitBias: new Map([[1, Number.POSITIVE_INFINITY]]) } },
    { what: 'a rule that is none', options: of({ rules: [1] }) },
    { what: 'a negative seed', options: { seed: -1 } },
    { what: 'a broken seed', options: { seed: 0.5 } },
    { what: 'a stop token that is none', options: { stopTokens: [8] } },
    { what: 'stop tokens that are no list', options: of({ stopTokens: 3 }) },
    { what: 'topLogProbs 0', options: { topLogProbs: 0 } },
    { what: 'topLogProbs above the vocabulary', options: { topLogProbs: 9 } },
    { what: 'a signal that is none', options: of({ signal: true }) },
  ])('$what', ({ options }) => {
    expect(() => generate(stepper, [1], options)).toThrow(OptionError)
  })

  it('prompts that cannot be fed', () => {
    expect(() => generate(stepper, [])).toThrow(DataError)
    for (const token of [-1, 8, 0.5, Number.NaN]) expect(() => generate(stepper, [1, token])).toThrow(DataError)
    expect(() => generate(stepper, 'text' as unknown as number[])).toThrow(DataError)
    expect(() => generate(stepper, null as unknown as number[])).toThrow(DataError)
    expect(() => generate(stepper, { length: 2 ** 40 })).toThrow(DataError)
    expect(() => generate(stepper, new Int32Array(11))).toThrow(ContextError)
  })
})
