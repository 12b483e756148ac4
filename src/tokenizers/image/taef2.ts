import * as v from 'valibot'
import type { Unit } from '../../base/codes.ts'
import type { Layout } from '../../base/model.ts'
import { checkOptions, positive, wholeNumber } from '../../base/options.ts'
import type { PictureSize } from '../../base/pictures.ts'
import { readSafetensors } from '../../formats/index.ts'
import { Conv2d, freeze, GroupNorm, loadWeights, upsample2d } from '../../nn/index.ts'
import { add, divide, multiply, relu, subtract, type Tensor, tanh, unsqueeze } from '../../tensor/index.ts'
import type { ImageTokenizer, ImageTokenizerFile } from './image-tokenizer.ts'
import { pictureSize } from './picture-size.ts'
import { type GridSize, oneGrid, shrunkGrid, toGrid, toVectors } from './value-grid.ts'

/** A step of a network: a layer with weights, or a plain function. */
type Layer = ((x: Tensor) => Tensor) | { forward(x: Tensor): Tensor }

const channels = 64
const latents = 32
/** Pixels of a side that one vector stands for. */
const downsample = 8
/** Decoders keep latents within ±limit, softly. */
const limit = 3
/** Of all numbers of the latents of seven photographs of 256×256 (test/photographs and others); their mean is −0.004, channels differ from 0.6 to 1.1. */
const deviation = 0.83

export interface Taef2Options {
  /** Three channels; height and width are multiples of 8. */
  readonly picture: PictureSize
  /** What latents are divided by. Default: about their deviation over photographs, so that values have deviation 1. */
  readonly scale?: number
}

const side = v.pipe(wholeNumber(downsample, 2 ** 14), v.multipleOf(downsample))
const optionsSchema = v.strictObject({
  picture: pictureSize(v.literal(3), side),
  scale: v.optional(positive, deviation),
})

/**
 * TAEF2, a tiny autoencoder with the latents of FLUX.2: 8×8 pixels ⇄ a vector of 32 numbers (github.com/madebyollin/taesd, MIT). A grid
 * of vectors, with weights that are kept as they are; until `loadTaef2` there are none. Throws OptionError.
 */
export function taef2(options: Taef2Options): ImageTokenizer {
  checkOptions(optionsSchema, options, 'taef2')
  return new Taef2(v.parse(optionsSchema, options))
}

export interface Taef2Files {
  /** Bytes of `taef2_encoder.safetensors`. */
  readonly encoder: Uint8Array
  /** Bytes of `taef2_decoder.safetensors`. */
  readonly decoder: Uint8Array
}

/** `taef2` with the published weights. Throws OptionError, FormatError on broken files, MismatchError on files of another network. */
export async function loadTaef2({ encoder, decoder }: Taef2Files, options: Taef2Options): Promise<ImageTokenizer> {
  checkOptions(optionsSchema, options, 'taef2')
  const tokenizer = new Taef2(v.parse(optionsSchema, options))
  const halves = [readSafetensors(encoder), readSafetensors(decoder)]
  await loadWeights(tokenizer.encoder, halves[0]!.tensors)
  await loadWeights(tokenizer.decoder, halves[1]!.tensors)
  return tokenizer
}

/** The names of the variables are those of the published files, below `encoder` and `decoder`. */
class Taef2 implements ImageTokenizer {
  readonly kind = 'taef2'
  readonly picture: PictureSize
  readonly unit: Unit = { kind: 'vectors', dimension: latents }
  readonly layout: Layout
  readonly embeddingWidth = latents
  readonly encoder = encoderLayers()
  readonly decoder = decoderLayers()
  readonly #grid: GridSize
  readonly #scale: number

  constructor({ picture, scale }: Required<Taef2Options>) {
    this.picture = picture
    this.#grid = shrunkGrid(picture, downsample, 'downsample')
    this.layout = oneGrid(this.#grid)
    this.#scale = scale
    freeze(this)
  }

  /** The network's pixels go from 0 to 1. */
  encode(pictures: Tensor): Tensor {
    const grid = through(this.encoder, add(multiply(pictures, 0.5), 0.5))
    return divide(toVectors(grid), this.#scale)
  }

  decode(values: Tensor, known: Tensor): Tensor {
    const shown = multiply(multiply(values, unsqueeze(known, -1)), this.#scale)
    return subtract(multiply(through(this.decoder, toGrid(shown, this.#grid)), 2), 1)
  }

  embed(values: Tensor): Tensor {
    return values
  }

  toJSON(): ImageTokenizerFile {
    return { kind: this.kind, picture: this.picture, scale: this.#scale }
  }
}

function through(layers: readonly Layer[], x: Tensor): Tensor {
  return layers.reduce((value, layer) => (typeof layer === 'function' ? layer(value) : layer.forward(value)), x)
}

/** relu(x + convolutions(x)), after x + pool(x) in the blocks that also look at the statistics of the whole picture. */
class Taef2Block {
  readonly conv: readonly Layer[]
  readonly pool?: readonly Layer[]

  constructor(pooled: boolean) {
    this.conv = [conv(channels, channels), relu, conv(channels, channels), relu, conv(channels, channels)]
    const wide = 4 * channels
    const pointwise = { kernel: 1, bias: false } as const
    if (pooled)
      this.pool = [new Conv2d(channels, wide, pointwise), new GroupNorm(4, wide), relu, new Conv2d(wide, channels, pointwise)]
  }

  forward(x: Tensor): Tensor {
    const mixed = this.pool === undefined ? x : add(x, through(this.pool, x))
    return relu(add(through(this.conv, mixed), mixed))
  }
}

const conv = (inputs: number, outputs: number) => new Conv2d(inputs, outputs)
const halve = () => new Conv2d(channels, channels, { stride: 2, bias: false })
const blocks = (count: number, pooled = false) => Array.from({ length: count }, () => new Taef2Block(pooled))
const double = () => [(x: Tensor) => upsample2d(x, 2), new Conv2d(channels, channels, { bias: false })]
const clamp = (x: Tensor) => multiply(tanh(divide(x, limit)), limit)

function encoderLayers(): readonly Layer[] {
  const stages = [halve(), ...blocks(3), halve(), ...blocks(3), halve(), ...blocks(3, true)]
  return [conv(3, channels), ...blocks(1), ...stages, conv(channels, latents)]
}

function decoderLayers(): readonly Layer[] {
  const stages = [...blocks(3, true), ...double(), ...blocks(3), ...double(), ...blocks(3), ...double()]
  return [clamp, conv(latents, channels), relu, ...stages, ...blocks(1), conv(channels, 3)]
}
