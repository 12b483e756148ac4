export type { DType, HostTensor, TypedArray } from '../base/dtype.ts'
export { type Assignment, assign, assignRows } from './assignment.ts'
export { type Dimension, type Shape, SymbolicDimension, symbol } from './dimension.ts'
export { gradients, pullback } from './gradient.ts'
export { bfloat16, bool, type FeedValue, float16, float32, float64, type InputSpec, int32, int64, uint8 } from './input-spec.ts'
export { fromReference, interpret, type LeafValues, toReference } from './interpret.ts'
export {
  type CachedAttention,
  type CachedAttentionOperands,
  type CachedAttentionOptions,
  cachedAttention,
} from './ops/cached-attention.ts'
export { barrier, customGradient, stopGradient } from './ops/control.ts'
export {
  type ConvolutionOptions,
  conv1d,
  conv2d,
  convTranspose1d,
  convTranspose2d,
  type TransposedConvolutionOptions,
} from './ops/convolution.ts'
export {
  abs,
  add,
  and,
  cast,
  ceil,
  cos,
  divide,
  equal,
  erf,
  exp,
  finite,
  floor,
  gelu,
  geluTanh,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  log,
  maximum,
  minimum,
  multiply,
  negate,
  not,
  or,
  power,
  reciprocal,
  relu,
  round,
  scalar,
  sigmoid,
  sign,
  silu,
  sin,
  sqrt,
  square,
  subtract,
  tanh,
  where,
} from './ops/elementwise.ts'
export { type OpName, ops } from './ops/index.ts'
export { gather, gatherElements, oneHot, scatterElements, topK } from './ops/index-ops.ts'
export { concat, expand, pad, reshape, slice, split, squeeze, transpose, unsqueeze } from './ops/layout.ts'
export { constant, input, range, size } from './ops/leaf.ts'
export { type MatmulOptions, matmul } from './ops/linear.ts'
export { layerNorm, rmsNorm } from './ops/normalization.ts'
export { dequantize, matmulQuantized, type QuantizedOptions, type WeightBits } from './ops/quantized.ts'
export {
  argmax,
  type CumulativeOptions,
  cumulativeSum,
  logSoftmax,
  logSumExp,
  max,
  mean,
  type ReduceOptions,
  softmax,
  sum,
} from './ops/reduction.ts'
export { rotatePairs } from './ops/rotary.ts'
export { type CompileOptions, compile, type OnnxExportOptions, type Outputs, type Program, type RunOptions } from './program.ts'
export { maskOutsideNucleus, sampleCategorical } from './sampling.ts'
export { type Operand, Tensor, type TensorOperand, type TensorType } from './tensor.ts'
export { type Inputs, type Results, type Trace, trace } from './trace.ts'
export { jvp, rematerialize } from './transforms.ts'
export { type Initializer, parameter, Variable, type VariableOptions, variable } from './variable.ts'
export { verify } from './verify.ts'
