import * as v from 'valibot'
import { type CodeBatch, countValues, type Unit, unitWidth } from '../base/codes.ts'
import { DataError, MismatchError, OptionError, ShapeError } from '../base/errors.ts'
import type { Layout } from '../base/model.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { checkPixels, type PictureSize, type Pictures, pictureLength, pictureValues, toPictures } from '../base/pictures.ts'
import type { Device } from '../platform/index.ts'
import { compile, float32, type InputSpec, int32, type Program, type Tensor } from '../tensor/index.ts'
import type { ImageTokenizer } from '../tokenizers/image/image-tokenizer.ts'
import { tokenizerFor } from './image-engines/scale-schedule.ts'

export interface ImageCoderOptions {
  readonly device: Device
  /** Most pictures of one run of the networks. Default 64. */
  readonly batch?: number
}

export interface EncodeOptions {
  /** Stops with its reason before the next run. */
  readonly signal?: AbortSignal
}

export interface DecodeOptions extends EncodeOptions {
  /** `[count, value]`: 1 where a value counts, 0 where it is not known yet. Default: all are known. */
  readonly known?: Float32Array
  /** Only the values of so many parts, from the first on, are known. */
  readonly upTo?: number
}

/** A tokenizer on a device: compiled once, with whatever weights its variables have at a call. */
export interface ImageCoder extends AsyncDisposable {
  /** Throws MismatchError on pictures of another size, ShapeError on other than count × size pixels. */
  encode(pictures: Pictures, options?: EncodeOptions): Promise<CodeBatch>
  /** Throws MismatchError on codes of another tokenizer, DataError on ids outside the vocabulary and numbers that are not finite, ShapeError, OptionError. */
  decode(codes: CodeBatch, options?: DecodeOptions): Promise<Pictures>
}

const schema = v.strictObject({ device: v.looseObject({}), batch: v.optional(wholeNumber(1, 2 ** 16)) })
const signalEntry = { signal: v.optional(v.instance(AbortSignal)) }
const encodeSchema = v.strictObject(signalEntry)
const decodeSchema = v.strictObject({
  ...signalEntry,
  known: v.optional(v.instance(Float32Array)),
  upTo: v.optional(wholeNumber(0)),
})

/** Throws OptionError. */
export function openImageCoder(tokenizer: ImageTokenizer, options: ImageCoderOptions): ImageCoder {
  checkOptions(schema, options, 'openImageCoder')
  return new OpenImageCoder(tokenizer, options)
}

/** The codes of pictures. Compiles the tokenizer anew: for many calls, `openImageCoder`. Throws as `ImageCoder.encode` does. */
export async function encodePictures(
  tokenizer: ImageTokenizer,
  pictures: Pictures,
  { signal, ...options }: ImageCoderOptions & EncodeOptions,
): Promise<CodeBatch> {
  return whileOpen(openImageCoder(tokenizer, options), (coder) => coder.encode(pictures, { ...(signal && { signal }) }))
}

/**
 * The pictures of codes, also of codes on other scales where the tokenizer takes them (FlexVAR). Compiles the tokenizer anew: for many calls,
 * `openImageCoder`. Throws as `ImageCoder.decode` does.
 */
export async function decodeCodes(
  tokenizer: ImageTokenizer,
  codes: CodeBatch,
  { device, batch, ...options }: ImageCoderOptions & DecodeOptions,
): Promise<Pictures> {
  return whileOpen(
    openImageCoder(tokenizerFor(tokenizer, codes.layout), { device, ...(batch !== undefined && { batch }) }),
    (coder) => coder.decode(codes, options),
  )
}

async function whileOpen<T>(coder: ImageCoder, use: (coder: ImageCoder) => Promise<T>): Promise<T> {
  try {
    return await use(coder)
  } finally {
    await coder[Symbol.asyncDispose]()
  }
}

class OpenImageCoder implements ImageCoder {
  readonly #tokenizer: ImageTokenizer
  readonly #batch: number
  readonly #encoder: Program<{ readonly pictures: InputSpec }, { readonly values: Tensor }>
  readonly #decoder: Program<{ readonly values: InputSpec; readonly known: InputSpec }, { readonly pictures: Tensor }>

