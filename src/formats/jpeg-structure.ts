import { FormatError } from '../base/errors.ts'

export interface JpegStructure {
  readonly width: number
  readonly height: number
  /** 1: grey; 3: colours. */
  readonly components: number
  /** Whether three components are red, green and blue as they stand, not luminance and colour differences. */
  readonly rgb: boolean
}

interface Segment {
  readonly code: number
  readonly data: Uint8Array
  /** Bytes of compressed data after it. */
  readonly compressed: number
}

interface Frame extends Omit<JpegStructure, 'rgb'> {
  readonly ids: readonly number[]
  /** Blocks of 8 × 8, of all components together. */
  readonly blocks: number
}

const mostScans = 128
const codes = { firstRestart: 0xd0, lastRestart: 0xd7, start: 0xd8, end: 0xd9, scan: 0xda, lines: 0xdc, adobe: 0xee } as const
const read: readonly number[] = [0xc0, 0xc1, 0xc2]
const unread: ReadonlyMap<number, string> = new Map([
  [0xc3, 'lossless'],
  ...[0xc5, 0xc6, 0xc7].map((code) => [code, 'hierarchical'] as const),
  ...[0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf].map((code) => [code, 'arithmetic-coded'] as const),
])

/**
 * Walks through the segments of a JPEG file (ITU-T T.81) without decoding any.
 * @throws FormatError on a file that is cut short or of a kind that is not read, on more pixels than `maxPixels`, and on more pixels or
 * passes over them than its compressed data can account for.
 */
export function readJpegStructure(bytes: Uint8Array, maxPixels: number): JpegStructure {
  const segments = [...segmentsOf(bytes)]
  const frames = segments.filter(({ code }) => read.includes(code))
  const scans = segments.filter(({ code }) => code === codes.scan)
  const other = segments.map(({ code }) => unread.get(code)).find((kind) => kind !== undefined)
  if (other !== undefined) throw new FormatError(`JPEG: a picture that is ${other}`, { expected: 'a baseline or progressive one' })
  if (frames.length !== 1 || scans.length === 0 || segments.indexOf(frames[0]!) > segments.indexOf(scans[0]!))
    throw new FormatError(`JPEG: ${frames.length} pictures and ${scans.length} scans`, { expected: 'one picture and its scans' })
  if (scans.length > mostScans) throw new FormatError(`JPEG: ${scans.length} scans`, { expected: `at most ${mostScans}` })
  const { width, height, components, ids, blocks } = readFrame(frames[0]!.data, maxPixels)
  const compressed = scans.reduce((total, scan) => total + scan.compressed, 0)
  // Each block has at least one bit of its own, in the first scan of its component.
  if (blocks > 8 * compressed)
    throw new FormatError(`JPEG: ${compressed} bytes of compressed data for ${width} × ${height} pixels, which is too little`)
  const adobe = segments.find(({ code, data }) => code === codes.adobe && isAdobe(data))
  return { width, height, components, rgb: components === 3 && isRgb(ids, adobe?.data[11]) }
}

function* segmentsOf(bytes: Uint8Array): Generator<Segment, void, void> {
  for (let offset = 2; ; ) {
    if (bytes[offset] !== 0xff) throw offset < bytes.length ? new FormatError(`JPEG: byte ${offset} begins no segment`) : cutShort()
    while (bytes[offset + 1] === 0xff) offset++
    const code = bytes[offset + 1]
    if (code === codes.end) return
    if (code === undefined || bytes.length - offset < 4) throw cutShort()
    if (code < 0xc0 || (code >= codes.firstRestart && code <= codes.start))
      throw new FormatError(`JPEG: a marker ${code.toString(16)} out of place`)
    const length = bytes[offset + 2]! * 256 + bytes[offset + 3]!
    const end = offset + 2 + length
    if (length < 2) throw new FormatError(`JPEG: byte ${offset} begins a segment of ${length} bytes`)
    if (end > bytes.length) throw cutShort()
    const data = bytes.subarray(offset + 4, end)
    offset = code === codes.scan ? endOfScan(bytes, end) : end
    yield { code, data, compressed: offset - end }
  }
}

/** Compressed data has 0xff only before a zero or a restart marker. */
function endOfScan(bytes: Uint8Array, start: number): number {
  for (let offset = bytes.indexOf(0xff, start); offset >= 0; offset = bytes.indexOf(0xff, offset + 2)) {
    const code = bytes[offset + 1] ?? codes.end
    if (code !== 0 && (code < codes.firstRestart || code > codes.lastRestart)) return offset
  }
  throw cutShort()
}

function readFrame(data: Uint8Array, maxPixels: number): Frame {
  const [precision, high = 0, low = 0, left = 0, right = 0, components = 0] = data
  const [height, width] = [high * 256 + low, left * 256 + right]
  if (precision !== 8) throw new FormatError(`JPEG: samples of ${precision} bits`, { expected: '8' })
  if (width < 1 || height < 1)
    throw new FormatError(`JPEG: a picture of ${width} × ${height} pixels`, { expected: 'sides above 0' })
  if (width * height > maxPixels)
    throw new FormatError(`JPEG: a picture of ${width} × ${height} pixels`, { expected: `at most ${maxPixels} pixels` })
  if (components !== 1 && components !== 3)
    throw new FormatError(`JPEG: a picture of ${components} components`, {
      expected: '1 (grey) or 3 (colours)',
      fix: 'save it as RGB',
    })
  if (data.length !== 6 + 3 * components) throw new FormatError('JPEG: a head of the picture of the wrong length')
  const parts = Array.from({ length: components }, (_, index) => ({ id: data[6 + 3 * index]!, sampling: data[7 + 3 * index]! }))
  const factors = parts.map(({ sampling }) => [sampling >> 4, sampling & 15] as const)
  if (factors.flat().some((factor) => factor < 1 || factor > 4))
    throw new FormatError('JPEG: a sampling factor out of range', { expected: '1 to 4' })
  const [across, down] = [Math.max(...factors.map(([x]) => x)), Math.max(...factors.map(([, y]) => y))]
  const blocks = factors.reduce(
    (total, [x, y]) => total + Math.ceil((width * x) / across / 8) * Math.ceil((height * y) / down / 8),
    0,
  )
  return { width, height, components, ids: parts.map(({ id }) => id), blocks }
}

function isAdobe(data: Uint8Array): boolean {
  return data.length >= 12 && String.fromCharCode(...data.subarray(0, 5)) === 'Adobe'
}

/** As Adobe's segment says, or, without one, as the names of the components do. */
function isRgb(ids: readonly number[], transform: number | undefined): boolean {
  return transform === undefined ? String.fromCharCode(...ids) === 'RGB' : transform === 0
}

function cutShort(): FormatError {
  return new FormatError('JPEG: the file is cut short')
}
