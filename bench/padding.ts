import { openDevice } from 'nextx/platform'
import { atLeast, metric, spread } from './engine/speed-findings.ts'
import { uniformGenerator } from './lib/random.ts'
import type { Bench, Findings, Gate } from './lib/result.ts'
import { pairedRatios, type Summary } from './lib/statistics.ts'
import { bucketed, type Feeding, largestDifference, openEncoder, packedRows, padded } from './packing/encoder.ts'

const count = 64
const bucket = 32

/** Sequences of uniform lengths, and of the one length that they would be padded to. */
function sequencesOf(kind: 'ragged' | 'equal'): Int32Array[] {
  const uniform = uniformGenerator(1)
  return Array.from({ length: count }, () => {
    const length = 4 + Math.floor(uniform() * 253)
    return Int32Array.from({ length: kind === 'ragged' ? length : 256 }, () => Math.floor(uniform() * 1000))
  })
}

export const bench: Bench = {
  title: 'Encoding ragged sequences packed, in buckets and padded: width 256, 4 layers, 64 sequences of 4 to 256 tokens',
  cards: ['104'],
  async run({ quick }): Promise<Findings> {
    await using device = await openDevice({ threads: 1 })
    const encode = await openEncoder(device)
    const ragged = sequencesOf('ragged')
    const equal = sequencesOf('equal')
    const ways = { padded: padded(ragged), packed: packedRows(ragged), 'in buckets': bucketed(ragged, bucket) }
    const even = { padded: padded(equal), packed: packedRows(equal) }
    const results = {
      padded: await encode(ways.padded),
      packed: await encode(ways.packed),
      buckets: await encode(ways['in buckets']),
    }
    const difference = Math.max(
      largestDifference(ragged, [ways.padded, results.padded], [ways.packed, results.packed]),
      largestDifference(ragged, [ways.padded, results.padded], [ways['in buckets'], results.buckets]),
    )
    const rounds = quick ? 3 : 9
    const times = await timeInTurns(encode, ways, rounds)
    return findings(ways, times, await timeInTurns(encode, even, quick ? 2 : rounds), difference)
  },
}

type Times = ReadonlyMap<string, number[]>

/** Milliseconds of each way, in rounds. */
async function timeInTurns(
  encode: (feeding: Feeding) => Promise<unknown>,
  ways: Readonly<Record<string, Feeding>>,
  rounds: number,
) {
  const times = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]))
  for (let round = 0; round < rounds; round++)
    for (const [name, way] of Object.entries(ways)) {
      const start = performance.now()
      await encode(way)
      times.get(name)!.push(performance.now() - start)
    }
  return times
}

function findings(ways: Readonly<Record<string, Feeding>>, times: Times, even: Times, difference: number): Findings {
  const gain = (name: string) => pairedRatios(times.get('padded')!, times.get(name)!)
  const ideal = ways.padded!.fed / ways.packed!.fed
  const overhead = pairedRatios(even.get('packed')!, even.get('padded')!)
  const arms = Object.entries(ways).map(([name, { fed, calls }]) => {
    const slots = { 'slots fed': metric([fed], 'slots'), calls: metric([calls.length], 'calls') }
    return [name, { time: metric(times.get(name)!, 'ms'), ...slots }] as const
  })
  const packed = gain('packed')
  return {
    arms: Object.fromEntries(arms),
    ratios: { 'padded / packed': packed, 'padded / in buckets': gain('in buckets'), 'packed / padded, equal lengths': overhead },
    gates: [
      atLeast('padded / the faster of the two', best(packed, gain('in buckets')), 1.6),
      atLeast('share of the ideal gain', scaled(best(packed, gain('in buckets')), 1 / ideal), 0.8),
      equalLengths(overhead),
      {
        name: 'the same states, padded or not',
        want: '≤ 1e-5',
        got: difference.toExponential(1),
        pass: difference <= 1e-5,
        hard: true,
      },
    ],
    notes: [`1 thread; buckets of ${bucket}; ideal gain: slots fed padded over slots fed packed, ${ideal.toFixed(2)}`],
    seeds: [1],
    versions: { 'onnxruntime-node': '1.30.0' },
  }
}

const best = (a: Summary, b: Summary) => (a.median >= b.median ? a : b)
const scaled = ({ median, min, max }: Summary, by: number): Summary => ({ median: median * by, min: min * by, max: max * by })

function equalLengths(overhead: Summary): Gate {
  return {
    name: 'packed / padded, equal lengths',
    want: '≤ 1.05',
    got: spread(overhead),
    pass: overhead.median <= 1.05,
    hard: false,
  }
}
