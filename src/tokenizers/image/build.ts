import * as v from 'valibot'
import { FormatError } from '../../base/errors.ts'
import { checkOptions, nonNegative, wholeNumber } from '../../base/options.ts'
import type { PictureSize } from '../../base/pictures.ts'
import { asFormatErrors, quoted } from '../checked.ts'
import { BinaryQuantizer } from './binary-quantizer.ts'
import { type CodebookOptions, codebookEntries } from './codebook.ts'
import { GaussianBottleneck } from './gaussian-bottleneck.ts'
import { GridTokenizer } from './grid-tokenizer.ts'
import type { ImageTokenizer, ImageTokenizerFile } from './image-tokenizer.ts'
import { gridSizes, MultiScaleTokenizer } from './multi-scale.ts'
import { PatchTokenizer } from './patches.ts'
import { pictureSize } from './picture-size.ts'
import { PyramidTokenizer } from './pyramid.ts'
import { ScalarQuantizer } from './scalar-quantizer.ts'
import { type CarryKind, carryKinds } from './scale-carry.ts'
import { taef2 } from './taef2.ts'
import { VectorQuantizer } from './vector-quantizer.ts'

/** What all trained tokenizers take. */
export interface ImageNetworkOptions {
  readonly picture: PictureSize
  /** Channels at half the picture's size, a multiple of 4; below, there are twice as many. Default 32. */
  readonly width?: number
  /** Pixels of a side that one value stands for. Default 4. */
  readonly downsample?: 2 | 4 | 8
}

const networkEntries = {
  picture: pictureSize(),
  width: v.optional(wholeNumber(1, 4096), 32),
  downsample: v.optional(v.picklist([2, 4, 8]), 4),
}
const splitEntry = v.optional(wholeNumber(1, 64), 1)
const commitmentEntry = v.optional(nonNegative, 0.25)

/** The options with defaults filled in. Throws OptionError. */
function completed<S extends v.GenericSchema<unknown, unknown>>(schema: S, options: unknown, what: string): v.InferOutput<S> {
  checkOptions(schema, options, what)
  return v.parse(schema, options)
}

export interface VqOptions extends ImageNetworkOptions, CodebookOptions {
  /** How much latents are drawn towards their rows. Default 0.25. */
  readonly commitment?: number
}

const vqSchema = v.strictObject({
  ...networkEntries,
  ...codebookEntries,
  normalize: v.optional(v.boolean(), false),
  commitment: commitmentEntry,
})

/** One grid of codes of a learned table (VQ-VAE). Throws OptionError. */
export function vq(options: VqOptions): ImageTokenizer {
  const whole = completed(vqSchema, options, 'vq')
  return new GridTokenizer(whole, new VectorQuantizer(whole, whole.commitment), { kind: 'vq', ...whole })
}

export interface FsqOptions extends ImageNetworkOptions {
  /** How many values each channel rounds to, e.g. `[8, 5, 5, 5]`. */
  readonly levels: readonly number[]
  /** Ids that the channels of a place are divided among. Default 1. */
  readonly split?: number
}

const fsqSchema = v.strictObject({
  ...networkEntries,
  levels: v.pipe(v.array(wholeNumber(2, 2 ** 20)), v.minLength(1), v.maxLength(64)),
  split: splitEntry,
})

/** One grid of rounded numbers (finite scalar quantisation). Throws OptionError. */
export function fsq(options: FsqOptions): ImageTokenizer {
  const whole = completed(fsqSchema, options, 'fsq')
  return new GridTokenizer(whole, new ScalarQuantizer(whole.levels, whole.split), { kind: 'fsq', ...whole })
}

export interface BaeOptions extends ImageNetworkOptions {
  /** Bits of a place. */
  readonly bits: number
  /** Ids that they are divided among. Default 1. */
  readonly split?: number
  /** Train on the likelier bits rather than on drawn ones. Default false. */
  readonly deterministic?: boolean
  /**
   * `variance` (default): p·(1 − p), which draws probabilities to 0 and 1. `entropy`: besides, every bit is to be 1 as often as 0; with
   * `deterministic`, lookup-free quantisation.
   */
  readonly penalty?: 'variance' | 'entropy'
  /** How much the penalty counts. Default 0.1. */
  readonly weight?: number
}

const baeSchema = v.strictObject({
  ...networkEntries,
  bits: wholeNumber(1, 64),
  split: splitEntry,
  deterministic: v.optional(v.boolean(), false),
  penalty: v.optional(v.picklist(['variance', 'entropy']), 'variance'),
  weight: v.optional(nonNegative, 0.1),
})

/** One grid of bits (binary autoencoder). Throws OptionError. */
export function bae(options: BaeOptions): ImageTokenizer {
  const whole = completed(baeSchema, options, 'bae')
  return new GridTokenizer(whole, new BinaryQuantizer(whole), { kind: 'bae', ...whole })
}

