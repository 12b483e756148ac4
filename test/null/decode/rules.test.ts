import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DataError, NonFiniteError, OptionError } from '../../../src/base/errors.ts'
import { type DecodeContext, type LogitsRule, logSoftmax } from '../../../src/decode/logits.ts'
import * as penalties from '../../../src/decode/penalties.ts'
import { logitsRules } from '../../../src/decode/pipeline.ts'
import { minP, temperature, topK, topP, typicalP } from '../../../src/decode/truncation.ts'

const none = Number.NEGATIVE_INFINITY
const nothing: DecodeContext = { tokens: [], promptLength: 0 }
const logProbs = (...probabilities: number[]) => Float32Array.from(probabilities, Math.log)
const kept = (logits: ArrayLike<number>) => [...Array.from(logits).keys()].filter((id) => logits[id]! > none)
const softmax = (logits: Float32Array) => Array.from(logSoftmax(logits), Math.exp)

describe('temperature', () => {
  it('raises probabilities to the power 1/t', () => {
    const [p, q] = softmax(temperature(0.5)(logProbs(0.8, 0.2), nothing))
    expect(p! / q!).toBeCloseTo(16, 4)
    const flat = softmax(temperature(1e30)(logProbs(0.8, 0.2), nothing))
    expect(flat[0]).toBeCloseTo(0.5, 6)
  })

  it('does not overflow, however cold', () => {
    expect(softmax(temperature(1e-300)(Float32Array.of(3e38, -3e38, 3e38, none), nothing))).toEqual([0.5, 0, 0.5, 0])
  })

  it('refuses 0, negative, infinite and NaN', () => {
    for (const t of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => temperature(t)).toThrow(OptionError)
  })
})

describe('truncations, by closed form', () => {
  const logits = logProbs(0.5, 0.3, 0.15, 0.05)

  it('topK keeps the k largest, ties by id', () => {
    expect(kept(topK(2)(logits, nothing))).toEqual([0, 1])
    expect(kept(topK(9)(logits, nothing))).toEqual([0, 1, 2, 3])
    expect(kept(topK(2)(Float32Array.of(1, 2, 2, 2), nothing))).toEqual([1, 2])
  })

  it('topP keeps the crossing token', () => {
    expect(kept(topP(0.49)(logits, nothing))).toEqual([0])
    expect(kept(topP(0.51)(logits, nothing))).toEqual([0, 1])
    expect(kept(topP(0.79)(logits, nothing))).toEqual([0, 1])
    expect(kept(topP(0.81)(logits, nothing))).toEqual([0, 1, 2])
    expect(kept(topP(0)(logits, nothing))).toEqual([0])
    expect(kept(topP(1)(logits, nothing))).toEqual([0, 1, 2, 3])
    expect(kept(topP(0.5)(new Float32Array(4), nothing))).toEqual([0, 1])
  })

  it('minP is relative to the likeliest', () => {
    expect(kept(minP(0.59)(logits, nothing))).toEqual([0, 1])
    expect(kept(minP(0.61)(logits, nothing))).toEqual([0])
    expect(kept(minP(0)(Float32Array.of(0, none, -1000), nothing))).toEqual([0, 2])
    expect(kept(minP(1)(Float32Array.of(5, 4, 5), nothing))).toEqual([0, 2])
  })

  it('typicalP may drop the likeliest token', () => {
    expect(kept(typicalP(0.2)(logits, nothing))).toEqual([1])
    expect(kept(typicalP(0.9)(logits, nothing))).toEqual([0, 1, 2])
    expect(kept(typicalP(1)(logits, nothing))).toEqual([0, 1, 2, 3])
    expect(kept(typicalP(0.2, { minKeep: 2 })(logits, nothing))).toEqual([0, 1])
    expect(kept(typicalP(0.5)(Float32Array.of(none, 0, none), nothing))).toEqual([1])
    expect(kept(typicalP(0.5)(new Float32Array(4), nothing))).toEqual([0, 1])
  })

  it('keep the logits of what they keep', () => {
    for (const rule of [topK(2), topP(0.7), minP(0.55), typicalP(0.7)]) {
      expect([...rule(logits, nothing)]).toEqual([logits[0], logits[1], none, none])
    }
  })
})

