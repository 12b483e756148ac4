/** A value of a metadata record, with its type in the file. */
export type GgufValue =
  | { readonly type: 'u32' | 'i32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'u32[]' | 'i32[]' | 'f32[]'; readonly value: readonly number[] }
  | { readonly type: 'bool[]'; readonly value: readonly boolean[] }
  | { readonly type: 'string[]'; readonly value: readonly string[] }

const typeNumbers = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8 } as const
const arrayType = 9

export const u32Bytes = (value: number) => filled(4, (bytes) => bytes.writeUInt32LE(value))
export const u64Bytes = (value: number) => filled(8, (bytes) => bytes.writeBigUInt64LE(BigInt(value)))

/** Length in 64 bits, then UTF-8. */
export function stringBytes(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([u64Bytes(bytes.length), bytes])
}

/** A metadata record: key, type, value. */
export function recordBytes(key: string, { type, value }: GgufValue): Buffer {
  const items = Array.isArray(value) ? value : [value]
  const item = type.replace('[]', '') as keyof typeof typeNumbers
  const head = [stringBytes(key)]
  if (Array.isArray(value)) head.push(u32Bytes(arrayType), u32Bytes(typeNumbers[item]), u64Bytes(items.length))
  else head.push(u32Bytes(typeNumbers[item]))
  return Buffer.concat([...head, ...items.map((one: number | string | boolean) => scalarBytes(item, one))])
}

function scalarBytes(type: keyof typeof typeNumbers, value: number | string | boolean): Buffer {
  if (type === 'string') return stringBytes(String(value))
  if (type === 'bool') return Buffer.from([Number(value)])
  if (type === 'f32') return filled(4, (bytes) => bytes.writeFloatLE(Number(value)))
  return type === 'u32' ? u32Bytes(Number(value)) : filled(4, (bytes) => bytes.writeInt32LE(Number(value)))
}

function filled(length: number, fill: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.alloc(length)
  fill(bytes)
  return bytes
}
