import { reshape, type Tensor, transpose } from '../tensor/index.ts'

/** `[batch, slot, head·headWidth]` → `[batch, head, slot, headWidth]`. */
export function splitHeads(x: Tensor, heads: number, headWidth: number): Tensor {
  const [batch, slots] = x.shape
  return transpose(reshape(x, [batch!, slots!, heads, headWidth]), [0, 2, 1, 3])
}

/** `[batch, head, slot, headWidth]` → `[batch, slot, head·headWidth]`. */
export function joinHeads(x: Tensor): Tensor {
  const [batch, , slots] = x.shape
  return reshape(transpose(x, [0, 2, 1, 3]), [batch!, slots!, -1])
}
