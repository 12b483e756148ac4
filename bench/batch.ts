import { contest } from './engine/contest.ts'
import { allMatches } from './engine/matches.ts'
import { decodeTrial } from './engine/race.ts'
import type { BenchSize } from './lib/gguf-files.ts'
import type { Bench, Findings } from './lib/result.ts'

/** Steps of a round with 4 rows; fewer with more. */
const steps: Readonly<Record<BenchSize, number>> = { '15M': 80, '110M': 20, '410M': 8, '1B': 4 }

export const bench: Bench = {
  title: 'Decoding 4, 8 and 16 sequences together against llama.cpp',
  cards: ['engine', '17', '40'],
  async run({ quick }): Promise<Findings> {
    const matches = quick
      ? allMatches(['15M'], ['f32', 'q8_0', 'q4_0'], [1])
      : allMatches(['15M', '110M'], ['f32', 'q8_0', 'q4_0', 'q4, block 128'], [1])
    const { findings } = await contest({
      matches,
      rounds: quick ? 2 : 3,
      trials: ({ size }) =>
        [4, 8, 16].map((rows) => decodeTrial(rows, 16, Math.max(2, Math.round((steps[size] * 8) / (rows + 4))))),
      target: ({ match }) => (match.weights === 'q4_0' ? undefined : match.weights === 'q4, block 128' ? 1 : 1.5),
    })
    return findings
  },
}
