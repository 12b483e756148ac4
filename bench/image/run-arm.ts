import { arms } from './arms.ts'
import { type ArmRun, armOutcome, trainedArm } from './train-arm.ts'

// tsx bench/image/run-arm.ts <arm> <seed> [--quick] [--train-only]: trains and judges one arm, unless runs/ has it. Benchmarks find it there.

const [name = '', seed = '', ...flags] = process.argv.slice(2)
const arm = Object.hasOwn(arms, name) ? arms[name] : undefined
if (arm === undefined || !/^\d+$/.test(seed) || flags.some((flag) => flag !== '--quick' && flag !== '--train-only')) {
  console.error(`usage: run-arm <${Object.keys(arms).join('|')}> <seed> [--quick] [--train-only]`)
  process.exit(2)
}
const run: ArmRun = { name, seed: Number(seed), quick: flags.includes('--quick') }
const outcome = await (flags.includes('--train-only') ? trainedArm(run) : armOutcome(run))
console.log(JSON.stringify({ name, ...outcome }))
