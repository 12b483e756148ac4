import { scoringWindows, type Tokens, windows } from '../data/index.ts'
import { negativeLogLikelihood } from '../objectives/index.ts'
import { raster } from '../orders/index.ts'
import { type InputSpec, type Inputs, int32 } from '../tensor/index.ts'
import type { TrainingTask } from '../train/index.ts'
import type { TextModel } from './text-model.ts'

export interface TextTaskOptions {
  readonly train: Tokens
  /** Held-out tokens; without them there is no validation. */
  readonly validation?: Tokens
  /** Sequences per step. */
  readonly batch: number
  /** Tokens per sequence. Default: the model's context. */
  readonly length?: number
  /** Chooses the windows of each step. */
  readonly seed: number
  /** Most held-out batches per validation. Default: all that are full. */
  readonly validationBatches?: number
}

type TextInputs = { readonly ids: InputSpec; readonly targets: InputSpec }

/** What `fit` needs to train a text model: mean −log p(next token) over windows of the tokens, in nats. */
export function textTask(
  model: TextModel,
  { train, validation, batch, seed, ...options }: TextTaskOptions,
): TrainingTask<TextInputs> {
  const { length = model.network.model.context, validationBatches = Number.POSITIVE_INFINITY } = options
  const plan = raster().plan({ parts: [{ shape: [length] }] })
  const predictor = { backbone: model.network.model, head: model.network.lm_head }
  const drawn = windows(train, { length, batch, seed })
  const inputs = { ids: int32(batch, length), targets: int32(batch, length) } satisfies Inputs
  return {
    module: model.network,
    inputs,
    loss: ({ ids, targets }) => ({ total: negativeLogLikelihood(predictor, plan, ids, targets) }),
    batchAt: (step) => feeds(drawn.batchAt(step)),
    ...(validation && { validation: heldOut(validation, { length, batch }, validationBatches) }),
    fingerprint: `text ${train.length} ${length}x${batch} ${seed}`,
  }
}

function heldOut(tokens: Tokens, size: { readonly length: number; readonly batch: number }, most: number) {
  const scoring = scoringWindows(tokens, size)
  // The last batch may be padded; a mean of batch means is then not the mean over tokens.
  const full = Math.floor((tokens.length - 1) / (size.length * size.batch))
  return { batches: Math.max(1, Math.min(full, most)), batchAt: (index: number) => feeds(scoring.batchAt(index)) }
}

function feeds({ x, y }: { readonly x: Int32Array; readonly y: Int32Array }) {
  return { ids: x, targets: y }
}
