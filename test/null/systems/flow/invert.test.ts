import { describe, expect, it } from 'vitest'
import { NonFiniteError, OptionError } from '../../../../src/base/errors.ts'
import type { Inverse } from '../../../../src/systems/image/starflow.ts'
import type { Arms, BlockMap } from '../../../../src/systems/image-engines/flow/block-runner.ts'
import { candidates, costOf, type Trial } from '../../../../src/systems/image-engines/flow/calibration.ts'
import { readInverses } from '../../../../src/systems/image-engines/flow/inverse-plan.ts'
import { invert } from '../../../../src/systems/image-engines/flow/invert.ts'

const [slots, dimension] = [6, 2]

/** One number of x' from those before it in its sample, and its z. */
type Rule = (before: readonly number[], z: number, label: number) => number

/** A block of plain numbers, whose cache holds the values that slots were fed. */
class StubMap implements BlockMap {
  readonly slots = slots
  readonly dimension = dimension
  readonly calls: { readonly samples: number; readonly slots: number }[] = []
  #cache: number[][] = []

  constructor(readonly rule: Rule) {}

  async whole(values: Float32Array, z: Float32Array, { labels }: Arms): Promise<Float32Array> {
    this.calls.push({ samples: labels.length, slots })
    const size = slots * dimension
    return values.map((_, i) => {
      const [start, slot] = [i - (i % size), Math.floor((i % size) / dimension)]
      return this.rule([...values.subarray(start, start + slot * dimension)], z[i]!, labels[Math.floor(i / size)]!)
    })
  }

