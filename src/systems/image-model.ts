import * as v from 'valibot'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { createRng } from '../base/rng.ts'
import { disposeModule, initialize, nameVariables } from '../nn/index.ts'
import type { Device } from '../platform/index.ts'
import type { ImageTokenizer } from '../tokenizers/index.ts'
import type { ImageNetwork, ImageSampler, ImageSystem } from './image-system.ts'

/** A model of pictures that can be trained, scored, sampled and saved: a system's network, with a tokenizer, on a device. */
export interface ImageModel extends AsyncDisposable {
  readonly system: ImageSystem
  readonly options: unknown
  readonly tokenizer: ImageTokenizer
  readonly network: ImageNetwork
  /** Names of the classes, in the order of their labels; empty: none. */
  readonly classes: readonly string[]
  readonly device: Device
  /** Runs the network; made at first use with the weights of that moment, and again after `refresh()`. */
  readonly sampler: ImageSampler
  /** Forgets the sampler, so that the next one sees weights that have changed since. */
  refresh(): Promise<void>
}

export interface CreateImageModelOptions {
  readonly system: ImageSystem
  /** As `system.readOptions` takes them. */
  readonly options: unknown
  /** A tokenizer with its weights; it is the model's from now on. */
  readonly tokenizer: ImageTokenizer
  /** Names of the classes. Default: none. */
  readonly classes?: readonly string[]
  readonly device: Device
  /** Of the first weights. */
  readonly seed: number
}

const createSchema = v.strictObject({
  system: v.looseObject({ kind: v.literal('image') }),
  options: v.unknown(),
  tokenizer: v.looseObject({ kind: v.string() }),
  classes: v.optional(v.array(v.string())),
  device: v.looseObject({}),
  seed: wholeNumber(0),
})

class OpenImageModel implements ImageModel {
  #sampler: ImageSampler | undefined

  constructor(
    readonly system: ImageSystem,
    readonly options: unknown,
    readonly tokenizer: ImageTokenizer,
    readonly classes: readonly string[],
    readonly device: Device,
    readonly network: ImageNetwork = system.build(options, { tokenizer, classes: classes.length }),
  ) {
    nameVariables({ network: this.network, tokenizer })
  }

  get sampler(): ImageSampler {
    this.#sampler ??= this.network.openSampler(this.device)
    return this.#sampler
  }

  async refresh(): Promise<void> {
    const sampler = this.#sampler
    this.#sampler = undefined
    await sampler?.[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refresh()
    await disposeModule({ network: this.network, tokenizer: this.tokenizer })
  }
}

/**
 * A model with first weights from a seed. Throws OptionError on options that the system does not take, MismatchError when the tokenizer is not
 * one for it.
 */
export async function createImageModel(given: CreateImageModelOptions): Promise<ImageModel> {
  checkOptions(createSchema, given, 'createImageModel')
  const { system, options, tokenizer, classes = [], device, seed } = given
  const model = new OpenImageModel(system, system.readOptions(options), tokenizer, classes, device)
  await initialize(model.network, createRng(seed).fold('weights'))
  nameVariables({ network: model.network, tokenizer })
  return model
}
