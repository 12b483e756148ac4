import { arms, type Sampling } from './arms.ts'
import { armScores } from './train-arm.ts'

// tsx bench/image/search.ts <arm> <seed>: FD64 of ways to draw, against pictures that are neither learnt from nor tested on. The best is written into arms.ts by hand.

const [name = '', seed = ''] = process.argv.slice(2)
const arm = Object.hasOwn(arms, name) ? arms[name] : undefined
if (arm === undefined || !/^\d+$/.test(seed)) {
  console.error(`usage: search <${Object.keys(arms).join('|')}> <seed>`)
  process.exit(2)
}

const guidances = [1.5, 2, ['linear', 1.5], ['linear', 2], ['linear', 3]] as const satisfies readonly Sampling['guidance'][]
const ways = guidances.flatMap((guidance) => [1, 0.95, 0.9].map((topP): Sampling => ({ ...arm.sampling, guidance, topP })))
for (const sampling of ways) {
  const { frechetDistance, accuracy } = await armScores(
    { name, seed: Number(seed), quick: false },
    { sampling, part: 'development', samples: 1000 },
  )
  console.log(`${frechetDistance.toFixed(1)}  ACC ${(100 * accuracy).toFixed(1)} %  ${JSON.stringify(sampling)}`)
}
