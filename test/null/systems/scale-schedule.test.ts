import { describe, expect, it } from 'vitest'
import { createRng } from '../../../src/base/rng.ts'
import { drawSchedules, scheduleOf, tokenizerFor } from '../../../src/systems/image-engines/scale-schedule.ts'
import { ShadesTokenizer } from '../../contracts/toy-scales.ts'

const layout = { parts: [1, 2, 3, 5, 7].map((side) => ({ shape: [side, side] })) }

describe('scheduleOf', () => {
  it("takes the tokenizer's scales, sides, and heights with widths", () => {
    expect(scheduleOf(layout, {})).toEqual([1, 2, 3, 5, 7].map((side) => [side, side]))
    const given = [1, [2, 3] as const, 7]
    expect(scheduleOf(layout, { schedule: given })).toEqual([
      [1, 1],
      [2, 3],
      [7, 7],
    ])
  })

  it('gives sides the proportions of another size, and stretches its own scales to it', () => {
    expect(scheduleOf(layout, { schedule: [1, 2, 4, 8], size: [8, 10] })).toEqual([
      [1, 1],
      [2, 3],
      [4, 5],
      [8, 10],
    ])
    expect(scheduleOf(layout, { size: [9, 14] })).toEqual([
      [1, 2],
      [3, 4],
      [4, 6],
      [6, 10],
      [9, 14],
    ])
    // Scales that come out alike are one.
    expect(scheduleOf(layout, { size: [2, 2] })).toEqual([
      [1, 1],
      [2, 2],
    ])
  })

  it('refuses schedules that do not grow or end elsewhere', () => {
    expect(() => scheduleOf(layout, { schedule: [1, 3, 3, 7] })).toThrow(
      /3×3 of the schedule comes after 3×3; expected scales that grow/,
    )
    expect(() => scheduleOf(layout, { schedule: [[1, 4], [2, 3], 7] })).toThrow(/2×3 of the schedule comes after 1×4/)
    expect(() => scheduleOf(layout, { schedule: [1, 2, 5] })).toThrow(
      /ends with 5×5; expected the tokenizer's size 7×7; name another size/,
    )
    expect(() => scheduleOf(layout, { schedule: [], size: [5, 5] })).toThrow(/ends with nothing/)
    expect(() => scheduleOf({ parts: [{ shape: [4] }] }, {})).toThrow(/part of shape \[4\]/)
  })
})

describe('values of a schedule', () => {
  it('are 16,384 at most, or as many as the layout has', () => {
    expect(
      scheduleOf(layout, {
        schedule: [
          [1, 128],
          [127, 128],
        ],
        size: [127, 128],
      }),
    ).toHaveLength(2)
    expect(() => scheduleOf(layout, { schedule: [1, 128], size: [128, 128] })).toThrow(
      /16385 values on scales up to 128×128; expected at most 16384/,
    )
    const large = { parts: [1, 200].map((side) => ({ shape: [side, side] })) }
    expect(scheduleOf(large, {})).toHaveLength(2)
    expect(() => scheduleOf(large, { size: [201, 200] })).toThrow(/expected at most 40001/)
  })
})

describe('drawSchedules', () => {
  it('keeps first and last, goes up, and gives every inner scale and every length its share', () => {
    const [samples, count] = [4000, 7]
    const before = drawSchedules(samples, count, createRng(5))
    const lengths = new Map<number, number>()
    const kept = new Array<number>(count).fill(0)
    for (let sample = 0; sample < samples; sample++) {
      const row = [...before.subarray(sample * count, (sample + 1) * count)]
      const scales = row.flatMap((from, scale) => (scale === 0 || from >= 0 ? [scale] : []))
      expect(row).toEqual(row.map((_, scale) => scales[scales.indexOf(scale) - 1] ?? -1))
      expect(scales.at(-1)).toBe(count - 1)
      lengths.set(scales.length, (lengths.get(scales.length) ?? 0) + 1)
      for (const scale of scales) kept[scale]!++
    }
    // 5 inner scales: 2 to 5 of them, each in a quarter of the 95%, and all of them in the other 5%.
    for (const [length, expected] of [
      [4, 0.2375],
      [5, 0.2375],
      [6, 0.2375],
      [7, 0.2875],
    ] as const)
      expect(Math.abs(lengths.get(length)! / samples - expected)).toBeLessThan(0.03)
    const share = (0.2375 * (2 + 3 + 4) + 0.2875 * 5) / 5
    for (const times of kept.slice(1, -1)) expect(Math.abs(times / samples - share)).toBeLessThan(0.03)
  })

  it('has what few scales allow', () => {
    expect([...drawSchedules(1, 1, createRng(1))]).toEqual([-1])
    expect([...drawSchedules(1, 2, createRng(1))]).toEqual([-1, 0])
  })
})

describe('tokenizerFor', () => {
  it('reads codes of other scales where the tokenizer can, and refuses them where it cannot', () => {
    const other = { parts: [{ shape: [1, 1] }, { shape: [3, 3] }] }
    const own = new ShadesTokenizer(
      [
        [1, 1],
        [4, 4],
      ],
      'latest',
    )
    expect(tokenizerFor(own, own.layout)).toBe(own)
    expect(tokenizerFor(own, other).layout).toEqual(other)
    expect(() =>
      tokenizerFor(
        new ShadesTokenizer([
          [1, 1],
          [4, 4],
        ]),
        other,
      ),
    ).toThrow(/codes on 1×1, 3×3 .* expected 1×1, 4×4/)
  })
})
