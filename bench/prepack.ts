import { loadModel } from 'nextx'
import type { Stepper, StepperState } from 'nextx/decode'
import { openStepper, packPrompts } from 'nextx/engine'
import { openDevice } from 'nextx/platform'
import { fixedIds } from './engine/ids.ts'
import { logNormal } from './engine/schedule.ts'
import { metric, spread } from './engine/speed-findings.ts'
import { benchGguf } from './lib/gguf-files.ts'
import { uniformGenerator } from './lib/random.ts'
import type { Bench, Findings, Gate } from './lib/result.ts'
import { pairedRatios, type Summary } from './lib/statistics.ts'

const capacity = 512
const prompts = 16
/** Prompts of neighbouring lengths that share a call. */
const sortedBatch = 4

type AnyStepper = Stepper<StepperState>

/** How 16 prompts become states whose next token can be drawn: groups of prompts, each one call of `extend`. */
interface Way {
  readonly stepper: AnyStepper
  readonly groups: readonly (readonly number[])[]
  /** Positions computed, padding included. */
  readonly fed: number
}

export const bench: Bench = {
  title: 'Prompts of different lengths packed into rows, against padded and length-sorted batches',
  cards: ['173', 'engine'],
  async run({ quick }): Promise<Findings> {
    await using device = await openDevice({ threads: 1 })
    const model = await loadModel(await benchGguf('15M', 'f32'), { device })
    const decoder = { backbone: model.network.model, head: model.network.lm_head }
    await using packing = openStepper(decoder, { device, cache: 'writing', packing: capacity })
    await using plain = openStepper(decoder, { device, cache: 'writing', packing: 0 })
    const ragged = raggedLengths()
    const equal = new Array<number>(prompts).fill(90)
    const ways = waysOf(ragged, packing as AnyStepper, plain as AnyStepper)
    const difference = largestDifference(await prefill(ways.packed, ragged), await prefill(ways.padded, ragged))
    const rounds = quick ? 2 : 9
    const times = await timeInTurns(ways, ragged, rounds)
    const { packed, padded } = waysOf(equal, packing as AnyStepper, plain as AnyStepper)
    const even = await timeInTurns({ packed, padded }, equal, rounds)
    await model[Symbol.asyncDispose]()
    return findings(ways, times, even, { difference, lengths: ragged })
  },
}

/** Log-normal, mean about 90; the longest is the cut, as one of a batch often is. */
function raggedLengths(): number[] {
  const uniform = uniformGenerator(2)
  const drawn = Array.from({ length: prompts - 1 }, () => logNormal({ mean: 65, sigma: 0.9, most: capacity }, uniform))
  return [...drawn, capacity]
}

function waysOf(lengths: readonly number[], packing: AnyStepper, plain: AnyStepper) {
  const all = lengths.map((_, index) => index)
  const sorted = all.toSorted((a, b) => lengths[a]! - lengths[b]!)
  const groups = Array.from({ length: prompts / sortedBatch }, (_, i) => sorted.slice(i * sortedBatch, (i + 1) * sortedBatch))
  const longest = (group: readonly number[]) => Math.max(...group.map((index) => lengths[index]!))
  const rows = packPrompts(lengths, capacity).map((row) => row.reduce((total, { length }) => total + length, 0))
  return {
    packed: { stepper: packing, groups: [all], fed: rows.length * Math.max(...rows) },
    padded: { stepper: plain, groups: [all], fed: prompts * longest(all) },
    'length-sorted': { stepper: plain, groups, fed: groups.reduce((total, group) => total + group.length * longest(group), 0) },
  } satisfies Record<string, Way>
}

/** Logits after every prompt. */
async function prefill({ stepper, groups }: Way, lengths: readonly number[]): Promise<Float32Array[]> {
  const states = await Promise.all(lengths.map(() => stepper.open()))
  const logits: Float32Array[] = []
  for (const group of groups) {
    const batch = group.map((index) => ({ state: states[index]!, tokens: fixedIds(index, lengths[index]!) }))
    const outputs = await stepper.extend(batch, { keep: 'append', logits: 'last' })
    for (const [i, index] of group.entries()) logits[index] = outputs[i]!.logits
  }
  for (const state of states) await stepper.close(state)
  return logits
}

function largestDifference(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return Math.max(...a.map((row, i) => row.reduce((most, value, j) => Math.max(most, Math.abs(value - b[i]![j]!)), 0)))
}

type Times = ReadonlyMap<string, number[]>

async function timeInTurns(ways: Readonly<Record<string, Way>>, lengths: readonly number[], rounds: number): Promise<Times> {
  const times = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]))
  for (const way of Object.values(ways)) await prefill(way, lengths)
  for (let round = 0; round < rounds; round++)
    for (const [name, way] of Object.entries(ways)) {
      const start = performance.now()
      await prefill(way, lengths)
      times.get(name)!.push(performance.now() - start)
    }
  return times
}

interface Checked {
  readonly difference: number
  readonly lengths: readonly number[]
}

function findings(ways: Readonly<Record<string, Way>>, times: Times, even: Times, { difference, lengths }: Checked): Findings {
  const against = (name: string) => pairedRatios(times.get('packed')!, times.get(name)!)
  const overhead = pairedRatios(even.get('packed')!, even.get('padded')!)
  const share = ways.packed!.fed / ways.padded!.fed
  const arms = Object.entries(ways).map(([name, { fed }]) => {
    return [name, { time: metric(times.get(name)!, 'ms'), 'positions fed': metric([fed], 'positions') }] as const
  })
  return {
    arms: Object.fromEntries(arms),
    ratios: {
      'time, packed / padded': against('padded'),
      'time, packed / length-sorted': against('length-sorted'),
      'time, packed / padded, equal lengths': overhead,
    },
    gates: [
      { name: 'positions fed, packed / padded', want: '≤ 0.35', got: share.toFixed(2), pass: share <= 0.35, hard: true },
      atMost('time, packed / padded', against('padded'), 0.6),
      atMost('time, packed / padded, equal lengths', overhead, 1.05),
      { name: 'the same logits', want: '≤ 1e-4', got: difference.toExponential(1), pass: difference <= 1e-4, hard: true },
    ],
    notes: [
      `15M float32, 1 thread; lengths ${lengths.toSorted((a, b) => a - b).join(', ')}; rows of at most ${capacity}; sorted batches of ${sortedBatch}; equal lengths: 90`,
    ],
    seeds: [2],
    versions: { 'onnxruntime-node': '1.30.0' },
  }
}

function atMost(name: string, ratio: Summary, want: number): Gate {
  return { name, want: `≤ ${want}`, got: spread(ratio), pass: ratio.median <= want, hard: false }
}
