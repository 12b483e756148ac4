import { crc32, deflateSync } from 'node:zlib'

/** A PNG file of any kind, valid or not, written apart from the library under test: the samples as numbers, row by row. */
export interface PngPlan {
  readonly width: number
  readonly height: number
  /** 0 grey, 2 colour, 3 palette, 4 grey and alpha, 6 colour and alpha. */
  readonly type: number
  readonly depth: number
  readonly samples: ArrayLike<number>
  readonly palette?: readonly number[]
  readonly transparency?: readonly number[]
  readonly interlaced?: boolean
  /** Instead of the samples, as they would be inflated. */
  readonly inflated?: Uint8Array
  /** Chunks before the data. */
  readonly extra?: readonly Uint8Array[]
}

const samplesPerPixel = [1, 0, 3, 1, 2, 0, 4]
const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
const passes = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const

export function pngFile(plan: PngPlan): Uint8Array {
  const { width, height, depth, type, palette, transparency, interlaced = false, extra = [] } = plan
  const header = Uint8Array.of(...word(width), ...word(height), depth, type, 0, 0, interlaced ? 1 : 0)
  const chunks = [
    chunk('IHDR', header),
    ...extra,
    ...(palette ? [chunk('PLTE', Uint8Array.from(palette))] : []),
    ...(transparency ? [chunk('tRNS', Uint8Array.from(transparency))] : []),
    chunk('IDAT', deflateSync(plan.inflated ?? filtered(plan))),
    chunk('IEND', new Uint8Array(0)),
  ]
  return concatenated([signature, ...chunks])
}

export function chunk(type: string, data: Uint8Array): Uint8Array {
  const named = concatenated([new TextEncoder().encode(type), data])
  return concatenated([Uint8Array.from(word(data.length)), named, Uint8Array.from(word(crc32(named)))])
}

export function concatenated(pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]))
}

function word(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
}

/** Rows as they are compressed: row r has filter r mod 5. */
function filtered(plan: PngPlan): Uint8Array {
  const { width, height, interlaced = false } = plan
  const rows: Uint8Array[] = []
  for (const [x0, y0, dx, dy] of interlaced ? passes : [[0, 0, 1, 1] as const]) {
    let previous: Uint8Array | undefined
    if (x0 >= width) continue
    for (let y = y0; y < height; y += dy) {
      const row = packedRow(plan, y, x0, dx)
      rows.push(filteredRow(plan, row, previous, rows.length % 5))
      previous = row
    }
  }
  return concatenated(rows)
}

function packedRow({ width, depth, type, samples }: PngPlan, y: number, x0: number, dx: number): Uint8Array {
  const each = samplesPerPixel[type]!
  let bits = ''
  for (let x = x0; x < width; x += dx)
    for (let sample = 0; sample < each; sample++) bits += samples[(y * width + x) * each + sample]!.toString(2).padStart(depth, '0')
  return Uint8Array.from(bits.match(/.{1,8}/g) ?? [], (byte) => Number.parseInt(byte.padEnd(8, '0'), 2))
}

function filteredRow({ type, depth }: PngPlan, row: Uint8Array, previous: Uint8Array | undefined, filter: number): Uint8Array {
  const back = Math.max(1, (samplesPerPixel[type]! * depth) / 8)
  const bytes = row.map((byte, index) => {
    const left = row[index - back] ?? 0
    const up = previous?.[index] ?? 0
    const corner = index >= back ? (previous?.[index - back] ?? 0) : 0
    return byte - [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter]!
  })
  return Uint8Array.of(filter, ...bytes)
}

function paeth(left: number, up: number, corner: number): number {
  const guess = left + up - corner
  const distances = [left, up, corner].map((value) => Math.abs(guess - value))
  return [left, up, corner][distances.indexOf(Math.min(...distances))]!
}
