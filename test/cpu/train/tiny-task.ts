import { createRng } from '../../../src/base/rng.ts'
import { initialize, Linear, namedVariables, zeros } from '../../../src/nn/index.ts'
import type { Device } from '../../../src/platform/device.ts'
import { add, float32, type InputSpec, mean, square, subtract, tanh } from '../../../src/tensor/index.ts'
import { adamw, cosine, ema, type FitOptions, type TrainingTask } from '../../../src/train/index.ts'

/** Two layers, 3 → 5 → 1. */
export class TinyModel {
  readonly first = new Linear(3, 5, { bias: zeros })
  readonly second = new Linear(5, 1, { bias: zeros })
}

export type TinyInputs = { readonly x: InputSpec; readonly y: InputSpec; readonly noise: InputSpec }

/** Regression with noise on the targets; everything random is drawn from a stream of the batch's own. */
export async function tinyTask(rows = 4, seed = 1): Promise<TrainingTask<TinyInputs> & { module: TinyModel }> {
  const module = new TinyModel()
  await initialize(module, createRng(seed).fold('model'))
  const data = createRng(seed).fold('data')
  const batchAt = (index: number) => batchOf(rows, data.fold('train').fold(index))
  const validation = { batches: 2, batchAt: (index: number) => batchOf(rows, data.fold('validation').fold(index)) }
  const inputs = { x: float32(rows, 3), y: float32(rows, 1), noise: float32(rows, 1) }
  const loss: TrainingTask<TinyInputs>['loss'] = ({ x, y, noise }) => {
    const guess = module.second.forward(tanh(module.first.forward(x)))
    return { total: mean(square(subtract(guess, add(y, noise)))), parts: { bias: mean(guess) } }
  }
  return { module, inputs, loss, batchAt, validation, fingerprint: `tiny ${seed}` }
}

function batchOf(rows: number, rng: ReturnType<typeof createRng>) {
  const x = rng.fold('x').fillNormal(new Float32Array(rows * 3))
  const noise = rng
    .fold('noise')
    .fillNormal(new Float32Array(rows))
    .map((value) => value * 0.1)
  return { x, noise, y: Float32Array.from({ length: rows }, (_, row) => Math.sin(x[row * 3]!) + x[row * 3 + 1]!) }
}

/** Settings of a run in which everything has state. */
export function busySettings(device: Device, folder: string, steps: number): FitOptions {
  return {
    device,
    steps,
    learningRate: cosine({ peak: 0.05, warmup: 3, steps }),
    optimizer: adamw({ betas: [0.9, 0.95] }),
    clip: 0.5,
    accumulate: 2,
    average: ema({ decay: 0.9 }),
    validateEvery: 7,
    folder,
    checkpointEvery: 3,
    keep: 2,
  }
}

/** All values of a module, by name. */
export async function valuesOf(module: object): Promise<Record<string, number[]>> {
  const values: Record<string, number[]> = {}
  for (const [name, variable] of namedVariables(module)) values[name] = Array.from(await variable.read(), Number)
  return values
}
