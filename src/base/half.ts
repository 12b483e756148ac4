import { setFloat16 } from '@petamoriken/float16'

/** The bits of a number in one of the 16-bit float formats, rounded to nearest even. */
export function toHalf(value: number, dtype: 'float16' | 'bfloat16'): number {
  const view = new DataView(new ArrayBuffer(4))
  if (dtype === 'float16') {
    setFloat16(view, 0, value)
    return view.getUint16(0)
  }
  view.setFloat32(0, value)
  const bits = view.getUint32(0)
  if (Number.isNaN(value)) return 0x7fc0
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** The number that 16 bits stand for in one of the 16-bit float formats. */
export function fromHalf(bits: number, dtype: 'float16' | 'bfloat16'): number {
  if (dtype === 'float16') return fromFloat16(bits)
  const view = new DataView(new ArrayBuffer(4))
  view.setUint16(0, bits)
  return view.getFloat32(0)
}

/** The float16 at a byte of a view, little-endian. */
export function halfAt(view: DataView, byteOffset: number): number {
  return fromFloat16(view.getUint16(byteOffset, true))
}

/** What the last bit of a float16 is worth, by its exponent bits. */
const lastBits = Float64Array.from({ length: 31 }, (_, exponent) => 2 ** (Math.max(exponent, 1) - 25))

/** For loops over millions, where the library takes a microsecond each. */
function fromFloat16(bits: number): number {
  const exponent = (bits >>> 10) & 31
  const fraction = bits & 1023
  const sign = bits < 0x8000 ? 1 : -1
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return sign * (exponent === 0 ? fraction : 1024 + fraction) * lastBits[exponent]!
}
