import { OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { scoringWindows, type Tokens, type WeightedBatch, windows } from '../data/index.ts'
import { negativeLogLikelihood } from '../objectives/index.ts'
import { raster } from '../orders/index.ts'
import { sha256 } from '../platform/digest.ts'
import { float32, type InputSpec, type Inputs, int32 } from '../tensor/index.ts'
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

type TextInputs = { readonly ids: InputSpec; readonly targets: InputSpec; readonly weights: InputSpec }

const optionNames = ['train', 'validation', 'batch', 'length', 'seed', 'validationBatches'] satisfies (keyof TextTaskOptions)[]

/**
 * What `fit` needs to train a text model: mean −log p(next token) over windows of the tokens, in nats. Throws OptionError on bad options,
 * DataError when the tokens do not fill a window.
 */
export function textTask(model: TextModel, options: TextTaskOptions): TrainingTask<TextInputs> {
  refuseUnknown(options, optionNames, 'textTask')
  const { train, validation, batch, seed } = options
  const { length = model.network.model.context, validationBatches = Number.POSITIVE_INFINITY } = options
  const plan = raster().plan({ parts: [{ shape: [length] }] })
  const predictor = { backbone: model.network.model, head: model.network.lm_head }
  const drawn = windows(train, { length, batch, seed })
  checkLength(length, model.network.model.context)
  const inputs = { ids: int32(batch, length), targets: int32(batch, length), weights: float32(batch, length) } satisfies Inputs
  const all = new Float32Array(batch * length).fill(1)
  return {
    module: model.network,
    inputs,
    loss: ({ ids, targets, weights }) => ({ total: negativeLogLikelihood(predictor, plan, ids, targets, weights) }),
    batchAt: (step) => feeds({ ...drawn.batchAt(step), weight: all }),
    ...(validation && { validation: heldOut(validation, { length, batch }, validationBatches) }),
    fingerprint: fingerprint(model, options, length),
  }
}

function heldOut(tokens: Tokens, size: { readonly length: number; readonly batch: number }, most: number) {
  const scoring = scoringWindows(tokens, size)
  // The last batch may be padded: with others before it, a mean of batch means would not be the mean over tokens.
  const full = Math.floor((tokens.length - 1) / (size.length * size.batch))
  return { batches: Math.max(1, Math.min(full, most)), batchAt: (index: number) => feeds(scoring.batchAt(index)) }
}

function feeds({ x, y, weight }: WeightedBatch) {
  return { ids: x, targets: y, weights: weight }
}

/** Changes with everything that decides what a step is fed and held to. */
function fingerprint({ tokenizer }: TextModel, { train, validation, batch, seed }: TextTaskOptions, length: number): string {
  const bytes = (tokens: Tokens) => new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength)
  const vocabulary = new TextEncoder().encode(JSON.stringify(tokenizer.toJSON()))
  // One by one: where the held-out part begins is part of what the run is.
  const parts = [bytes(train), ...(validation === undefined ? [] : [bytes(validation)]), vocabulary]
  return `text ${parts.map((part) => sha256([part])).join(' ')} ${length}x${batch} ${seed}`
}

function checkLength(length: number, context: number): void {
  if (length > context)
    throw new OptionError(`textTask: length ${length}`, { expected: `at most the model's context of ${context}` })
}
