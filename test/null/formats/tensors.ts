import fc from 'fast-check'
import { arrayTypes, bytesPerElement, type DType, elementCount, type HostTensor } from '../../../src/base/dtype.ts'

export const allDtypes = Object.keys(arrayTypes) as DType[]

export function tensor(dtype: DType, shape: readonly number[], values: readonly (number | bigint)[]): HostTensor {
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(values, BigInt) }
  const data = new arrayTypes[dtype](values.length)
  values.forEach((value, index) => {
    data[index] = Number(value)
  })
  return { dtype, shape, data }
}

/** Tensors of any dtype and small shapes, zero sizes included, with any bits. */
export const anyTensor: fc.Arbitrary<HostTensor> = fc
  .record({ dtype: fc.constantFrom(...allDtypes), shape: fc.array(fc.nat({ max: 3 }), { maxLength: 3 }) })
  .chain(({ dtype, shape }) => {
    const length = elementCount(shape) * bytesPerElement[dtype]
    const byte = dtype === 'bool' ? fc.nat({ max: 1 }) : fc.nat({ max: 255 })
    return fc.array(byte, { minLength: length, maxLength: length }).map((bytes) => {
      const { buffer } = Uint8Array.from(bytes)
      return { dtype, shape, data: new arrayTypes[dtype](buffer) }
    })
  })

/** The bits of a tensor, as NaNs differ only there. */
export function bits({ dtype, shape, data }: HostTensor): unknown {
  return { dtype, shape, bytes: [...new Uint8Array(data.buffer, data.byteOffset, data.byteLength)] }
}