describe('truncations, against sorting', () => {
  const logits = fc
    .array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 1, maxLength: 80 })
    .map((x) => Float32Array.from(x))
  const share = fc.double({ min: 0.01, max: 0.999, noNaN: true })

  /** Ids by falling key until the probability reaches `mass`; undefined when a sum comes too close to the mass to call. */
  function nucleus(probabilities: readonly number[], keys: ArrayLike<number>, mass: number): number[] | undefined {
    const order = probabilities.map((_, id) => id).sort((a, b) => keys[b]! - keys[a]! || a - b)
    const ids: number[] = []
    let sum = 0
    for (const id of order) {
      if (Math.abs(sum - mass) < 1e-9) return undefined
      if (sum >= mass) break
      sum += probabilities[id]!
      ids.push(id)
    }
    return ids.sort((a, b) => a - b)
  }

  it('topP', () => {
    fc.assert(
      fc.property(logits, share, (x, mass) => {
        const expected = nucleus(softmax(x), x, mass)
        fc.pre(expected !== undefined)
        expect(kept(topP(mass)(x, nothing))).toEqual(expected)
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  it('typicalP', () => {
    fc.assert(
      fc.property(logits, share, (x, mass) => {
        const probabilities = softmax(x)
        const entropy = probabilities.reduce((sum, p) => sum - (p === 0 ? 0 : p * Math.log(p)), 0)
        const distance = Float32Array.from(logSoftmax(x), (logProb) => -Math.abs(-logProb - entropy))
        const expected = nucleus(probabilities, distance, mass)
        // log(exp(x)) differs from x in the last bits; where that moves an order of float32 distances, nothing can be compared.
        const gaps = [...distance].sort((a, b) => a - b).map((d, i, all) => d - (all[i - 1] ?? Number.NEGATIVE_INFINITY))
        fc.pre(expected !== undefined && gaps.every((gap) => gap > 1e-5))
        expect(kept(typicalP(mass)(x, nothing))).toEqual(expected)
      }),
      { seed: 2, numRuns: 300 },
    )
  })

  it('topK and minP', () => {
    fc.assert(
      fc.property(logits, fc.integer({ min: 1, max: 90 }), share, (x, count, ratio) => {
        const sorted = [...x.keys()].sort((a, b) => x[b]! - x[a]! || a - b)
        expect(kept(topK(count)(x, nothing))).toEqual(sorted.slice(0, count).sort((a, b) => a - b))
        const probabilities = softmax(x)
        const border = ratio * Math.max(...probabilities)
        fc.pre(probabilities.every((p) => Math.abs(p / border - 1) > 1e-9))
        expect(kept(minP(ratio)(x, nothing))).toEqual(probabilities.flatMap((p, id) => (p >= border ? [id] : [])))
      }),
      { seed: 3, numRuns: 300 },
    )
  })
})

describe('penalties', () => {
  const logits = Float32Array.of(2, -2, 4, 0, none)
  const context: DecodeContext = { tokens: [0, 1, 2, 2, 4], promptLength: 2 }

  it('repetition divides positive and multiplies negative logits, prompt included', () => {
    expect([...penalties.repetitionPenalty(2)(logits, context)]).toEqual([1, -4, 2, 0, none])
    expect([...penalties.repetitionPenalty(0.5)(logits, context)]).toEqual([4, -1, 8, 0, none])
  })

  it('frequency counts generated tokens', () => {
    expect([...penalties.frequencyPenalty(0.5)(logits, context)]).toEqual([2, -2, 3, 0, none])
    expect([...penalties.frequencyPenalty(-1)(logits, context)]).toEqual([2, -2, 6, 0, none])
  })

  it('presence counts each generated token once', () => {
    expect([...penalties.presencePenalty(0.5)(logits, context)]).toEqual([2, -2, 3.5, 0, none])
  })

  it('n-grams are refused exactly where they would repeat', () => {
    const possible = (size: number, tokens: number[]) =>
      kept(penalties.noRepeatNgram(size)(new Float32Array(5), { tokens, promptLength: 0 }))
    expect(possible(2, [0, 1, 0])).toEqual([0, 2, 3, 4])
    expect(possible(3, [0, 1, 0])).toEqual([0, 1, 2, 3, 4])
    expect(possible(3, [0, 1, 2, 3, 0, 1])).toEqual([0, 1, 3, 4])
    expect(possible(3, [0, 1, 2, 0, 1, 4, 0, 1])).toEqual([0, 1, 3])
    expect(possible(1, [3, 3, 1])).toEqual([0, 2, 4])
    expect(possible(9, [0, 1])).toEqual([0, 1, 2, 3, 4])
    expect(possible(2, [])).toEqual([0, 1, 2, 3, 4])
    expect(possible(2, [1, 1])).toEqual([0, 2, 3, 4])
  })

  it('n-grams agree with a search through the text', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2), { maxLength: 15 }), fc.integer({ min: 1, max: 5 }), (tokens, size) => {
        const text = tokens.join('')
        const expected = [0, 1, 2].filter((id) => {
          const run = (text + id).slice(-size)
          return run.length < size || !text.includes(run)
        })
        expect(kept(penalties.noRepeatNgram(size)(new Float32Array(3), { tokens, promptLength: 0 }))).toEqual(expected)
      }),
      { seed: 1, numRuns: 300 },
    )
  })

  it('bias is added, −∞ excludes', () => {
    const bias = new Map([
      [0, 1.5],
      [2, none],
    ])
    expect([...penalties.logitBias(bias)(logits, context)]).toEqual([3.5, -2, none, 0, none])
  })

  it('forbid and allow are each other’s complement', () => {
    expect([...penalties.forbid([0, 3])(logits, context)]).toEqual([none, -2, 4, none, none])
    expect([...penalties.allow([1, 2, 4])(logits, context)]).toEqual([none, -2, 4, none, none])
  })

  it('refuse parameters out of range', () => {
    for (const value of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => penalties.repetitionPenalty(value)).toThrow(OptionError)
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY, '1' as unknown as number]) {
      expect(() => penalties.frequencyPenalty(value)).toThrow(OptionError)
      expect(() => penalties.presencePenalty(value)).toThrow(OptionError)
    }
    for (const size of [0, 1.5, Number.NaN]) expect(() => penalties.noRepeatNgram(size)).toThrow(OptionError)
    for (const bias of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => penalties.logitBias(new Map([[0, bias]]))).toThrow(OptionError)
    expect(() => penalties.logitBias({ 0: 1 } as unknown as Map<number, number>)).toThrow(OptionError)
    expect(() => penalties.allow([])).toThrow(OptionError)
  })

  it('refuse ids outside the vocabulary', () => {
    for (const id of [-1, 5, 0.5, Number.NaN]) {
      for (const rule of [penalties.forbid([id]), penalties.allow([0, id]), penalties.logitBias(new Map([[id, 1]]))]) {
        expect(() => rule(logits, context)).toThrow(OptionError)
      }
      for (const rule of [penalties.repetitionPenalty(2), penalties.frequencyPenalty(1), penalties.presencePenalty(1)]) {
        expect(() => rule(logits, { tokens: [id], promptLength: 0 })).toThrow(DataError)
      }
    }
  })
})