  async some(
    values: Float32Array,
    z: Float32Array,
    { start, length }: { start: number; length: number },
    { labels }: Arms,
    keep?: Uint8Array,
  ): Promise<Float32Array> {
    this.calls.push({ samples: labels.length, slots: length })
    const out: number[] = []
    for (const [sample, label] of labels.entries()) {
      const from = sample * slots * dimension
      const past = (this.#cache[sample] ?? []).slice(0, Math.max(0, start - 1) * dimension)
      const fed = values.subarray(from + past.length, from + (start + length) * dimension)
      for (let i = start * dimension; i < (start + length) * dimension; i++) {
        const before = [...past, ...fed].slice(0, Math.floor(i / dimension) * dimension)
        out.push(this.rule(before, z[from + i]!, label))
      }
      if (keep === undefined || keep[sample] === 1)
        this.#cache[sample] = [...past, ...fed].slice(0, (start + length - 1) * dimension)
    }
    return Float32Array.from(out)
  }
}

const gentle: Rule = (before, z, label) => label / 10 + 0.5 * z + before.reduce((sum, x, i) => sum + Math.sin(x + i), 0) / 4
const labels = Int32Array.of(1, 2, 3)
const z = Float32Array.from({ length: labels.length * slots * dimension }, (_, i) => Math.sin(7 * i))

/** Number by number, from the rule alone. */
function exact(rule: Rule): number[] {
  return [...labels].flatMap((label, sample) => {
    const x: number[] = []
    for (let i = 0; i < slots * dimension; i++) {
      const before = x.slice(0, Math.floor(i / dimension) * dimension)
      x.push(Math.fround(rule(before, z[sample * slots * dimension + i]!, label)))
    }
    return x
  })
}

function run(rule: Rule, inverse: Inverse, signal?: AbortSignal) {
  const map = new StubMap(rule)
  return { map, result: invert({ map, z, arms: { labels }, block: 4, signal }, inverse) }
}

function expectClose(actual: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  expect(actual.length).toBe(expected.length)
  for (const [i, value] of expected.entries()) expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(tolerance)
}

describe('gives what the definition gives', () => {
  it.each<[Inverse, number]>([
    [{ kind: 'sequential' }, slots],
    [{ kind: 'jacobi', tolerance: 1e-30 }, slots],
    [{ kind: 'jacobi', tolerance: 1e-30, start: 'zeros' }, slots],
    [{ kind: 'gauss-seidel-jacobi', tolerance: 1e-30, segments: 1 }, slots],
    [{ kind: 'gauss-seidel-jacobi', tolerance: 1e-30, segments: 2 }, slots],
    [{ kind: 'gauss-seidel-jacobi', tolerance: 1e-30, segments: 3, start: 'zeros' }, slots],
    [{ kind: 'gauss-seidel-jacobi', tolerance: 1e-30, segments: 6 }, slots],
    [{ kind: 'jacobi', tolerance: 1e-30, iterations: 100 }, slots],
  ])('%j', async (inverse, calls) => {
    const { map, result } = run(gentle, inverse)
    const { values, iterations, each, incidents } = await result
    expectClose(values, exact(gentle), 1e-6)
    expect([iterations, map.calls.length, each, incidents]).toEqual([calls, calls, [calls, calls, calls], []])
  })

  it('to within a tolerance, in fewer calls', async () => {
    const weak: Rule = (before, noise) => noise + before.reduce((sum, x) => sum + Math.sin(x), 0) / 100
    for (const inverse of [
      { kind: 'jacobi', tolerance: 1e-3 },
      { kind: 'gauss-seidel-jacobi', segments: 2, tolerance: 1e-3 },
    ] as const) {
      const { map, result } = run(weak, inverse)
      expectClose((await result).values, exact(weak), 1e-3)
      expect(map.calls.length).toBeLessThan(slots)
    }
  })
})

it('lets samples that are done rest, whose values do not depend on their company', async () => {
  // Sample 1 (label 2) does not look at what comes before: two iterations are enough.
  const rule: Rule = (before, noise, label) => (label === 2 ? noise : gentle(before, noise, label))
  const { map, result } = run(rule, { kind: 'jacobi', tolerance: 1e-2, start: 'zeros' })
  const { values, each } = await result
  expect(each[1]).toBe(2)
  expect(map.calls.slice(0, 3).map(({ samples }) => samples)).toEqual([3, 3, 2])
  for (const kind of ['jacobi', 'gauss-seidel-jacobi'] as const) {
    const inverse = { kind, tolerance: 1e-2, start: 'zeros', ...(kind === 'jacobi' ? {} : { segments: 2 }) } as Inverse
    const together = (await run(rule, inverse).result).values
    const size = slots * dimension
    for (const sample of labels.keys()) {
      const arms = { labels: labels.slice(sample, sample + 1) }
      const alone = { map: new StubMap(rule), z: z.slice(sample * size, (sample + 1) * size), arms, block: 0 }
      expect((await invert(alone, inverse)).values).toEqual(together.slice(sample * size, (sample + 1) * size))
    }
  }
  expect(values.length).toBe(z.length)
})

it('says which samples it gave up on', async () => {
  const { incidents } = await run(gentle, { kind: 'jacobi', tolerance: 1e-9, iterations: 2 }).result
  expect(incidents).toEqual([
    { block: 4, samples: [0, 1, 2], problem: 'unconverged', tried: { kind: 'jacobi', tolerance: 1e-9, iterations: 2 } },
  ])
  const segmented = { kind: 'gauss-seidel-jacobi', segments: 2, tolerance: 1e-9, iterations: 2 } as const
  expect((await run(gentle, segmented).result).incidents).toMatchObject([{ samples: [0, 1, 2], problem: 'unconverged' }])
})

it('cuts iterates off where asked to', async () => {
  const { values } = await run((_, noise) => 10 * noise, { kind: 'jacobi', tolerance: 1e-6, clamp: 3 }).result
  expectClose(
    values,
    [...z].map((x) => Math.min(3, Math.max(-3, 10 * x))),
    1e-5,
  )
})

describe('iterates that are not finite', () => {
  /** Overflows wherever a number before is above 0.9, which only the guess z has; of label 2 only. */
  const overflowing: Rule = (before, noise, label) =>
    label === 2 && before.some((x) => x > 0.9) ? Number.POSITIVE_INFINITY : 0.2 * noise

  it('are begun again from zeros, of the samples that have them', async () => {
    const tried = { kind: 'jacobi', tolerance: 1e-6 } as const
    const { values, incidents } = await run(overflowing, tried).result
    expectClose(values, exact(overflowing), 1e-6)
    expect(incidents).toEqual([{ block: 4, samples: [1], problem: 'non-finite', tried, remedy: { ...tried, start: 'zeros' } }])
  })

  it('and then done one slot after another', async () => {
    // Zeros before are as bad: only true values will do.
    const rule: Rule = (before, noise, label) =>
      label === 3 && before.some((x) => x === 0 || Math.abs(x) > 0.3) ? Number.NaN : 0.2 * noise + 0.01
    for (const kind of ['jacobi', 'gauss-seidel-jacobi'] as const) {
      const tried = { kind, tolerance: 1e-6, ...(kind === 'jacobi' ? {} : { segments: 2 }) } as Inverse
      const { values, incidents } = await run(rule, tried).result
      expectClose(values, exact(rule), 1e-6)
      expect(incidents.map(({ samples, problem }) => [samples, problem])).toEqual([
        [[2], 'non-finite'],
        [[2], 'non-finite'],
      ])
      expect(incidents[1]!.remedy).toEqual({ kind: 'sequential' })
    }
  })

  it('of several samples, the error names one with its own slot', async () => {
    const broken: Readonly<Record<number, number>> = { 1: 4, 3: 2 }
    const rule: Rule = (before, noise, label) => (before.length >= (broken[label] ?? slots) * dimension ? Number.NaN : noise)
    const { result } = run(rule, { kind: 'sequential' })
    await expect(result).rejects.toThrow('inverting block 4: slot 4 of sample 0 is not finite')
  })

  it('are an error that names block, slot and sample when that does not help either', async () => {
    const rule: Rule = (before, noise, label) => (label === 2 && before.length >= 4 ? Number.NaN : noise)
    for (const inverse of [{ kind: 'sequential' }, { kind: 'jacobi', tolerance: 1e-3 }] as const) {
      const { result } = run(rule, inverse)
      await expect(result).rejects.toThrow(NonFiniteError)
      await expect(result).rejects.toThrow('inverting block 4: slot 2 of sample 1 is not finite')
    }
  })
})

it('stops between calls with the reason of the signal', async () => {
  const controller = new AbortController()
  const rule: Rule = (before, noise) => {
    if (before.length === 6) controller.abort(new Error('enough'))
    return noise
  }
  for (const inverse of [{ kind: 'sequential' }, { kind: 'jacobi', tolerance: 1e-3 }] as const)
    await expect(run(rule, inverse, controller.signal).result).rejects.toThrow('enough')
})

describe('plans', () => {
  const sizes = { blocks: 2, slots: 6 }
  const jacobi: Inverse = { kind: 'jacobi', tolerance: 1e-3 }

  it('are one inverse for all blocks or one each', () => {
    expect(readInverses('auto', sizes)).toBeUndefined()
    expect(readInverses('sequential', sizes)).toEqual([{ kind: 'sequential' }, { kind: 'sequential' }])
    expect(readInverses(jacobi, sizes)).toEqual([jacobi, jacobi])
    expect(readInverses([jacobi, { kind: 'sequential' }], sizes)).toEqual([jacobi, { kind: 'sequential' }])
  })

  it.each<[unknown, RegExp]>([
    ['quickly', /inverse of block 0/],
    [undefined, /inverse of block 0/],
    [[jacobi], /1 for 2 blocks; expected one per block/],
    [{ kind: 'newton', tolerance: 1 }, /kind/],
    [{ kind: 'jacobi' }, /tolerance/],
    [{ kind: 'jacobi', tolerance: 0 }, /tolerance/],
    [{ kind: 'jacobi', tolerance: -1 }, /tolerance/],
    [{ kind: 'jacobi', tolerance: Number.NaN }, /tolerance/],
    [{ ...jacobi, iterations: 0 }, /iterations/],
    [{ ...jacobi, iterations: 1.5 }, /iterations/],
    [{ ...jacobi, start: 'ones' }, /start/],
    [{ ...jacobi, clamp: 0 }, /clamp/],
    [{ ...jacobi, segments: 2 }, /segments/],
    [{ kind: 'sequential', tolerance: 1 }, /tolerance/],
    [{ kind: 'gauss-seidel-jacobi', tolerance: 1e-3, segments: 4 }, /4 segments of 6 slots; expected one of 1, 2, 3, 6/],
    [{ kind: 'gauss-seidel-jacobi', tolerance: 1e-3, segments: 0 }, /segments/],
    [[jacobi, { ...jacobi, tolerance: 0 }], /block 1/],
  ])('%j is refused', (request, message) => {
    expect(() => readInverses(request, sizes)).toThrow(OptionError)
    expect(() => readInverses(request, sizes)).toThrow(message)
  })

  it('by metrics: segments for the toughest block, the nearer guess for each', () => {
    const metrics = [
      { initialGuess: { z: 1, zeros: 2 }, convergenceRanking: 3 },
      { initialGuess: { z: 3, zeros: 2 }, convergenceRanking: 9 },
      { initialGuess: { z: Number.POSITIVE_INFINITY, zeros: Number.POSITIVE_INFINITY }, convergenceRanking: 1 },
    ]
    const tolerance = 1e-3
    expect(candidates(metrics, { slots: 49, tolerance })).toEqual([
      [{ kind: 'jacobi', tolerance, start: 'z' }],
      [
        { kind: 'jacobi', tolerance, start: 'zeros' },
        { kind: 'gauss-seidel-jacobi', tolerance, start: 'zeros', segments: 7 },
      ],
      [{ kind: 'jacobi', tolerance, start: 'zeros' }],
    ])
    const tough = (slots: number) => candidates(metrics, { slots, tolerance })[1]!.at(-1)
    expect([64, 12, 6].map(tough)).toMatchObject([{ segments: 8 }, { segments: 4 }, { segments: 3 }])
    // Neither one segment nor as many as slots.
    expect([7, 2].map(tough)).toMatchObject([{ kind: 'jacobi' }, { kind: 'jacobi' }])
  })

  it('by cost: calls of one sample, arithmetic of many', () => {
    const trials: Trial[] = [
      { inverse: { kind: 'sequential' }, iterations: [49, 49] },
      { inverse: { kind: 'jacobi', tolerance: 1e-3 }, iterations: [6, 10] },
      { inverse: { kind: 'gauss-seidel-jacobi', segments: 7, tolerance: 1e-3 }, iterations: [20, 22] },
    ]
    const best = (rows: number, slotCost: number) => {
      const costs = trials.map((trial) => costOf(trial, { slots: 49, slotCost, rows }))
      return trials[costs.indexOf(Math.min(...costs))]!.inverse.kind
    }
    expect(best(1, 1e5)).toBe('jacobi')
    expect(best(1, 2e6)).toBe('gauss-seidel-jacobi')
    expect(best(256, 1e6)).toBe('sequential')
    const [sequential, jacobi, segmented] = trials.map((trial) => costOf(trial, { slots: 49, slotCost: 1e6, rows: 2 }))
    expect([sequential, jacobi, segmented]).toEqual([49 * (16e6 + 2e6), 10 * 16e6 + 8 * 98e6, 22 * (16e6 + 14e6)])
  })
})
