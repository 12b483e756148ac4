import type { Gate } from './result.ts'

/** A gate on a number, with its unit in the text. */
export function gate(name: string, got: number, want: `${'≤' | '≥'} ${number}`, hard = false): Gate {
  const limit = Number(want.slice(2))
  return { name, want, got: got.toPrecision(4), pass: want.startsWith('≤') ? got <= limit : got >= limit, hard }
}
