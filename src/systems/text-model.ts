import { MismatchError, OptionError } from '../base/errors.ts'
import type { TextTokenizer } from '../base/model.ts'
import { refuseUnknown } from '../base/options.ts'
import { createRng } from '../base/rng.ts'
import { type OwnedStepper, openStepper } from '../engine/index.ts'
import { readSafetensors } from '../formats/index.ts'
import { disposeModule, initialize, loadWeights, nameVariables } from '../nn/index.ts'
import { readFileBytes } from '../platform/files.ts'
import { currentFolder } from '../platform/folders.ts'
import type { Device } from '../platform/index.ts'
import { type CompanionFiles, checkCompanions, saveModule } from '../train/index.ts'
import { readJson, readTokenizer, tokenizerFileName } from './model-files.ts'
import { applyQuantization, declaredQuantization, quantizationOf, withoutQuantization } from './quantization.ts'
import { systemForConfig } from './registry.ts'
import type { LanguageModel, TextSystem } from './system.ts'

/** A language model that can be trained, scored, sampled and saved: a system's network, with a tokenizer, on a device. */
export interface TextModel extends AsyncDisposable {
  readonly system: TextSystem
  readonly options: unknown
  readonly tokenizer: TextTokenizer
  readonly network: LanguageModel
  readonly device: Device
  /** Runs the network; made at first use with the weights of that moment, and again after `refresh()`. */
  readonly stepper: OwnedStepper
  /** Forgets the stepper, so that the next one sees weights that have changed since. */
  refresh(): Promise<void>
}

class OpenTextModel implements TextModel {
  readonly system: TextSystem
  readonly options: unknown
  readonly tokenizer: TextTokenizer
  readonly network: LanguageModel
  readonly device: Device
  #stepper: OwnedStepper | undefined

  constructor(system: TextSystem, options: unknown, tokenizer: TextTokenizer, device: Device) {
    this.system = system
    this.options = options
    this.tokenizer = tokenizer
    this.device = device
    this.network = system.build(options)
    nameVariables(this.network)
    const { vocabularySize } = this.network.model
    if (tokenizer.vocabularySize > vocabularySize) {
      throw new MismatchError(`the tokenizer has ${tokenizer.vocabularySize} ids, the model ${vocabularySize}`, {
        expected: 'no more ids than the model has',
      })
    }
  }

  get stepper(): OwnedStepper {
    this.#stepper ??= openStepper({ backbone: this.network.model, head: this.network.lm_head }, { device: this.device })
    return this.#stepper
  }

  async refresh(): Promise<void> {
    const stepper = this.#stepper
    this.#stepper = undefined
    await stepper?.[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refresh()
    await disposeModule(this.network)
  }
}

export interface CreateModelOptions<Options> {
  readonly system: TextSystem<Options>
  readonly options: Options
  readonly tokenizer: TextTokenizer
  readonly device: Device
  readonly seed: number
}

/** A model with first weights from a seed. */
export async function createModel<Options>(given: CreateModelOptions<Options>): Promise<TextModel> {
  refuseUnknown(given, ['system', 'options', 'tokenizer', 'device', 'seed'], 'createModel')
  const { system, options, tokenizer, seed } = given
  const model = new OpenTextModel(system as TextSystem, options, tokenizer, checkedDevice(given.device, 'createModel'))
  await initialize(model.network, createRng(seed).fold('weights'))
  return model
}

export interface LoadModelOptions {
  readonly device: Device
}

function checkedOptions(options: LoadModelOptions): LoadModelOptions {
  refuseUnknown(options, ['device'], 'loadModel')
  return { device: checkedDevice(options.device, 'loadModel') }
}

function checkedDevice(device: Device, what: string): Device {
  if (typeof device?.run !== 'function') throw new OptionError(`${what}: device is missing`, { fix: 'pass await openDevice()' })
  return device
}

/**
 * Opens a model folder: config.json, model.safetensors and a tokenizer. Throws DataError when a file is missing, FormatError when one is
 * malformed, OptionError on a model that is not supported, MismatchError when weights, vocabulary and configuration do not fit.
 */
export async function loadModel(path: string, options: LoadModelOptions): Promise<TextModel> {
  const { device } = checkedOptions(options)
  const folder = await currentFolder(path)
  const config = await readJson(folder, 'config.json')
  const system = await systemForConfig(config)
  const model = new OpenTextModel(
    system,
    system.readConfig(withoutQuantization(config)),
    await readTokenizer(folder, config),
    device,
  )
  const quantization = declaredQuantization(config)
  if (quantization !== undefined) applyQuantization(model.network, quantization)
  const { tensors, metadata } = readSafetensors(await readFileBytes(`${folder}/model.safetensors`))
  await checkCompanions(folder, metadata)
  await loadWeights(model.network, tensors, (key) => system.place?.(key, model.options) ?? [{ name: key }])
  return model
}

/** Writes a model folder that `loadModel` reads back. It changes as a whole: whatever happens, it holds all old files or all new ones. */
export async function saveModel(model: TextModel, folder: string): Promise<void> {
  await saveModule(folder, model.network, modelFiles(model))
}

/** The files that belong to a model besides its weights: configuration and tokenizer. */
export function modelFiles({ system, options, tokenizer, network }: TextModel): CompanionFiles {
  const settings = { ...system.writeConfig(options), quantization: quantizationOf(network) }
  const config = `${JSON.stringify(settings, null, 2)}\n`
  return { 'config.json': config, [tokenizerFileName]: `${JSON.stringify(tokenizer.toJSON())}\n` }
}
