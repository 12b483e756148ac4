import { arms } from './arms.ts'
import { armOutcome } from './train-arm.ts'

// tsx bench/image/run-arm.ts <arm> <seed> [--quick]: trains and judges one arm, unless runs/ has it. Benchmarks then find it there.

const [name = '', seed = '', ...flags] = process.argv.slice(2)
const arm = Object.hasOwn(arms, name) ? arms[name] : undefined
if (arm === undefined || !/^\d+$/.test(seed) || flags.some((flag) => flag !== '--quick')) {
  console.error(`usage: run-arm <${Object.keys(arms).join('|')}> <seed> [--quick]`)
  process.exit(2)
}
const { arm: _, ...outcome } = await armOutcome(name, arm, Number(seed), flags.includes('--quick'))
console.log(JSON.stringify({ name, ...outcome }))
