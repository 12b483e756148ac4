import { OptionError } from '../../base/errors.ts'
import { fanInUniform, gelu, type Mlp } from '../../nn/index.ts'

/** Two linear maps with GELU between them, with the first weights that PyTorch gives. */
export function mlp(width: number, hidden: number): Mlp {
  return gelu(hidden)({ width, linear: fanInUniform(width), output: fanInUniform(hidden) })
}

/** Throws OptionError on heads that do not divide the width. */
export function checkHeads({ width, heads }: { readonly width: number; readonly heads: number }): void {
  if (width % heads !== 0) throw new OptionError(`${heads} heads at width ${width}`, { expected: 'heads that divide the width' })
}
