/** A protobuf encoder that knows nothing of the one under test. */
export function varint(number: number, value: number | bigint): Uint8Array {
  return Uint8Array.from([...field(number, 0), ...base128(value)])
}

export function bytesField(number: number, bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...field(number, 2), ...base128(bytes.length), ...bytes])
}

export function text(number: number, value: string): Uint8Array {
  return bytesField(number, new TextEncoder().encode(value))
}

export function message(number: number, ...fields: readonly Uint8Array[]): Uint8Array {
  return bytesField(number, Uint8Array.from(fields.flatMap((one) => [...one])))
}

export function packed(number: number, ...values: readonly (number | bigint)[]): Uint8Array {
  return bytesField(number, Uint8Array.from(values.flatMap(base128)))
}

/** The tag of a field. */
export function field(number: number, wire: number): number[] {
  return base128(number * 8 + wire)
}

function base128(value: number | bigint): number[] {
  const digits: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  do {
    digits.push(Number(rest & 127n) | (rest > 127n ? 128 : 0))
    rest >>= 7n
  } while (rest > 0n)
  return digits
}
