import { FormatError } from '../base/errors.ts'

export interface PngHeader {
  readonly width: number
  readonly height: number
  /** Bits a sample. */
  readonly depth: number
  /** Samples a pixel: a palette's index is one. */
  readonly samples: number
  readonly kind: 'grey' | 'colour' | 'palette' | 'grey and alpha' | 'colour and alpha'
  readonly interlaced: boolean
}

export interface PngChunks {
  readonly header: PngHeader
  /** The compressed samples. */
  readonly compressed: Uint8Array
  /** A file of nothing but the chunks that make the picture: no profile or text is left that would have to be inflated. */
  readonly essence: Uint8Array
}

interface Chunk {
  readonly type: string
  /** With length and checksum. */
  readonly whole: Uint8Array
  readonly data: Uint8Array
}

export const pngSignature: readonly number[] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

const longest = 2 ** 31 - 1
const once: readonly string[] = ['IHDR', 'PLTE', 'tRNS', 'IEND']
const kinds: ReadonlyMap<number | undefined, Pick<PngHeader, 'kind' | 'samples'> & { readonly depths: readonly number[] }> =
  new Map([
    [0, { kind: 'grey', samples: 1, depths: [1, 2, 4, 8, 16] }],
    [2, { kind: 'colour', samples: 3, depths: [8, 16] }],
    [3, { kind: 'palette', samples: 1, depths: [1, 2, 4, 8] }],
    [4, { kind: 'grey and alpha', samples: 2, depths: [8, 16] }],
    [6, { kind: 'colour and alpha', samples: 4, depths: [8, 16] }],
  ])

/**
 * Takes a PNG file apart (https://www.w3.org/TR/png-3/), without inflating anything.
 * @throws FormatError on a file that is cut short, has chunks that no picture has, or more pixels than `maxPixels`.
 */
export function readPngChunks(bytes: Uint8Array, maxPixels: number): PngChunks {
  const chunks = [...chunksOf(bytes)]
  const header = readHeader(chunks[0], maxPixels)
  checkOrder(chunks, header)
  const kept = chunks.filter(({ type }) => once.includes(type) || type === 'IDAT')
  return {
    header,
    compressed: joined(kept.filter(({ type }) => type === 'IDAT').map(({ data }) => data)),
    essence: joined([Uint8Array.from(pngSignature), ...kept.map(({ whole }) => whole)]),
  }
}

/** Bytes of the samples before compression: each row with a byte that names its filter. */
export function sampleBytes({ width, height, depth, samples, interlaced }: PngHeader): number {
  if (!interlaced) return height * (1 + Math.ceil((width * samples * depth) / 8))
  return adam7.reduce((total, { x, y, across, down }) => {
    const [columns, rows] = [Math.ceil((width - x) / across), Math.ceil((height - y) / down)]
    return total + (columns > 0 && rows > 0 ? rows * (1 + Math.ceil((columns * samples * depth) / 8)) : 0)
  }, 0)
}

/** The seven passes: their first pixel, and the steps between pixels. */
const adam7 = [
  { x: 0, y: 0, across: 8, down: 8 },
  { x: 4, y: 0, across: 8, down: 8 },
  { x: 0, y: 4, across: 4, down: 8 },
  { x: 2, y: 0, across: 4, down: 4 },
  { x: 0, y: 2, across: 2, down: 4 },
  { x: 1, y: 0, across: 2, down: 2 },
  { x: 0, y: 1, across: 1, down: 2 },
] as const

function* chunksOf(bytes: Uint8Array): Generator<Chunk, void, void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let offset = pngSignature.length; ; ) {
    if (bytes.length - offset < 12) throw cutShort()
    const length = view.getUint32(offset)
    if (length > bytes.length - offset - 12) throw cutShort()
    const type = String.fromCharCode(...bytes.subarray(offset + 4, offset + 8))
    if (!/^[A-Za-z]{4}$/.test(type)) throw new FormatError(`PNG: byte ${offset} begins no chunk`)
    const end = offset + 12 + length
    yield { type, whole: bytes.subarray(offset, end), data: bytes.subarray(offset + 8, end - 4) }
    if (type === 'IEND') return
    offset = end
  }
}

