import { openIsolated } from './engine/isolated.ts'
import { allMatches, type Match, matchName, specOf } from './engine/matches.ts'
import { metric } from './engine/speed-findings.ts'
import type { Bench, Findings, Gate } from './lib/result.ts'
import { pairedRatios } from './lib/statistics.ts'

const counts = [1, 2, 4, 8, 16] as const
const prefix = 128
const names = ['nextx', 'llama.cpp'] as const

/** Milliseconds by engine and number of tokens, one a round. */
type Times = Readonly<Record<(typeof names)[number], ReadonlyMap<number, number[]>>>

export const bench: Bench = {
  title: 'Cost of extending by 1, 2, 4, 8 or 16 tokens at once, with the logits of each: what speculation pays',
  cards: ['engine'],
  async run({ quick }): Promise<Findings> {
    const matches = quick
      ? allMatches(['15M'], ['f32', 'q8_0', 'q4_0'], [1])
      : allMatches(['110M'], ['f32', 'q8_0', 'q4_0'], [1, 2])
    const all = new Map<Match, Times>()
    for (const match of matches) all.set(match, await extendInTurns(match, quick ? 4 : 15))
    return findings(all)
  },
}

async function extendInTurns(match: Match, rounds: number): Promise<Times> {
  const times = { nextx: new Map<number, number[]>(), 'llama.cpp': new Map<number, number[]>() }
  const engines = {
    nextx: await openIsolated('nextx', await specOf('nextx', match, 1)),
    'llama.cpp': await openIsolated('llama.cpp', await specOf('llama.cpp', match, 1)),
  }
  try {
    for (const tokens of counts) for (const name of names) await engines[name].extend({ prefix, tokens, times: 2 })
    for (let round = 0; round < rounds; round++)
      for (const tokens of counts)
        for (const name of names) {
          const [first] = (await engines[name].extend({ prefix, tokens, times: 3 })).toSorted((a, b) => a - b)
          times[name].set(tokens, [...(times[name].get(tokens) ?? []), first!])
        }
    console.log(`${matchName(match)}: done`)
  } finally {
    for (const engine of Object.values(engines)) await engine.close()
  }
  return times
}

function findings(all: ReadonlyMap<Match, Times>): Findings {
  const arms = [...all].flatMap(([match, times]) =>
    names.map((name) => {
      const metrics = [...times[name]].map(([tokens, values]) => [`by ${tokens}`, metric(values, 'ms')] as const)
      return [`${name}, ${matchName(match)}`, Object.fromEntries(metrics)] as const
    }),
  )
  const ratios = [...all].flatMap(([match, times]) =>
    names.flatMap((name) =>
      counts.slice(1).map((tokens) => {
        const cost = pairedRatios(times[name].get(tokens)!, times[name].get(1)!)
        return [`${name}, ${matchName(match)}: ${tokens} tokens / 1 token`, cost] as const
      }),
    ),
  )
  return {
    arms: Object.fromEntries(arms),
    ratios: Object.fromEntries(ratios),
    gates: [...all].map(([match, times]) => amortises(match, times)),
    notes: [
      `behind ${prefix} positions; nextx gives the logits of every fed token, llama.cpp of the last, because node-llama-cpp draws from rows of logits one by one at a higher cost than the network's; nextx keeps the tokens as scratch, llama.cpp erases them (not timed)`,
    ],
    seeds: [1],
    versions: { 'node-llama-cpp': '3.22.1', 'onnxruntime-node': '1.30.0' },
  }
}

/** Four tokens at once must be cheaper than four times one: otherwise no speculation pays. */
function amortises(match: Match, times: Times): Gate {
  const { median } = pairedRatios(times.nextx.get(4)!, times.nextx.get(1)!)
  return {
    name: `${matchName(match)}: 4 tokens at once`,
    want: '≤ 3 × one',
    got: `${median.toFixed(2)} ×`,
    pass: median <= 3,
    hard: false,
  }
}
