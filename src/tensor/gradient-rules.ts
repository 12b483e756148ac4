import { GraphError } from '../base/errors.ts'
import { convolutionWeightGradient } from './convolution-gradient.ts'
import { addDimensions, type Dimension, multiplyDimensions, type Shape, sameDimension, subtractDimensions } from './dimension.ts'
import { convolutionInputGradient, transposedInputGradient } from './ops/convolution.ts'
import {
  add,
  cast,
  cos,
  divide,
  equal,
  erf,
  exp,
  greater,
  less,
  lessOrEqual,
  log,
  multiply,
  negate,
  power,
  scalar,
  sign,
  sin,
  square,
  subtract,
  tanh,
  where,
} from './ops/elementwise.ts'
import type { OpName, ops } from './ops/index.ts'
import { gatherElements, oneHot, scatterElements } from './ops/index-ops.ts'
import { expand, pad, reshape, slice, transpose } from './ops/layout.ts'
import { matmul } from './ops/linear.ts'
import { dequantize, weightCodes } from './ops/quantized.ts'
import { cumulativeSum, mean, sum } from './ops/reduction.ts'
import type { Op, Tensor } from './tensor.ts'

type AttributesOf<O> = O extends Op<infer A> ? A : never

/** Gradients of the operands from the gradient of the result: a vector-Jacobian product. undefined: no gradient flows there. */
export type GradientRule<A = unknown> = (gradient: Tensor, node: Tensor, attributes: A) => readonly (Tensor | undefined)[]

/** The rule of ops that no gradient passes. */
export const noGradient: GradientRule = (_gradient, node) => node.inputs.map(() => undefined)

/** The rule of ops that training does not use: a gradient that would be lost is refused. */
export const inferenceOnly: GradientRule = (_gradient, node) => {
  throw new GraphError(`${node.op.name} has no gradient`, { fix: 'train with the attention of nn/, which has' })
}

/** A rule for one operand: its gradient is `gradient · derivative`. */
function derivative(of: (x: Tensor, y: Tensor) => Tensor | number): GradientRule {
  return (gradient, node) => [multiply(gradient, of(node.inputs[0]!, node))]
}

/** A rule for two broadcasting operands. */
function pair(of: (gradient: Tensor, a: Tensor, b: Tensor, y: Tensor) => readonly [Tensor, Tensor]): GradientRule {
  return (gradient, node) => {
    const [a, b] = node.inputs
    const [da, db] = of(gradient, a!, b!, node)
    return [sumTo(da, a!.shape), sumTo(db, b!.shape)]
  }
}

/** Undoes broadcasting: sums over the axes that a shape was expanded along. */
export function sumTo(gradient: Tensor, shape: Shape): Tensor {
  const shift = gradient.rank - shape.length
  const axes = gradient.shape.flatMap((length, axis) => {
    const target: Dimension = axis < shift ? 0 : shape[axis - shift]!
    return axis < shift || (target === 1 && !sameDimension(length, 1)) ? [axis] : []
  })
  return axes.length === 0 ? gradient : reshape(sum(gradient, axes), shape)
}

function zerosOf(type: { readonly dtype: Tensor['dtype']; readonly shape: Shape }): Tensor {
  return expand(scalar(0, type.dtype), type.shape)
}

/** Puts the reduced axes back with size 1. */
function keepAxes(reduced: Tensor, like: Tensor, axes: readonly number[]): Tensor {
  return reshape(
    reduced,
    like.shape.map((length, axis) => (axes.includes(axis) ? 1 : length)),
  )
}

/** Subgradient shares: an operand gets all, half on a tie, or nothing. */
function winner(gradient: Tensor, wins: Tensor, ties: Tensor): Tensor {
  return where(wins, where(ties, multiply(gradient, 0.5), gradient), 0)
}

const inverseSqrtHalfPi = Math.sqrt(2 / Math.PI) / 2

/** Standard normal density. */
function density(x: Tensor): Tensor {
  return multiply(exp(multiply(multiply(x, x), -0.5)), inverseSqrtHalfPi)
}

