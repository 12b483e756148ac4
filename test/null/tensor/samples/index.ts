import type { OpName } from '../../../../src/tensor/index.ts'
import { cachingSamples } from './caching.ts'
import { controlSamples } from './control.ts'
import { convolutionSamples } from './convolution.ts'
import { elementwiseSamples } from './elementwise.ts'
import { indexingSamples } from './indexing.ts'
import { layoutSamples } from './layout.ts'
import { leafSamples } from './leaf.ts'
import { linearSamples } from './linear.ts'
import { normalizationSamples } from './normalization.ts'
import { quantizedSamples } from './quantized.ts'
import { reductionSamples } from './reduction.ts'
import { rotarySamples } from './rotary.ts'
import type { OpSamples } from './sample.ts'

/** Samples of every op; the type refuses an op without samples. */
export const opSamples: { readonly [Name in OpName]: OpSamples } = {
  ...leafSamples,
  ...elementwiseSamples,
  ...reductionSamples,
  ...linearSamples,
  ...convolutionSamples,
  ...layoutSamples,
  ...indexingSamples,
  ...normalizationSamples,
  ...quantizedSamples,
  ...controlSamples,
  ...cachingSamples,
  ...rotarySamples,
}