function readHeader(chunk: Chunk | undefined, maxPixels: number): PngHeader {
  if (chunk?.type !== 'IHDR' || chunk.data.length !== 13) throw new FormatError('PNG: the file does not begin with its header')
  const view = new DataView(chunk.data.buffer, chunk.data.byteOffset)
  const [width, height] = [view.getUint32(0), view.getUint32(4)]
  const [depth = 0, type, compression, filter, interlace = 2] = chunk.data.subarray(8)
  const kind = kinds.get(type)
  if (width < 1 || height < 1 || width > longest || height > longest)
    throw new FormatError(`PNG: a picture of ${width} × ${height} pixels`, { expected: `sides from 1 to ${longest}` })
  if (width * height > maxPixels)
    throw new FormatError(`PNG: a picture of ${width} × ${height} pixels`, { expected: `at most ${maxPixels} pixels` })
  if (!kind?.depths.includes(depth))
    throw new FormatError(`PNG: colour type ${type} of ${depth} bits, which the format does not have`)
  if (compression !== 0 || filter !== 0 || interlace > 1)
    throw new FormatError('PNG: a way of compressing, filtering or interlacing that the format does not have')
  return { width, height, depth, samples: kind.samples, kind: kind.kind, interlaced: interlace === 1 }
}

function checkOrder(chunks: readonly Chunk[], { kind }: PngHeader): void {
  const types = chunks.map(({ type }) => type)
  const stranger = types.find((type) => /^[A-Z]/.test(type) && !once.includes(type) && type !== 'IDAT')
  if (stranger !== undefined) throw new FormatError(`PNG: a chunk '${stranger}', without which the picture cannot be read`)
  const twice = once.find((type) => types.indexOf(type) !== types.lastIndexOf(type))
  if (twice !== undefined) throw new FormatError(`PNG: two chunks '${twice}'`, { expected: 'one' })
  const [first, last] = [types.indexOf('IDAT'), types.lastIndexOf('IDAT')]
  if (first < 0 || types.slice(first, last).some((type) => type !== 'IDAT'))
    throw new FormatError('PNG: the data is missing or in several places')
  const [palette, transparency] = [types.indexOf('PLTE'), types.indexOf('tRNS')]
  if (palette > first || transparency > first || (transparency >= 0 && palette > transparency))
    throw new FormatError('PNG: chunks in an order that the format does not have')
  checkPalette(chunks[palette]?.data.length, kind)
  checkTransparency(chunks[transparency]?.data.length, kind, (chunks[palette]?.data.length ?? 0) / 3)
}

function checkPalette(length: number | undefined, kind: PngHeader['kind']): void {
  if (kind === 'palette' && length === undefined) throw new FormatError('PNG: the palette is missing')
  if (length === undefined) return
  if (kind.startsWith('grey')) throw new FormatError('PNG: a grey picture with a palette')
  if (length % 3 !== 0 || length < 3 || length > 768)
    throw new FormatError(`PNG: a palette of ${length} bytes`, { expected: '3 for each of 1 to 256 colours' })
}

function checkTransparency(length: number | undefined, kind: PngHeader['kind'], colours: number): void {
  if (length === undefined) return
  const fits = kind === 'palette' ? length >= 1 && length <= colours : length === { grey: 2, colour: 6 }[kind as 'grey' | 'colour']
  if (!fits) throw new FormatError(`PNG: ${length} bytes about transparency, which does not fit a picture of ${kind}`)
}

function cutShort(): FormatError {
  return new FormatError('PNG: the file is cut short')
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((total, { length }) => total + length, 0))
  let filled = 0
  for (const piece of pieces) {
    whole.set(piece, filled)
    filled += piece.length
  }
  return whole
}