describe('every rule', () => {
  const rules: Record<string, LogitsRule> = {
    temperature: temperature(0.7),
    topK: topK(2),
    topP: topP(0.5),
    minP: minP(0.5),
    typicalP: typicalP(0.5),
    repetitionPenalty: penalties.repetitionPenalty(1.5),
    frequencyPenalty: penalties.frequencyPenalty(1.5),
    presencePenalty: penalties.presencePenalty(1.5),
    noRepeatNgram: penalties.noRepeatNgram(1),
    logitBias: penalties.logitBias(new Map([[1, 2]])),
    forbid: penalties.forbid([1]),
    allow: penalties.allow([1]),
  }

  it.each(Object.entries(rules))('%s changes logits without touching its input', (_, rule) => {
    const logits = Float32Array.of(1, 0.5, 3, 2)
    const result = rule(logits, { tokens: [0, 1], promptLength: 1 })
    expect([...logits]).toEqual([1, 0.5, 3, 2])
    expect([...result]).not.toEqual([...logits])
    expect(result.length).toBe(4)
  })

  it.each([topK(1), topP(0.5), minP(0.5), typicalP(0.5), temperature(0.5)])(
    'that ranks or scales refuses NaN and an excluded vocabulary',
    (rule) => {
      expect(() => rule(Float32Array.of(0, Number.NaN), nothing)).toThrow(NonFiniteError)
      expect(() => rule(Float32Array.of(none, none), nothing)).toThrow(NonFiniteError)
    },
  )

  it('that truncates refuses parameters out of range', () => {
    for (const value of [-0.1, 1.1, Number.NaN]) {
      for (const rule of [topP, minP, typicalP]) expect(() => rule(value)).toThrow(OptionError)
    }
    for (const value of [0, -1, 1.5, Number.NaN]) expect(() => topK(value)).toThrow(OptionError)
    expect(() => typicalP(0)).toThrow(OptionError)
    expect(() => typicalP(0.5, { minKeep: 0 })).toThrow(OptionError)
  })
})

describe('logitsRules', () => {
  it('has the documented order', () => {
    const own: LogitsRule = function ownRule(logits) {
      return logits
    }
    const rules = logitsRules({
      minP: 0.1,
      topP: 0.5,
      topK: 2,
      typicalP: 0.5,
      temperature: 0.5,
      rules: [own],
      noRepeatNgram: 2,
      presencePenalty: 1,
      frequencyPenalty: 1,
      repetitionPenalty: 2,
      logitBias: new Map(),
    })
    expect(rules.map((rule) => rule.name.replace('Rule', ''))).toEqual([
      'logitBias',
      'repetitionPenalty',
      'frequencyPenalty',
      'presencePenalty',
      'noRepeatNgram',
      'own',
      'temperature',
      'typicalP',
      'topK',
      'topP',
      'minP',
    ])
  })

  it('has no rule for what is left out, nor for temperature 0', () => {
    expect(logitsRules({})).toEqual([])
    expect(logitsRules({ temperature: 0, topK: undefined })).toEqual([])
  })

  it('refuses rules that are no functions', () => {
    expect(() => logitsRules({ rules: [1] as unknown as LogitsRule[] })).toThrow(OptionError)
    expect(() => logitsRules({ rules: topK(1) as unknown as LogitsRule[] })).toThrow(OptionError)
  })
})
