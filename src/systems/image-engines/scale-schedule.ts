import { countValues } from '../../base/codes.ts'
import { MismatchError, OptionError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { Rng } from '../../base/rng.ts'
import type { ImageTokenizer } from '../../tokenizers/index.ts'
import type { SampleOptions } from '../image-system.ts'

export type ScaleSize = readonly [height: number, width: number]

/** Height and width of every part. Throws MismatchError when parts are no grids. */
export function gridsOf({ parts }: Layout): ScaleSize[] {
  return parts.map(({ shape }) => {
    const [height, width] = shape
    if (shape.length === 2) return [height!, width!]
    throw new MismatchError(`a part of shape [${shape}]`, { expected: 'grids [height, width]' })
  })
}

/**
 * Most values of a schedule that training had not. Every value attends to all of coarser scales and of its own, so time and memory grow with the square:
 * on one core a network of 4 layers took some minutes and 9 GB for 15,870, so sizes much beyond would neither answer nor fail.
 */
const mostValues = 2 ** 14

/**
 * The scales that sampling runs on, given what a tokenizer's layout has. Throws OptionError unless they grow, end at the size that is asked for, and have
 * 16,384 values in all at most, or as many as the layout has.
 * @example
 * scheduleOf({ parts: [{ shape: [8, 8] }] }, { schedule: [1, 4, 8], size: [8, 10] }) // [1, 1], [4, 5], [8, 10]
 */
export function scheduleOf(layout: Layout, asked: Pick<SampleOptions, 'schedule' | 'size'>): ScaleSize[] {
  const scales = scalesOf(layout, asked)
  const values = scales.reduce((sum, [height, width]) => sum + height * width, 0)
  const most = Math.max(mostValues, countValues(layout))
  if (values <= most) return scales
  throw new OptionError(`${values} values on scales up to ${scales.at(-1)!.join('×')}`, {
    expected: `at most ${most}`,
    fix: asked.schedule === undefined ? 'ask for a smaller size' : 'ask for fewer or smaller scales',
  })
}

function scalesOf(layout: Layout, { schedule, size }: Pick<SampleOptions, 'schedule' | 'size'>): ScaleSize[] {
  const own = gridsOf(layout)
  const last = size ?? own.at(-1)!
  if (schedule === undefined) return stretched(own, last)
  const shorter = Math.min(...last)
  const scales = schedule.map((each): ScaleSize => (typeof each === 'number' ? scaled(last, each / shorter) : each))
  checkGrowth(scales)
  const end = scales.at(-1)
  if (end?.[0] === last[0] && end[1] === last[1]) return scales
  throw new OptionError(`the schedule ends with ${end?.join('×') ?? 'nothing'}`, {
    expected: `the ${size === undefined ? "tokenizer's " : ''}size ${last.join('×')}`,
    ...(size === undefined && { fix: 'name another size' }),
  })
}

/** Own scales in proportion to another last size; of those that come out alike, one. */
function stretched(own: readonly ScaleSize[], last: ScaleSize): ScaleSize[] {
  const [height, width] = own.at(-1)!
  const all = own.map(
    ([y, x]): ScaleSize => [Math.max(1, Math.round((y * last[0]) / height)), Math.max(1, Math.round((x * last[1]) / width))],
  )
  return all.filter((size, k) => k === 0 || grows(all[k - 1]!, size))
}

function scaled([height, width]: ScaleSize, factor: number): ScaleSize {
  return [Math.max(1, Math.round(height * factor)), Math.max(1, Math.round(width * factor))]
}

function grows(before: ScaleSize, after: ScaleSize): boolean {
  return after[0] >= before[0] && after[1] >= before[1] && (after[0] > before[0] || after[1] > before[1])
}

function checkGrowth(scales: readonly ScaleSize[]): void {
  const wrong = scales.findIndex((size, k) => k > 0 && !grows(scales[k - 1]!, size))
  if (wrong < 0) return
  throw new OptionError(`scale ${scales[wrong]!.join('×')} of the schedule comes after ${scales[wrong - 1]!.join('×')}`, {
    expected: 'scales that grow',
  })
}

/**
 * The tokenizer that reads and paints codes of a layout: this one, or this one at other scales. Throws MismatchError when it has no other scales.
 */
export function tokenizerFor(tokenizer: ImageTokenizer, layout: Layout): ImageTokenizer {
  const shapes = ({ parts }: Layout) => parts.map(({ shape }) => shape.join('×')).join(', ')
  if (shapes(tokenizer.layout) === shapes(layout)) return tokenizer
  if (tokenizer.withScales !== undefined) return tokenizer.withScales(gridsOf(layout))
  throw new MismatchError(`codes on ${shapes(layout)} for the tokenizer ${tokenizer.kind}`, { expected: shapes(tokenizer.layout) })
}

/** Share of training schedules that have every scale. */
const wholeShare = 0.05

/**
 * Schedules that training sees, drawn anew for each sample, over `count` scales: int32 `[sample, scale]`, the scale before it in the schedule. The
 * first, which none comes before, and those left out have −1. First and last always take part; of those between, any number from a third on.
 */
export function drawSchedules(samples: number, count: number, rng: Rng): Int32Array {
  const before = new Int32Array(samples * count).fill(-1)
  for (let sample = 0; sample < samples; sample++) {
    const row = before.subarray(sample * count, (sample + 1) * count)
    let last = 0
    for (const scale of drawSchedule(count, rng.fold(sample))) {
      row[scale] = last
      last = scale
    }
  }
  return before
}

/** The scales after the first, in order. */
function drawSchedule(count: number, rng: Rng): readonly number[] {
  const inner = count - 2
  if (inner <= 0) return count === 2 ? [1] : []
  const least = Math.ceil(inner / 3)
  const kept = rng.uniformAt(0) < wholeShare ? inner : least + rng.integerAt(1, inner - least + 1)
  const chosen = Array.from(rng.fold('scales').permutation(inner).subarray(0, kept), (scale) => scale + 1)
  return [...chosen.sort((a, b) => a - b), count - 1]
}
