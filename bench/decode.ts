import { contest } from './engine/contest.ts'
import { allMatches, cacheBytes, matchName, weightBytes } from './engine/matches.ts'
import { decodeTrial, type MatchRecord } from './engine/race.ts'
import { atLeast, metric } from './engine/speed-findings.ts'
import { type Bandwidth, readBandwidth } from './lib/bandwidth.ts'
import type { BenchSize } from './lib/gguf-files.ts'
import type { Bench, Findings, Gate } from './lib/result.ts'
import { type Summary, summarise } from './lib/statistics.ts'

const prompt = 32
/** Steps of a round: about a second each. */
const steps: Readonly<Record<BenchSize, number>> = { '15M': 160, '110M': 48, '410M': 16, '1B': 8 }

export const bench: Bench = {
  title: 'Decoding one token at a time against llama.cpp, 15M to 1B parameters, f32, 8 and 4 bits',
  cards: ['engine', '17'],
  async run({ quick }): Promise<Findings> {
    const matches = quick
      ? allMatches(['15M'], ['f32', 'q8_0', 'q4_0'], [1])
      : [
          ...allMatches(['15M', '110M'], ['f32', 'q8_0', 'q4_0', 'q4, block 128'], [1, 2]),
          ...allMatches(['410M'], ['f32', 'q8_0', 'q4, block 128'], [1]),
          ...allMatches(['1B'], ['q8_0', 'q4_0'], [1]),
        ]
    const bandwidth = new Map<number, Bandwidth>()
    for (const threads of new Set(matches.map((match) => match.threads)))
      bandwidth.set(threads, await readBandwidth(threads, quick ? 3 : 15))
    const { records, findings } = await contest({
      matches,
      rounds: quick ? 2 : 3,
      trials: ({ size }) => [decodeTrial(1, prompt, steps[size])],
      // Blocks of 32 are reported; the target is for our best block.
      target: ({ match }) => (match.weights === 'q4_0' ? undefined : match.size === '15M' ? 1.5 : 1),
    })
    const shares = Object.fromEntries(records.map((record) => [shareName(record), bandwidthShare(record, bandwidth)] as const))
    return {
      ...findings,
      arms: { ...findings.arms, ...bandwidthArms(bandwidth) },
      ratios: { ...findings.ratios, ...shares },
      gates: [...findings.gates, ...shareGates(records, shares), ...records.flatMap(memoryGates)],
      notes: [...findings.notes, bandwidthNote],
    }
  },
}

const bandwidthNote =
  'share of the bandwidth: bytes of the weights that a step reads (as the file stores them) × steps per second, over the rate at which ONNX Runtime reads a float32 matrix of 512 MiB'

const shareName = ({ match }: MatchRecord) => `${matchName(match)}: nextx, share of the read bandwidth`

function bandwidthShare({ match, engines }: MatchRecord, bandwidth: ReadonlyMap<number, Bandwidth>): Summary {
  const bytesPerSecond = bandwidth.get(match.threads)!.best * 1e9
  return summarise(engines.nextx.rates.get('decode')!.map((rate) => (rate * weightBytes(match).read) / bytesPerSecond))
}

function bandwidthArms(bandwidth: ReadonlyMap<number, Bandwidth>): Findings['arms'] {
  const entries = [...bandwidth].map(([threads, { sums, product }]) => {
    const rates = { 'sums of rows': metric([sums], 'GB/s'), 'matrix by vector': metric([product], 'GB/s') }
    return [`reading memory, ${threads} thread(s)`, rates] as const
  })
  return Object.fromEntries(entries)
}

function shareGates(records: readonly MatchRecord[], shares: Readonly<Record<string, Summary>>): Gate[] {
  return records
    .filter(({ match }) => (match.size === '410M' || match.size === '1B') && (match.weights === 'f32' || match.weights === 'q8_0'))
    .map((record) => atLeast(shareName(record), shares[shareName(record)]!, 0.85))
}

/** Weights as stored, keys and values, and 150 MiB for everything else; while loading never a second copy. */
function memoryGates({ match, engines }: MatchRecord): Gate[] {
  const { stored } = weightBytes(match)
  const allowed = stored + cacheBytes(match, prompt + steps[match.size]) + 150 * 2 ** 20
  const { resident, peak } = engines.nextx.memory
  const gate = (name: string, got: number, limit: number): Gate => ({
    name: `${matchName(match)}: ${name}`,
    want: `≤ ${(limit / 2 ** 20).toFixed(0)} MiB`,
    got: `${(got / 2 ** 20).toFixed(0)} MiB`,
    pass: got <= limit,
    hard: false,
  })
  const gates = [gate('resident set', resident, allowed)]
  if (match.size === '1B' && match.weights === 'q8_0') gates.push(gate('most memory, loading included', peak, 2 * stored))
  return gates
}
