const float = new Float32Array(1)
const word = new Uint32Array(float.buffer)

/** The bits of a number in float16, rounded to nearest even; quick, for whole files of numbers. */
export function halfBits(value: number): number {
  float[0] = value
  const sign = (word[0]! >>> 16) & 0x8000
  const magnitude = Math.abs(float[0])
  if (!(magnitude < 65520)) return sign | (Number.isNaN(value) ? 0x7e00 : 0x7c00)
  if (magnitude < 2 ** -14) return sign | roundEven(magnitude * 2 ** 24)
  const bits = word[0]! & 0x7fffffff
  return sign | ((bits - 0x38000000 + 0xfff + ((bits >>> 13) & 1)) >>> 13)
}

function roundEven(value: number): number {
  const whole = Math.floor(value)
  const rest = value - whole
  return rest > 0.5 || (rest === 0.5 && whole % 2 === 1) ? whole + 1 : whole
}