export interface VaeOptions extends ImageNetworkOptions {
  /** Numbers of a value. */
  readonly channels: number
  /** How much the divergence from a standard normal counts, in nats per number. Default 0.001. */
  readonly kl?: number
}

const vaeSchema = v.strictObject({ ...networkEntries, channels: wholeNumber(1, 1024), kl: v.optional(nonNegative, 0.001) })

/** One grid of vectors with mean 0 and deviation 1 in every channel (variational autoencoder). Throws OptionError. */
export function vae(options: VaeOptions): ImageTokenizer {
  const whole = completed(vaeSchema, options, 'vae')
  return new GridTokenizer(whole, new GaussianBottleneck(whole.channels, whole.kl), { kind: 'vae', ...whole })
}

export interface MultiScaleOptions extends ImageNetworkOptions, Omit<CodebookOptions, 'normalize'> {
  /** Sides of the grids, or heights and widths; coarse ones first, the last of the latents' own size. */
  readonly scales: readonly (number | readonly [number, number])[]
  /**
   * `residual` (default): every scale adds to those before it (VAR). `latest`: every scale is the whole picture at its size (FlexVAR).
   * `band`: every scale adds a band of frequencies (NFIG).
   */
  readonly carry?: CarryKind
  /** How much latents are drawn towards what the codes make of them. Default 0.25. */
  readonly commitment?: number
}

const side = wholeNumber(1, 4096)
const scalesEntry = v.pipe(v.array(v.union([side, v.tuple([side, side])])), v.minLength(1), v.maxLength(64))
const multiScaleSchema = v.strictObject({
  ...networkEntries,
  ...codebookEntries,
  scales: scalesEntry,
  carry: v.optional(v.picklist(carryKinds), 'residual'),
  commitment: commitmentEntry,
})

/** Several grids of codes of one learned table, coarse ones first. Throws OptionError. */
export function multiScale(options: MultiScaleOptions): ImageTokenizer & Required<Pick<ImageTokenizer, 'carry'>> {
  const whole = completed(multiScaleSchema, options, 'multiScale')
  const settings = { ...whole, scales: gridSizes(whole.scales) }
  return new MultiScaleTokenizer(settings, whole, { kind: 'multi-scale', ...whole })
}

export interface PatchesOptions {
  readonly picture: PictureSize
  /** Pixels of a patch's side. */
  readonly size: number
}

const patchesSchema = v.strictObject({ picture: pictureSize(), size: side })

/** The pixels themselves, patch by patch; nothing is trained. Throws OptionError. */
export function patches(options: PatchesOptions): ImageTokenizer {
  const { picture, size } = completed(patchesSchema, options, 'patches')
  return new PatchTokenizer(picture, size)
}

export interface PyramidOptions {
  /** A tokenizer of one grid of vectors, as `toJSON` gives it. */
  readonly base: ImageTokenizerFile
  /** Sides of the grids, or heights and widths; coarse ones first, the last as the base's own. */
  readonly scales: readonly (number | readonly [number, number])[]
}

const pyramidSchema = v.strictObject({ base: v.looseObject({ kind: v.string() }), scales: scalesEntry })

/** The vectors of another tokenizer at several sizes, each the whole picture (FlowAR). It has the base's weights as `base`. Throws OptionError. */
export function pyramid(options: PyramidOptions): ImageTokenizer & Required<Pick<ImageTokenizer, 'carry'>> {
  checkOptions(pyramidSchema, options, 'pyramid')
  return new PyramidTokenizer(buildImageTokenizer(options.base), gridSizes(options.scales))
}

// Each checks what it gets, so the fields need no types here.
const builders: Readonly<Record<string, (fields: never) => ImageTokenizer>> = {
  vq,
  fsq,
  bae,
  vae,
  'multi-scale': multiScale,
  patches,
  pyramid,
  taef2,
}

/**
 * The tokenizer whose `toJSON` gave `file`, without its weights. Throws FormatError when the kind is unknown or a field is missing,
 * unknown or malformed.
 */
export function buildImageTokenizer(file: ImageTokenizerFile): ImageTokenizer {
  if (typeof file !== 'object' || file === null || typeof file.kind !== 'string')
    throw new FormatError('the image tokenizer file is no object with a kind')
  const { kind, ...fields } = file
  const build = Object.hasOwn(builders, kind) ? builders[kind] : undefined
  if (build === undefined)
    throw new FormatError(`the image tokenizer kind ${quoted(kind)} is unknown`, { expected: Object.keys(builders).join(', ') })
  return asFormatErrors(`the image tokenizer file of kind ${kind}`, () => build(fields as never))
}
