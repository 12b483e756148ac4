import * as v from 'valibot'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { createRng } from '../base/rng.ts'
import { disposeModule, initialize, nameVariables } from '../nn/index.ts'
import { currentFolder } from '../platform/folders.ts'
import type { Device } from '../platform/index.ts'
import { buildImageTokenizer, type ImageTokenizer } from '../tokenizers/index.ts'
import { type CompanionFiles, loadModule, saveModule } from '../train/index.ts'
import { exclusiveSampler } from './exclusive-sampler.ts'
import { loadImageSystem } from './image-registry.ts'
import type { ImageNetwork, ImageSampler, ImageSystem } from './image-system.ts'
import { readJson } from './model-files.ts'
import { parseConfig } from './read-config.ts'

/** A model of pictures that can be trained, scored, sampled and saved: a system's network, with a tokenizer, on a device. */
export interface ImageModel extends AsyncDisposable {
  readonly system: ImageSystem
  readonly options: unknown
  readonly tokenizer: ImageTokenizer
  readonly network: ImageNetwork
  /** Names of the classes, in the order of their labels; empty: none. */
  readonly classes: readonly string[]
  readonly device: Device
  /** Runs the network, one generation at a time; made at first use with the weights of that moment, and again after `refresh()`. */
  readonly sampler: ImageSampler
  /** Forgets the sampler, so that the next one sees weights that have changed since. */
  refresh(): Promise<void>
}

/** `model_type` of saved models of pictures. */
const modelType = 'nextx-image'

export interface CreateImageModelOptions {
  readonly system: ImageSystem
  /** As `system.readOptions` takes them. */
  readonly options: unknown
  /** A tokenizer with its weights; it is the model's from now on, unless making the model fails. */
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

/** What `config.json` says of a model of pictures. */
const configSchema = v.looseObject({
  model_type: v.literal(modelType),
  system: v.string(),
  options: v.unknown(),
  classes: v.array(v.string()),
  tokenizer: v.looseObject({ kind: v.string() }),
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
    nameVariables(imageModule(this))
  }

  get sampler(): ImageSampler {
    this.#sampler ??= exclusiveSampler(this.network.openSampler(this.device))
    return this.#sampler
  }

  async refresh(): Promise<void> {
    const sampler = this.#sampler
    this.#sampler = undefined
    await sampler?.[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refresh()
    await disposeModule(imageModule(this))
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
  try {
    await initialize(model.network, createRng(seed).fold('weights'))
    nameVariables(imageModule(model))
    return model
  } catch (error) {
    await disposeModule(model.network)
    throw error
  }
}

/** Writes a model folder, tokenizer included, that `loadImageModel` reads back. It changes as a whole. Throws DataError when it cannot be written. */
export async function saveImageModel(model: ImageModel, folder: string): Promise<void> {
  await saveModule(folder, imageModule(model), imageModelFiles(model))
}

/** The files that belong to a model besides its weights. */
export function imageModelFiles({ system, options, classes, tokenizer }: ImageModel): CompanionFiles {
  const config = { model_type: modelType, system: system.id, options, classes, tokenizer: tokenizer.toJSON() }
  return { 'config.json': `${JSON.stringify(config, null, 2)}\n` }
}

/** Whether a parsed config.json is that of a model of pictures. */
export function isImageConfig(config: unknown): boolean {
  return v.is(v.looseObject({ model_type: v.literal(modelType) }), config)
}

/**
 * The model of a folder that `saveImageModel` wrote. Throws DataError when a file is missing, FormatError when one is malformed, OptionError on a
 * system or option that is not known, MismatchError when weights and configuration do not fit.
 */
export async function loadImageModel(folder: string, { device }: { readonly device: Device }): Promise<ImageModel> {
  const config = parseConfig(configSchema, await readJson(await currentFolder(folder), 'config.json'), 'config.json')
  const system = await loadImageSystem(config.system)
  const tokenizer = buildImageTokenizer(config.tokenizer)
  const model = new OpenImageModel(system, system.readOptions(config.options), tokenizer, config.classes, device)
  try {
    await loadModule(folder, imageModule(model))
    return model
  } catch (error) {
    await model[Symbol.asyncDispose]()
    throw error
  }
}

/** Network and tokenizer, under the names that files have for them. */
export function imageModule({ network, tokenizer }: Pick<ImageModel, 'network' | 'tokenizer'>) {
  return { network, tokenizer }
}
