import { contest } from './engine/contest.ts'
import { allMatches } from './engine/matches.ts'
import { prefillTrial } from './engine/race.ts'
import type { Bench, Findings } from './lib/result.ts'

export const bench: Bench = {
  title: 'Reading prompts of 256 and 512 tokens against llama.cpp',
  cards: ['engine'],
  async run({ quick }): Promise<Findings> {
    const matches = quick
      ? allMatches(['15M'], ['f32', 'q8_0', 'q4_0'], [1])
      : allMatches(['15M', '110M'], ['f32', 'q8_0', 'q4_0', 'q4, block 128'], [1])
    const { findings } = await contest({
      matches,
      rounds: quick ? 2 : 3,
      trials: () => [prefillTrial(256), prefillTrial(512)],
      target: ({ match }) => (match.weights === 'q4_0' ? undefined : 1),
    })
    return findings
  },
}
