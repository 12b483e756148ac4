import { getFloat16, setFloat16 } from '@petamoriken/float16'

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
  const view = new DataView(new ArrayBuffer(4))
  view.setUint16(0, bits)
  return dtype === 'float16' ? getFloat16(view, 0) : view.getFloat32(0)
}
