import type { CodeBatch } from '../base/codes.ts'
import type { Rng } from '../base/rng.ts'
import type { Device } from '../platform/index.ts'
import type { FeedValue, Inputs, Tensor } from '../tensor/index.ts'
import type { ImageTokenizer } from '../tokenizers/image/image-tokenizer.ts'

/** A published method for pictures, as data: how its options are read and its network built. */
export interface ImageSystem<Options = unknown> {
  readonly kind: 'image'
  /** Equals the file's name. */
  readonly id: string
  /** The paper. */
  readonly source: string
  readonly presets: Readonly<Record<string, Options>>
  /** The options in parsed JSON, defaults filled in. Throws OptionError on what is unknown, out of range or cannot be combined. */
  readOptions(value: unknown): Options
  /** Throws MismatchError when the tokenizer's values are not of the kind or layout that the method needs. */
  build(options: Options, context: ImageContext): ImageNetwork
}

/** What a network is built for. */
export interface ImageContext {
  readonly tokenizer: ImageTokenizer
  /** Classes that pictures may be asked for by; 0: none. */
  readonly classes: number
}

/** The trainable part of an image system: a module, its loss, and the way it generates. */
export interface ImageNetwork {
  /** Classes that pictures may be asked for by; 0: none. Label `classes` stands for "no class". */
  readonly classes: number
  /** Share of labels that training drops; guidance needs it above 0. */
  readonly labelDrop: number
  /** What a training step is fed, for `batch` samples; sizes are fixed. */
  trainingInputs(batch: number): Inputs
  /** Feeds of a step; a pure function of its arguments. Labels are dropped already. */
  feed(samples: CodeBatch, labels: Int32Array, rng: Rng): Readonly<Record<string, FeedValue>>
  /** Throws DataError on training samples that it cannot learn from, such as latents of a scale other than its noise. */
  checkSamples?(samples: CodeBatch): void
  /** The scalar to minimise, and others to report. */
  loss(inputs: Readonly<Record<string, Tensor>>): { readonly total: Tensor; readonly parts?: Readonly<Record<string, Tensor>> }
  /** Compiles what generation runs. */
  openSampler(device: Device): ImageSampler
  /** Exact log p(values | label) in nats of each sample, traced: values as the tokenizer has them, int labels `[batch]` → `[batch]`. */
  logProb?(values: Tensor, labels: Tensor): Tensor
}

export interface ImageSampler extends AsyncDisposable {
  /** Options of `SampleRequest.options` that this method takes; others are refused before it starts. */
  readonly options: readonly (keyof SampleOptions)[]
  /** Network calls so far: whole passes of the backbone, and of a head that is iterated. */
  readonly evaluations: { readonly backbone: number; readonly head: number }
  /** Yields after every step; the last step's values are complete. Stops with the signal's reason between calls. */
  sample(request: SampleRequest): AsyncIterable<SampleStep>
}

export interface SampleRequest {
  /** One per sample; `classes` for none. */
  readonly labels: Int32Array
  /** One generator per sample: what a sample becomes never depends on its company. */
  readonly rngs: readonly Rng[]
  readonly options: SampleOptions
  /** Values to keep: 1 where `values` holds a given value. A sample that is given whole comes back as it is; where all are, in one step. */
  readonly given?: { readonly values: CodeBatch; readonly known: Float32Array }
  readonly signal?: AbortSignal
}

export interface SampleStep {
  /** From 1. */
  readonly step: number
  readonly steps: number
  readonly values: CodeBatch
  /** `[count, value]`: 1 where values are settled. */
  readonly known: Float32Array
}

/** How much a condition counts: u + scale·(c − u). A number, or a value for each step from 0 to `steps` − 1. */
export type GuidanceScale = number | ((step: number, steps: number) => number)

/** Sizes of scales, coarse ones first. */
export type ScaleSchedule = readonly (number | readonly [height: number, width: number])[]

export interface SampleOptions {
  readonly guidance?: GuidanceScale
  /** Guidance counts at times up to this only; 1 is pure noise. Default 0.9. */
  readonly guidanceHigh?: number
  /** Where a head that is iterated is guided: in each ε that it says (the default), or once in the hidden states that it is given. */
  readonly guidanceSpace?: 'eps' | 'hidden'
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  /**
   * Steps of a masked order; of one in phases, a number for each of them, or the same for all. At most as many as any sample has values to predict; by
   * default each sample takes fewer where it has fewer. A phase that is given whole takes none.
   */
  readonly steps?: number | readonly number[]
  /** Which values of a masked step stay: those drawn with the highest probability (the default), or any. A single step keeps all, and refuses it. */
  readonly selection?: 'confidence' | 'random'
  /**
   * Scale of the Gumbel noise on the log p by which `selection: 'confidence'` chooses; a number falls to 0 at the last step. Default 2. A single step
   * has nothing to choose, and refuses it.
   */
  readonly choiceTemperature?: number | ((step: number, steps: number) => number)
  /** Steps of a solver inside step k of K, at most 10,000; of a diffusion, at most its timesteps. A number for all, or e.g. an annealed schedule. */
  readonly innerSteps?: number | ((step: number, steps: number) => number)
  /** Solver of flows. Default 'euler'. */
  readonly method?: 'euler' | 'heun' | 'ab2'
  /**
   * Scales to generate, coarse ones first, as height and width or as the shorter side of one that has the proportions of `size`. Default: the
   * tokenizer's, in proportion to `size`. At most 16,384 values in all, or as many as the tokenizer's own.
   */
  readonly schedule?: ScaleSchedule
  /** Height and width of the last scale. Default: the tokenizer's. */
  readonly size?: readonly [height: number, width: number]
  /** topK at scales that training never saw, of which there must be one. Default: as elsewhere; published code takes 1. */
  readonly unseenTopK?: number
  /** Deviation of noise that finished groups get before later ones see them, to try how well a model bears it. Default 0. */
  readonly contextNoise?: number
  /** Anything that only one method takes, by name; the method checks it. */
  readonly special?: Readonly<Record<string, unknown>>
}