/** Gradients of matmul: each operand's, transposed the way it was fed. */
const matmulRule: GradientRule<AttributesOf<typeof ops.matmul>> = (gradient, node, { transposeA, transposeB, scale }) => {
  const [a, b] = node.inputs
  const da = transposeA
    ? matmul(b!, gradient, { transposeA: transposeB, transposeB: true, scale })
    : matmul(gradient, b!, { transposeB: !transposeB, scale })
  const db = transposeB
    ? matmul(gradient, a!, { transposeA: true, transposeB: transposeA, scale })
    : matmul(a!, gradient, { transposeA: !transposeA, scale })
  return [sumTo(da, a!.shape), sumTo(db, b!.shape)]
}

/** Through the weights that the blocks stand for; a scale's gradient is that of its weights times their codes. Codes have none. */
const matmulQuantizedRule: GradientRule<AttributesOf<typeof ops.matmulQuantized>> = (gradient, node, { bits }) => {
  const [x, blocks, scales] = node.inputs
  const width = x!.shape.at(-1) as number
  const dx = matmul(gradient, dequantize(blocks!, scales!, { bits, width }))
  const flat = (tensor: Tensor) => reshape(tensor, [-1, tensor.shape.at(-1)!])
  const codes = weightCodes(blocks!, bits, scales!.dtype)
  const [, perRow, blockSize] = codes.shape as [number, number, number]
  const dWeights = pad(matmul(flat(gradient), flat(x!), { transposeA: true }), -1, 0, perRow * blockSize - width)
  return [dx, undefined, sum(multiply(reshape(dWeights, codes.shape), codes), -1)]
}

/** Below this many rows a one-hot product beats scattering; ScatterND would lose updates on several threads. */
const oneHotRows = 256

const gatherRule: GradientRule<AttributesOf<typeof ops.gather>> = (gradient, node, { axis }) => {
  const [table, indices] = node.inputs
  return [axis === 0 ? scatterRows(gradient, table!, indices!) : scatterAlong(gradient, table!, indices!, axis), undefined]
}

/** Adds the rows of `gradient` at their indices into zeros of the table's shape. */
function scatterRows(gradient: Tensor, table: Tensor, indices: Tensor): Tensor {
  const [rows, ...rest] = table.shape
  const width = rest.reduce(multiplyDimensions, 1 as Dimension)
  const count = indices.shape.reduce(multiplyDimensions, 1 as Dimension)
  const flat = reshape(gradient, [count, width])
  if (typeof rows === 'number' && rows <= oneHotRows) {
    const chosen = reshape(indices, [count])
    // Negative indices count from the end.
    const hot = oneHot(where(less(chosen, 0), add(chosen, rows), chosen), rows, table.dtype)
    return reshape(matmul(hot, flat, { transposeA: true }), table.shape)
  }
  const places = expand(reshape(indices, [count, 1]), [count, width])
  return reshape(scatterElements(zerosOf({ dtype: table.dtype, shape: [rows!, width] }), places, flat, 0, 'add'), table.shape)
}

function scatterAlong(gradient: Tensor, table: Tensor, indices: Tensor, axis: number): Tensor {
  const front = (rank: number, first: number, count: number) => {
    const moved = Array.from({ length: count }, (_, i) => first + i)
    return [...moved, ...Array.from({ length: rank }, (_, a) => a).filter((a) => !moved.includes(a))]
  }
  const toFront = front(table.rank, axis, 1)
  const turnedTable = transpose(table, toFront)
  const turned = transpose(gradient, front(gradient.rank, axis, indices.rank))
  const result = scatterRows(turned, turnedTable, indices)
  return transpose(
    result,
    toFront.map((_, a) => toFront.indexOf(a)),
  )
}

function normalised(x: Tensor, centre: boolean, epsilon: number): { value: Tensor; scale: Tensor } {
  const centred = centre ? subtract(x, mean(x, -1, { keep: true })) : x
  // 1/σ is computed anew: the runtime's second output is not filled on every provider.
  const variance = mean(multiply(centred, centred), -1, { keep: true })
  const scale = power(add(variance, epsilon), -0.5)
  return { value: multiply(centred, scale), scale }
}

