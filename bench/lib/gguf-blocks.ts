import { halfBits } from './half.ts'

/** How a GGUF file stores a matrix: the types of ggml that the writer knows. */
export type GgufType = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0' | 'q4_1' | 'q5_0' | 'q5_1' | 'q4_k' | 'q5_k' | 'q6_k'

interface TypeFacts {
  /** Number of the type in tensor records. */
  readonly id: number
  /** Number in `general.file_type` of a file that is mostly of this type. */
  readonly fileType: number
  /** Elements of a block; rows are whole numbers of blocks. */
  readonly elements: number
  /** Bytes of a block. */
  readonly bytes: number
}

export const ggufTypes: Readonly<Record<GgufType, TypeFacts>> = {
  f32: { id: 0, fileType: 0, elements: 1, bytes: 4 },
  f16: { id: 1, fileType: 1, elements: 1, bytes: 2 },
  bf16: { id: 30, fileType: 32, elements: 1, bytes: 2 },
  q8_0: { id: 8, fileType: 7, elements: 32, bytes: 34 },
  q4_0: { id: 2, fileType: 2, elements: 32, bytes: 18 },
  q4_1: { id: 3, fileType: 3, elements: 32, bytes: 20 },
  q5_0: { id: 6, fileType: 8, elements: 32, bytes: 22 },
  q5_1: { id: 7, fileType: 9, elements: 32, bytes: 24 },
  q4_k: { id: 12, fileType: 15, elements: 256, bytes: 144 },
  q5_k: { id: 13, fileType: 17, elements: 256, bytes: 176 },
  q6_k: { id: 14, fileType: 18, elements: 256, bytes: 210 },
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const setFloat16 = (out: DataView, at: number, value: number) => out.setUint16(at, halfBits(value), true)

type Encoder = (values: Float32Array, out: DataView) => void

/** The types whose numbers are chosen: rounding, and the reference quantisation of ggml for Q8_0 and Q4_0. */
const encoders: Readonly<Partial<Record<GgufType, Encoder>>> = {
  f32: (values, out) => {
    for (let i = 0; i < values.length; i++) out.setFloat32(4 * i, values[i]!, true)
  },
  f16: (values, out) => {
    for (let i = 0; i < values.length; i++) setFloat16(out, 2 * i, values[i]!)
  },
  bf16: (values, out) => {
    const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
    for (let i = 0; i < values.length; i++) out.setUint16(2 * i, (bits[i]! + 0x7fff + ((bits[i]! >>> 16) & 1)) >>> 16, true)
  },
  q8_0: (values, out) => {
    for (let at = 0, to = 0; at < values.length; at += 32, to += 34) encodeQ8(values, at, out, to)
  },
  q4_0: (values, out) => {
    for (let at = 0, to = 0; at < values.length; at += 32, to += 18) encodeQ4(values, at, out, to)
  },
}

/** Scale max|x| / 127 (kept in float16, divided by in float32), halves rounded away from zero. */
function encodeQ8(values: Float32Array, at: number, out: DataView, to: number): void {
  let largest = 0
  for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(values[at + i]!))
  const scale = Math.fround(largest / 127)
  const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
  setFloat16(out, to, scale)
  for (let i = 0; i < 32; i++) {
    const scaled = Math.fround(values[at + i]! * inverse)
    out.setInt8(to + 2 + i, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5))
  }
}

/** Scale: the number of largest magnitude / −8. Element i is the low half of byte i, element i + 16 the high half. */
function encodeQ4(values: Float32Array, at: number, out: DataView, to: number): void {
  let extreme = 0
  for (let i = 0; i < 32; i++) if (Math.abs(values[at + i]!) > Math.abs(extreme)) extreme = values[at + i]!
  const scale = Math.fround(extreme / -8)
  const inverse = scale === 0 ? 0 : Math.fround(1 / scale)
  const level = (value: number) => Math.min(15, Math.trunc(Math.fround(Math.fround(value * inverse) + 8.5)))
  setFloat16(out, to, scale)
  for (let i = 0; i < 16; i++) out.setUint8(to + 2 + i, level(values[at + i]!) | (level(values[at + i + 16]!) << 4))
}

type Scales = (out: DataView, at: number, unit: number) => void

/**
 * The types whose blocks are random bytes: where their scales and minima lie, and what these must be for numbers of mean 0 and standard
 * deviation `unit` when all other bits are uniform.
 */
const scales: Readonly<Partial<Record<GgufType, Scales>>> = {
  q4_1: (out, at, unit) => setHalves(out, at, unit / 4.61, (-7.5 * unit) / 4.61),
  q5_0: (out, at, unit) => setHalves(out, at, unit / 9.23),
  q5_1: (out, at, unit) => setHalves(out, at, unit / 9.23, (-15.5 * unit) / 9.23),
  q4_k: (out, at, unit) => setHalves(out, at, unit / 258, (7.5 * unit) / 258),
  q5_k: (out, at, unit) => setHalves(out, at, unit / 527, (15.5 * unit) / 527),
  q6_k: (out, at, unit) => setHalves(out, at + 208, unit / 1367),
}

function setHalves(out: DataView, at: number, ...values: readonly number[]): void {
  for (const [i, value] of values.entries()) setFloat16(out, at + 2 * i, value)
}

/** `count` random numbers of mean 0 and the given deviation (uniformly distributed), as bytes of a type; a whole number of blocks. */
export function randomBlocks(type: GgufType, count: number, deviation: number, uniform: () => number): Uint8Array {
  const { elements, bytes } = ggufTypes[type]
  if (count % elements !== 0) throw new Error(`${count} numbers are not a whole number of blocks of ${type} (${elements} each)`)
  const out = new Uint8Array((count / elements) * bytes)
  const setScales = scales[type]
  if (setScales === undefined) {
    const half = Math.sqrt(3) * deviation
    encodeBlocks(
      type,
      new Float32Array(count).map(() => (2 * uniform() - 1) * half),
      out,
    )
    return out
  }
  for (let i = 0; i < out.length; i++) out[i] = 256 * uniform()
  const view = viewOf(out)
  for (let at = 0; at < out.length; at += bytes) setScales(view, at, deviation * (0.75 + 0.5 * uniform()))
  return out
}

/** Encodes numbers by the type's published rule. Throws for types that only `randomBlocks` makes. */
export function encodeBlocks(type: GgufType, values: Float32Array, out: Uint8Array): void {
  const encode = encoders[type]
  if (encode === undefined) throw new Error(`${type} is written as random blocks only`)
  encode(values, viewOf(out))
}
