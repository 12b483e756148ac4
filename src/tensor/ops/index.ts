import { caching } from './cached-attention.ts'
import { control } from './control.ts'
import { convolutions } from './convolution.ts'
import { elementwise, scalarRow } from './elementwise.ts'
import { indexing } from './index-ops.ts'
import { layout } from './layout.ts'
import { leaves } from './leaf.ts'
import { linear } from './linear.ts'
import { normalization } from './normalization.ts'
import { quantized } from './quantized.ts'
import { reductions } from './reduction.ts'
import { rotations } from './rotary.ts'

/** Every op. A new op is one row here (through its family) and, by type, one in gradient-rules.ts and one in the gradient test. */
export const ops = {
  ...leaves,
  ...scalarRow,
  ...elementwise,
  ...reductions,
  ...linear,
  ...convolutions,
  ...layout,
  ...indexing,
  ...normalization,
  ...quantized,
  ...control,
  ...caching,
  ...rotations,
} as const

export type OpName = keyof typeof ops
