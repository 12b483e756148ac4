import * as v from 'valibot'
import { MismatchError, OptionError } from '../base/errors.ts'
import type { TextTokenizer } from '../base/model.ts'
import { callable, checkOptions, refuseUnknown, wholeNumber } from '../base/options.ts'
import { createRng } from '../base/rng.ts'
import { type OwnedStepper, openStepper, type StepperOptions } from '../engine/index.ts'
import { checkStepperOptions } from '../engine/stepper-options.ts'
import { disposeModule, initialize, nameVariables } from '../nn/index.ts'
import type { Device } from '../platform/index.ts'
import { type CompanionFiles, saveModule } from '../train/index.ts'
import { openCheckpoint } from './checkpoint.ts'
import type { DecoderOptions } from './families/decoder-config.ts'
import { extendContext, type RotaryScalingRequest } from './families/extend-context.ts'
import { tokenizerFileName } from './model-files.ts'
import {
  applyQuantization,
  declaredQuantization,
  type QuantizationDeclaration,
  quantizationOf,
  withoutQuantization,
} from './quantization.ts'
import { systemForConfig } from './registry.ts'
import { loadStoredWeights, type WeightsOption } from './stored-weights.ts'
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
  readonly #stepperOptions: Omit<StepperOptions, 'device'>
  /** What the weights lie in: freed after them. */
  readonly #held: AsyncDisposable[] = []

  constructor(
    system: TextSystem,
    options: unknown,
    tokenizer: TextTokenizer,
    device: Device,
    stepper: Omit<StepperOptions, 'device'> = {},
  ) {
    this.#stepperOptions = stepper
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
    const decoder = { backbone: this.network.model, head: this.network.lm_head }
    this.#stepper ??= openStepper(decoder, { ...this.#stepperOptions, device: this.device })
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
    for (const each of this.#held.splice(0)) await each[Symbol.asyncDispose]()
  }

  /** Takes over what must live as long as the weights. */
  hold(...owned: readonly AsyncDisposable[]): void {
    this.#held.push(...owned)
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
  /** Options of the model's stepper: its cache, storage, packing and taps. */
  readonly stepper?: Omit<StepperOptions, 'device'>
  /** What becomes of the checkpoint's weights. Default `stored`: as they are, blocks as blocks. */
  readonly weights?: WeightsOption
  /** Longest sequence, as far as the model's positions are rotations: a shorter one than it has, or one that its scaling reaches. */
  readonly context?: number
  /** How rotary frequencies are stretched for it. Default: as the model's are. */
  readonly rotaryScaling?: RotaryScalingRequest
  readonly signal?: AbortSignal
  /** Called as tensors are read; the total is known from the start. */
  readonly onProgress?: (loadedBytes: number, totalBytes: number) => void
}

const optionNames = [
  'device',
  'stepper',
  'weights',
  'context',
  'rotaryScaling',
  'signal',
  'onProgress',
] satisfies (keyof LoadModelOptions)[]

const weightsSchema = v.union(
  [v.picklist(['stored', 'float32']), v.strictObject({ bits: v.picklist([4, 8]), blockSize: wholeNumber(16, 256) })],
  "expected 'stored', 'float32' or { bits, blockSize }",
)

const watchSchema = v.strictObject({ signal: v.optional(v.instance(AbortSignal)), onProgress: v.optional(callable) })

function checkedDevice(device: Device, what: string): Device {
  if (typeof device?.run !== 'function') throw new OptionError(`${what}: device is missing`, { fix: 'pass await openDevice()' })
  return device
}

/**
 * Opens a model: a GGUF file, or a folder with config.json, safetensors (one file, or several with an index) and a tokenizer. Large weights are
 * mapped by the runtime rather than read. Throws DataError when a file is missing, FormatError when one is malformed, OptionError on a model
 * that is not supported, MismatchError when weights, vocabulary and configuration do not fit, ContextError on a context that the model does
 * not reach; and the signal's reason after an abort.
 */
export async function loadModel(path: string, options: LoadModelOptions): Promise<TextModel> {
  if (typeof path !== 'string')
    throw new OptionError('loadModel: the path is not a text', { expected: 'the path of a file or folder' })
  refuseUnknown(options, optionNames, 'loadModel')
  const { weights = 'stored', stepper = {}, signal, onProgress } = options
  checkOptions(watchSchema, { signal, onProgress }, 'loadModel')
  signal?.throwIfAborted()
  const device = checkedDevice(options.device, 'loadModel')
  checkStepperOptions({ ...stepper, device })
  checkOptions(weightsSchema, weights, 'loadModel: weights')
  const checkpoint = await openCheckpoint(path)
  let model: OpenTextModel | undefined
  try {
    const { config, tensors } = checkpoint
    const system = await systemForConfig(config)
    model = new OpenTextModel(
      system,
      withContext(system.readConfig(withoutQuantization(config)), system, options),
      await checkpoint.readTokenizer(),
      device,
      stepper,
    )
    const declared = declaredQuantization(config)
    if (declared !== undefined) applyQuantization(model.network, declaredFor(declared, weights))
    const { options: settings } = model
    const place = (key: string) => checkpoint.place(key, system, settings)
    const mapped = device.info.driver !== 'onnxruntime-web'
    const more = { ...(signal && { signal }), ...(onProgress && { onProgress }) }
    model.hold(await loadStoredWeights(model.network, tensors, place, { weights, mapped, ...more }), checkpoint)
    return model
  } catch (error) {
    await model?.[Symbol.asyncDispose]()
    await checkpoint[Symbol.asyncDispose]()
    throw error
  }
}

function withContext(settings: unknown, { id }: TextSystem, { context, rotaryScaling }: LoadModelOptions): unknown {
  if (context === undefined && rotaryScaling === undefined) return settings
  if (typeof settings !== 'object' || settings === null || !('rotaryBase' in settings)) {
    throw new OptionError(`another context for a model of the system ${id}`, {
      expected: 'a model whose positions are rotations',
      fix: 'leave out context and rotaryScaling',
    })
  }
  const known = settings as DecoderOptions
  const scaling = rotaryScaling === undefined ? {} : { rotaryScaling }
  return extendContext(known, { context: context === undefined ? known.context : context, ...scaling })
}

/** A model that was saved quantised has no other weights to give. */
function declaredFor(declared: QuantizationDeclaration, weights: WeightsOption): QuantizationDeclaration {
  if (weights === 'stored') return declared
  throw new OptionError(`the model is quantised already, so that its weights cannot become ${JSON.stringify(weights)}`, {
    expected: "weights: 'stored'",
    fix: 'take the model that it was made from',
  })
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
