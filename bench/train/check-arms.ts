import type { TrainArm } from './arm.ts'
import { isolated } from './isolated.ts'
import {
  type Batch,
  benchSpec,
  floatingOperationsPerStep,
  initialWeights,
  type ModelSpec,
  randomBatches,
  readTinyShakespeare,
  realBatches,
  tinySpec,
} from './model-spec.ts'
import { doubles, oracleLoss, oracleTraining } from './oracle.ts'

// tsx bench/train/check-arms.ts [timed steps]: every arm against the oracle on a tiny model (five updates), against the oracle's
// first loss and against each other on the real one, and how fast each is.

const arms = [isolated('jax-js', 1), isolated('jax-js', 2), isolated('tfjs-wasm', 1), isolated('tfjs-wasm', 2)]
const compared = 5

interface Outcome {
  readonly losses: readonly number[]
  /** Milliseconds of each step. */
  readonly times: readonly number[]
}

async function train(
  arm: TrainArm,
  spec: ModelSpec,
  weights: ReadonlyMap<string, Float32Array>,
  batches: readonly Batch[],
): Promise<Outcome> {
  const running = await arm.open(spec, weights)
  const losses: number[] = []
  const times: number[] = []
  for (const { x, y } of batches) {
    const start = performance.now()
    losses.push(await running.step(x, y))
    times.push(performance.now() - start)
  }
  await running.close()
  return { losses, times }
}

function check(what: string, got: readonly number[], want: readonly number[], tolerance: number): void {
  const worst = Math.max(...want.map((value, i) => Math.abs(got[i]! - value) / value))
  // Not `worst > tolerance`: NaN must fail.
  const passed = worst <= tolerance
  if (!passed) process.exitCode = 1
  console.log(`${passed ? 'ok    ' : 'FAILED'} ${what}: worst relative difference ${worst.toExponential(1)}, allowed ${tolerance}`)
}

function label(arm: TrainArm): string {
  return `${arm.name} ${arm.version}, ${arm.threads} thread${arm.threads === 1 ? '' : 's'}`
}

async function checkTiny(): Promise<void> {
  const weights = initialWeights(1, tinySpec, 0.3)
  const batches = randomBatches(tinySpec, compared)
  const want = oracleTraining(tinySpec, weights, batches)
  for (const arm of arms) {
    const { losses } = await train(arm, tinySpec, weights, batches)
    check(`${label(arm)}, tiny model against the oracle, ${compared} updates`, losses, want, 1e-5)
  }
}

function report(arm: TrainArm, { losses, times }: Outcome): void {
  const sorted = times.slice(1).sort((a, b) => a - b)
  const median = sorted[sorted.length >> 1]!
  const tokens = ((benchSpec.batch * benchSpec.context) / median) * 1000
  const rate = floatingOperationsPerStep(benchSpec) / median / 1e6
  const spread = `${sorted[0]!.toFixed(0)}–${sorted.at(-1)!.toFixed(0)}`
  console.log(`${label(arm)}: ${median.toFixed(0)} ms a step (${spread}), ${tokens.toFixed(0)} tokens/s, ${rate.toFixed(1)} GFLOPS`)
  console.log(`  losses ${losses.map((loss) => loss.toFixed(6)).join(' ')}`)
}

async function checkReal(timedSteps: number): Promise<void> {
  const text = readTinyShakespeare()
  if (text === undefined) {
    console.log('skipped: the real model needs text/tinyshakespeare/input.txt in data/ or in the folder that NEXTX_DATA names')
    return
  }
  const weights = initialWeights(1)
  const batches = realBatches(text, benchSpec, Math.max(compared, 1 + timedSteps))
  const first = oracleLoss(benchSpec, doubles(weights), batches[0]!)
  let reference: readonly number[] | undefined
  for (const arm of arms) {
    const outcome = await train(arm, benchSpec, weights, batches)
    report(arm, outcome)
    reference ??= outcome.losses
    check('first loss against the oracle', outcome.losses.slice(0, 1), [first], 1e-5)
    check(
      `first ${compared} losses against ${label(arms[0]!)}`,
      outcome.losses.slice(0, compared),
      reference.slice(0, compared),
      2e-3,
    )
  }
}

await checkTiny()
await checkReal(Number(process.argv[2] ?? 5))