/** Gradient of both norms: with u = dy·scale and n the normalised input, dx = (u − mean(u) − n·mean(u·n)) / σ. */
function normRule(centre: boolean): GradientRule<{ epsilon: number }> {
  return (gradient, node, { epsilon }) => {
    const [x, scale, bias] = node.inputs
    const n = normalised(x!, centre, epsilon)
    const u = multiply(gradient, scale!)
    const along = multiply(n.value, mean(multiply(u, n.value), -1, { keep: true }))
    const flat = centre ? subtract(u, mean(u, -1, { keep: true })) : u
    const dx = multiply(subtract(flat, along), n.scale)
    const grads = [dx, sumTo(multiply(gradient, n.value), scale!.shape)]
    return bias === undefined ? grads : [...grads, sumTo(gradient, bias.shape)]
  }
}

/** The gradient of every op, by name; the type refuses a missing one. */
export const gradientRules: { readonly [Name in OpName]: GradientRule<AttributesOf<(typeof ops)[Name]>> } = {
  input: noGradient,
  variable: noGradient,
  constant: noGradient,
  size: noGradient,
  range: noGradient,
  scalar: noGradient,
  negate: (gradient) => [negate(gradient)],
  exp: derivative((_x, y) => y),
  log: (gradient, node) => [divide(gradient, node.inputs[0]!)],
  sqrt: (gradient, node) => [divide(multiply(gradient, 0.5), node)],
  reciprocal: derivative((_x, y) => negate(multiply(y, y))),
  abs: derivative((x) => sign(x)),
  sign: noGradient,
  sin: derivative((x) => cos(x)),
  cos: derivative((x) => negate(sin(x))),
  tanh: derivative((_x, y) => subtract(1, multiply(y, y))),
  sigmoid: derivative((_x, y) => multiply(y, subtract(1, y))),
  relu: (gradient, node) => [where(greater(node.inputs[0]!, 0), gradient, 0)],
  erf: derivative((x) => multiply(exp(negate(multiply(x, x))), 2 / Math.sqrt(Math.PI))),
  gelu: derivative((x) => add(multiply(add(erf(multiply(x, Math.SQRT1_2)), 1), 0.5), multiply(x, density(x)))),
  geluTanh: derivative((x) => {
    const inner = tanh(multiply(add(x, multiply(multiply(x, square(x)), 0.044715)), Math.sqrt(2 / Math.PI)))
    const slope = multiply(add(multiply(square(x), 3 * 0.044715), 1), Math.sqrt(2 / Math.PI))
    return multiply(add(add(inner, 1), multiply(multiply(x, subtract(1, square(inner))), slope)), 0.5)
  }),
  floor: noGradient,
  ceil: noGradient,
  round: noGradient,
  add: pair((gradient) => [gradient, gradient]),
  subtract: pair((gradient) => [gradient, negate(gradient)]),
  multiply: pair((gradient, a, b) => [multiply(gradient, b), multiply(gradient, a)]),
  divide: pair((gradient, _a, b, y) => [divide(gradient, b), negate(divide(multiply(gradient, y), b))]),
  power: pair((gradient, a, b, y) => [
    // 0 where b = 0, even at a = 0.
    multiply(gradient, where(equal(b, 0), 0, multiply(b, power(a, subtract(b, 1))))),
    // d/db aᵇ = aᵇ·ln a; 0 where a ≤ 0, so that x² has a gradient at negative x.
    multiply(gradient, where(greater(a, 0), multiply(y, log(where(greater(a, 0), a, 1))), 0)),
  ]),
  maximum: pair((gradient, a, b) => [
    winner(gradient, lessOrEqual(b, a), equal(a, b)),
    winner(gradient, lessOrEqual(a, b), equal(a, b)),
  ]),
  minimum: pair((gradient, a, b) => [
    winner(gradient, lessOrEqual(a, b), equal(a, b)),
    winner(gradient, lessOrEqual(b, a), equal(a, b)),
  ]),
  equal: noGradient,
  less: noGradient,
  lessOrEqual: noGradient,
  and: noGradient,
  or: noGradient,
  not: noGradient,
  finite: noGradient,
  where: (gradient, node) => {
    const [condition, yes, no] = node.inputs
    return [undefined, sumTo(where(condition!, gradient, 0), yes!.shape), sumTo(where(condition!, 0, gradient), no!.shape)]
  },
  cast: (gradient, node) => [cast(gradient, node.inputs[0]!.dtype)],
  sum: (gradient, node, { axes }) => [expand(keepAxes(gradient, node.inputs[0]!, axes), node.inputs[0]!.shape)],
  max: (gradient, node, { axes }) => {
    const x = node.inputs[0]!
    const hits = cast(equal(x, keepAxes(node, x, axes)), x.dtype)
    return [multiply(keepAxes(gradient, x, axes), divide(hits, sum(hits, axes, { keep: true })))]
  },
  softmax: (gradient, node, { axis }) => [multiply(node, subtract(gradient, sum(multiply(gradient, node), axis, { keep: true })))],
  logSoftmax: (gradient, node, { axis }) => [subtract(gradient, multiply(exp(node), sum(gradient, axis, { keep: true })))],
  cumulativeSum: (gradient, _node, { axis, exclusive, reverse }) => [
    cumulativeSum(gradient, axis, { exclusive, reverse: !reverse }),
  ],
  argmax: noGradient,
  matmul: matmulRule,
  convolution: (gradient, node, attributes) => {
    const [x, w] = node.inputs
    return [convolutionInputGradient(gradient, x!, w!, attributes), convolutionWeightGradient(x!, gradient, w!, attributes)]
  },
  transposedConvolution: (gradient, node, attributes) => {
    const [x, w] = node.inputs
    return [transposedInputGradient(gradient, w!, attributes), convolutionWeightGradient(gradient, x!, w!, attributes)]
  },
  reshape: (gradient, node) => [reshape(gradient, node.inputs[0]!.shape)],
  transpose: (gradient, _node, { permutation }) => [
    transpose(
      gradient,
      permutation.map((_, axis) => permutation.indexOf(axis)),
    ),
  ],
  expand: (gradient, node) => [sumTo(gradient, node.inputs[0]!.shape)],
  slice: (gradient, node, { axis, start, end }) => [
    pad(gradient, axis, start, subtractDimensions(node.inputs[0]!.shape[axis]!, end)),
  ],
  pad: (gradient, node, { axis, before, after }) => [slice(gradient, axis, before, subtractDimensions(node.shape[axis]!, after))],
  concat: (gradient, node, { axis }) => concatRule(gradient, node, axis),
  gather: gatherRule,
  gatherElements: (gradient, node, { axis }) => [
    scatterElements(zerosOf(node.inputs[0]!), node.inputs[1]!, gradient, axis, 'add'),
    undefined,
  ],
  scatterElements: (gradient, node, { axis, reduction }) => {
    const [, indices] = node.inputs
    const taken = gatherElements(gradient, indices!, axis)
    return [reduction === 'add' ? gradient : scatterElements(gradient, indices!, zerosOf(taken), axis), undefined, taken]
  },
  oneHot: noGradient,
  topKIndices: noGradient,
  layerNorm: normRule(true),
  rmsNorm: normRule(false),
  matmulQuantized: matmulQuantizedRule,
  stopGradient: noGradient,
  customGradient: (gradient, _node, { backward }) => [undefined, ...backward(gradient)],
  barrier: (gradient) => [gradient, undefined],
  cachedAttention: inferenceOnly,
  grownCache: inferenceOnly,
  rotatePairs: inferenceOnly,
}

function concatRule(gradient: Tensor, node: Tensor, axis: number): Tensor[] {
  let start: Dimension = 0
  return node.inputs.map((input) => {
    const end = addDimensions(start, input.shape[axis]!)
    const piece = slice(gradient, axis, start, end)
    start = end
    return piece
  })
}