  constructor(tokenizer: ImageTokenizer, { device, batch = 64 }: ImageCoderOptions) {
    const { picture, unit, layout } = tokenizer
    const [count, width] = [countValues(layout), unitWidth(unit)]
    const spec = unit.kind === 'ids' ? int32 : float32
    this.#tokenizer = tokenizer
    this.#batch = batch
    this.#encoder = compile(
      { pictures: float32('batch', picture.channels, picture.height, picture.width) },
      ({ pictures }) => ({ values: tokenizer.encode(pictures) }),
      { device, name: 'encode' },
    )
    this.#decoder = compile(
      { values: spec('batch', count, width), known: float32('batch', count) },
      ({ values, known }) => ({ pictures: tokenizer.decode(values, known) }),
      { device, name: 'decode' },
    )
  }

  async encode(pictures: Pictures, options: EncodeOptions = {}): Promise<CodeBatch> {
    checkOptions(encodeSchema, options, 'encode')
    checkPictures(this.#tokenizer, pictures)
    const { unit, layout } = this.#tokenizer
    const length = countValues(layout) * unitWidth(unit)
    const data = unit.kind === 'ids' ? new Int32Array(pictures.count * length) : new Float32Array(pictures.count * length)
    for (const [start, end] of runsOf(pictures.count, this.#batch)) {
      options.signal?.throwIfAborted()
      const indices = Array.from({ length: end - start }, (_, i) => start + i)
      const { values } = await this.#encoder.run({ pictures: pictureValues(pictures, indices) })
      data.set(values.data as Int32Array | Float32Array, start * length)
    }
    return { layout, count: pictures.count, ...unit, data } as CodeBatch
  }

  async decode(codes: CodeBatch, options: DecodeOptions = {}): Promise<Pictures> {
    checkOptions(decodeSchema, options, 'decode')
    checkCodes(this.#tokenizer, codes)
    const { unit, layout, picture } = this.#tokenizer
    const [count, width] = [countValues(layout), unitWidth(unit)]
    const known = knownValues(codes, options)
    const parts: Float32Array[] = []
    for (const [start, end] of runsOf(codes.count, this.#batch)) {
      options.signal?.throwIfAborted()
      const values = codes.data.subarray(start * count * width, end * count * width)
      const { pictures } = await this.#decoder.run({ values, known: known.subarray(start * count, end * count) })
      parts.push(pictures.data as Float32Array)
    }
    return joined(
      parts.map((values) => toPictures(values, picture)),
      picture,
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#encoder.dispose()
    await this.#decoder.dispose()
  }
}

/** `[start, end)` of the runs over `count` items. */
function runsOf(count: number, batch: number): readonly (readonly [number, number])[] {
  return Array.from({ length: Math.ceil(count / batch) }, (_, i) => [i * batch, Math.min(count, (i + 1) * batch)])
}

function joined(parts: readonly Pictures[], size: PictureSize): Pictures {
  const length = pictureLength(size)
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  const pixels = new Uint8Array(count * length)
  let start = 0
  for (const part of parts) {
    pixels.set(part.pixels, start)
    start += part.pixels.length
  }
  return { ...size, count, pixels }
}

/** Throws OptionError or ShapeError. */
function knownValues({ layout, count }: CodeBatch, { known, upTo }: DecodeOptions): Float32Array {
  const length = countValues(layout)
  if (known !== undefined && upTo !== undefined)
    throw new OptionError('decode: known and upTo are both given', { expected: 'one of them' })
  if (known !== undefined && known.length !== count * length)
    throw new ShapeError(`decode: known has ${known.length} entries`, { expected: `${count * length}, one per value` })
  const odd = known?.findIndex((bit) => bit !== 0 && bit !== 1) ?? -1
  if (odd >= 0)
    throw new OptionError(`decode: entry ${odd} of known is ${known![odd]}`, { expected: '1 where a value counts, 0 where not' })
  if (known !== undefined) return known
  const { parts } = layout
  const last = upTo ?? parts.length
  if (last > parts.length) throw new OptionError(`decode: upTo is ${last}`, { expected: `at most the ${parts.length} parts` })
  const end = last === 0 ? 0 : countValues({ parts: parts.slice(0, last) })
  return new Float32Array(count * length).map((_, i) => (i % length < end ? 1 : 0))
}

/** Throws MismatchError unless the pictures are of the tokenizer's size, ShapeError when they have other than count × size pixels. */
export function checkPictures({ kind, picture }: ImageTokenizer, pictures: Pictures): void {
  const sizeOf = ({ channels, height, width }: PictureSize) => `${channels} × ${height} × ${width}`
  if (sizeOf(picture) !== sizeOf(pictures))
    throw new MismatchError(`pictures of ${sizeOf(pictures)} for the tokenizer ${kind}`, { expected: sizeOf(picture) })
  checkPixels(pictures)
}

/** Throws MismatchError unless codes are of the tokenizer's layout and kind, ShapeError or DataError when their data are wrong. */
export function checkCodes({ kind, unit, layout }: ImageTokenizer, codes: CodeBatch): void {
  const given = describe(codes, codes.layout)
  const expected = describe(unit, layout)
  if (given !== expected) throw new MismatchError(`codes ${given} for the tokenizer ${kind}`, { expected })
  const length = codes.count * countValues(layout) * unitWidth(unit)
  if (codes.data.length !== length) throw new ShapeError(`codes of ${codes.data.length} numbers`, { expected: `${length}` })
  if (unit.kind === 'ids') checkIds(codes.data, unit.vocabulary)
  else checkFinite(codes.data)
}

function checkFinite(data: CodeBatch['data']): void {
  const wrong = data.findIndex((value) => !Number.isFinite(value))
  if (wrong >= 0) throw new DataError(`number ${wrong} of the codes is ${data[wrong]}`, { expected: 'finite numbers' })
}

function checkIds(data: CodeBatch['data'], vocabulary: readonly number[]): void {
  const wrong = data.findIndex((id, i) => !(id >= 0 && id < vocabulary[i % vocabulary.length]!))
  if (wrong >= 0)
    throw new DataError(`code ${wrong} is ${data[wrong]}`, { expected: `below ${vocabulary[wrong % vocabulary.length]}` })
}

function describe(unit: Unit, { parts }: Layout): string {
  const values = unit.kind === 'ids' ? `ids below ${unit.vocabulary.join(', ')}` : `vectors of ${unit.dimension}`
  return `${values} on ${parts.map(({ shape }) => shape.join('×')).join(', ')}`
}
