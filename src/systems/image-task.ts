import * as v from 'valibot'
import type { CodeBatch } from '../base/codes.ts'
import { DataError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { createRng, type Rng } from '../base/rng.ts'
import { firstRow, shuffledItems } from '../data/batches.ts'
import { sha256 } from '../platform/digest.ts'
import type { FeedValue } from '../tensor/index.ts'
import type { TrainingTask } from '../train/index.ts'
import { checkCodes as checkCodesOf } from './image-coder.ts'
import { chosenCodes } from './image-engines/choose-codes.ts'
import type { ImageModel } from './image-model.ts'

/** Tokenized pictures with their classes. */
export interface LabelledCodes {
  readonly codes: CodeBatch
  /** One per sample; all 0 where the model has no classes. */
  readonly labels: Int32Array
}

export interface ImageTaskOptions {
  readonly train: LabelledCodes
  /** Held-out samples; without them there is no validation. */
  readonly validation?: LabelledCodes
  /** Samples per step. */
  readonly batch: number
  /** Chooses samples, drops labels, and is the source of all noise. */
  readonly seed: number
  /** Most held-out batches per validation. Default: all that are full. */
  readonly validationBatches?: number
}

const schema = v.strictObject({
  train: v.looseObject({}),
  validation: v.optional(v.looseObject({})),
  batch: wholeNumber(1),
  seed: wholeNumber(0),
  validationBatches: v.optional(wholeNumber(1)),
})

/**
 * What `fit` needs to train a model of pictures: every step draws samples, each epoch in an order of its own, and drops the labels of some. Throws
 * OptionError on bad options, DataError on samples that are too few or that the network cannot learn from, MismatchError on codes or labels that are not the model's.
 */
export function imageTask(model: ImageModel, options: ImageTaskOptions): TrainingTask {
  checkOptions(schema, options, 'imageTask')
  const { train, validation, batch, seed, validationBatches = Number.POSITIVE_INFINITY } = options
  const { network } = model
  checkSamples(model, train, batch)
  network.checkSamples?.(train.codes)
  if (validation !== undefined) checkSamples(model, validation, batch)
  const rng = createRng(seed)
  const itemAt = shuffledItems(rng.fold('order'), train.codes.count)
  const feed = (from: LabelledCodes, samples: Int32Array, noise: Rng): Readonly<Record<string, FeedValue>> =>
    network.feed(chosenCodes(from.codes, samples), droppedLabels(model, from.labels, samples, noise.fold('labels')), noise)
  return {
    module: network,
    inputs: network.trainingInputs(batch),
    loss: (inputs) => network.loss(inputs),
    batchAt: (step) =>
      feed(
        train,
        Int32Array.from({ length: batch }, (_, i) => itemAt(firstRow(step, batch) + i)),
        rng.fold('train').fold(step),
      ),
    ...(validation && {
      validation: {
        batches: Math.min(Math.floor(validation.codes.count / batch), validationBatches),
        batchAt: (index: number) =>
          feed(
            validation,
            Int32Array.from({ length: batch }, (_, i) => index * batch + i),
            rng.fold('validation').fold(index),
          ),
      },
    }),
    fingerprint: fingerprint(options),
  }
}

function droppedLabels({ network }: ImageModel, labels: Int32Array, samples: Int32Array, rng: Rng): Int32Array {
  return samples.map((sample, i) => (rng.uniformAt(i) < network.labelDrop ? network.classes : labels[sample]!))
}

function checkSamples({ tokenizer, network }: ImageModel, { codes, labels }: LabelledCodes, batch: number): void {
  checkCodesOf(tokenizer, codes)
  if (codes.count < batch) throw new DataError(`${codes.count} samples`, { expected: `at least a batch of ${batch}` })
  if (labels.length !== codes.count)
    throw new DataError(`${labels.length} labels for ${codes.count} samples`, { expected: 'one each' })
  const most = Math.max(1, network.classes)
  const bad = labels.find((label) => label < 0 || label >= most)
  if (bad !== undefined) throw new DataError(`a label is ${bad}`, { expected: `0 to ${most - 1}` })
}

function fingerprint({ train, validation, batch, seed }: ImageTaskOptions): string {
  const digest = ({ codes: { data }, labels }: LabelledCodes) =>
    sha256([data, labels].map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)))
  return `image ${digest(train)} ${validation === undefined ? 'none' : digest(validation)} ${batch} ${seed}`
}
