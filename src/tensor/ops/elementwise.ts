import { type DType, isFloat, isInteger } from '../../base/dtype.ts'
import { DTypeError, GraphError } from '../../base/errors.ts'
import { checkHolds } from '../host-values.ts'
import { erf as erfOf } from '../special.ts'
import {
  type Attributes,
  apply,
  type Emitter,
  type Op,
  type Operand,
  Tensor,
  type TensorOperand,
  type TensorType,
  toTensor,
} from '../tensor.ts'
import { broadcastShapes, mapBroadcast } from './broadcast.ts'

type NoAttributes = Record<string, never>
type Kind = 'float' | 'number' | 'ordered' | 'bool' | 'any'

const fits: Record<Kind, (dtype: DType) => boolean> = {
  float: isFloat,
  // Bytes are for storage: arithmetic on them would wrap around silently.
  number: (dtype) => isFloat(dtype) || dtype === 'int32' || dtype === 'int64',
  ordered: (dtype) => isFloat(dtype) || isInteger(dtype),
  bool: (dtype) => dtype === 'bool',
  any: () => true,
}

function requireKind(dtype: DType, kind: Kind): void {
  if (!fits[kind](dtype)) throw new DTypeError(`no ${dtype} form`, { expected: `a ${kind} dtype`, fix: 'convert with cast()' })
}

function requireEqualDTypes(inputs: readonly TensorType[]): DType {
  const [first, ...others] = inputs
  for (const other of others) {
    if (other.dtype !== first!.dtype) {
      throw new DTypeError(`operands are ${first!.dtype} and ${other.dtype}`, {
        expected: 'equal dtypes',
        fix: 'convert one with cast()',
      })
    }
  }
  return first!.dtype
}

interface ElementwiseRow {
  readonly onnx: string | ((emitter: Emitter, inputs: readonly string[], node: Tensor) => string)
  readonly reference: (...values: number[]) => number
  readonly kind?: Kind
  readonly result?: DType
}

function row(name: string, { onnx, reference, kind = 'float', result }: ElementwiseRow): Op<NoAttributes> {
  return {
    name,
    elementwise: true,
    infer(inputs) {
      const dtype = requireEqualDTypes(inputs)
      requireKind(dtype, kind)
      return { dtype: result ?? dtype, shape: inputs.map((input) => input.shape).reduce(broadcastShapes) }
    },
    emit: (emitter, inputs, node) => (typeof onnx === 'string' ? emitter.node(onnx, inputs) : onnx(emitter, inputs, node)),
    reference: (inputs, _attributes, context) => mapBroadcast(inputs, context.shape, reference),
  }
}

function withoutDouble(opType: string, attributes: Readonly<Record<string, string>> = {}): ElementwiseRow['onnx'] {
  return (emitter, inputs, node) => {
    if (node.dtype === 'float64') {
      throw new DTypeError(`${opType} has no float64 kernel in ONNX Runtime`, {
        fix: 'cast to float32, or use the reference interpreter',
      })
    }
    return emitter.node(opType, inputs, attributes)
  }
}

const logistic = (x: number) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)))
const roundHalfEven = (x: number) => {
  const nearest = Math.round(x)
  return Math.abs(x % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest
}

export const elementwise = {
  negate: row('negate', { onnx: 'Neg', reference: (x) => -x, kind: 'number' }),
  exp: row('exp', { onnx: 'Exp', reference: Math.exp }),
  log: row('log', { onnx: 'Log', reference: Math.log }),
  sqrt: row('sqrt', { onnx: 'Sqrt', reference: Math.sqrt }),
  reciprocal: row('reciprocal', { onnx: 'Reciprocal', reference: (x) => 1 / x }),
  abs: row('abs', { onnx: 'Abs', reference: Math.abs, kind: 'number' }),
  sign: row('sign', { onnx: 'Sign', reference: Math.sign, kind: 'number' }),
  sin: row('sin', { onnx: 'Sin', reference: Math.sin }),
  cos: row('cos', { onnx: 'Cos', reference: Math.cos }),
  tanh: row('tanh', { onnx: 'Tanh', reference: Math.tanh }),
  sigmoid: row('sigmoid', { onnx: 'Sigmoid', reference: logistic }),
  relu: row('relu', { onnx: 'Relu', reference: (x) => Math.max(x, 0) }),
  erf: row('erf', { onnx: withoutDouble('Erf'), reference: erfOf }),
  /** x·Φ(x), the exact (erf) form. Hendrycks & Gimpel 2016. */
  gelu: row('gelu', { onnx: withoutDouble('Gelu'), reference: (x) => 0.5 * x * (1 + erfOf(x / Math.SQRT2)) }),
  /** 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))). Hendrycks & Gimpel 2016. */
  geluTanh: row('geluTanh', {
    onnx: withoutDouble('Gelu', { approximate: 'tanh' }),
    reference: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  }),
  floor: row('floor', { onnx: 'Floor', reference: Math.floor }),
  ceil: row('ceil', { onnx: 'Ceil', reference: Math.ceil }),
  round: row('round', { onnx: 'Round', reference: roundHalfEven }),
  add: row('add', { onnx: 'Add', reference: (a, b) => a! + b!, kind: 'number' }),
  subtract: row('subtract', { onnx: 'Sub', reference: (a, b) => a! - b!, kind: 'number' }),
  multiply: row('multiply', { onnx: 'Mul', reference: (a, b) => a! * b!, kind: 'number' }),
  divide: {
    ...row('divide', { onnx: 'Div', reference: (a, b) => a! / b!, kind: 'number' }),
    reference: (inputs, _attributes, { shape, dtype }) =>
      mapBroadcast(inputs, shape, isInteger(dtype) ? (a, b) => Math.trunc(a! / b!) : (a, b) => a! / b!),
  } as Op<NoAttributes>,
  power: row('power', { onnx: 'Pow', reference: (a, b) => a! ** b! }),
  maximum: row('maximum', { onnx: 'Max', reference: (a, b) => Math.max(a!, b!), kind: 'number' }),
  minimum: row('minimum', { onnx: 'Min', reference: (a, b) => Math.min(a!, b!), kind: 'number' }),
  equal: row('equal', { onnx: 'Equal', reference: (a, b) => Number(a === b), kind: 'any', result: 'bool' }),
  less: row('less', { onnx: 'Less', reference: (a, b) => Number(a! < b!), kind: 'ordered', result: 'bool' }),
  lessOrEqual: row('lessOrEqual', { onnx: 'LessOrEqual', reference: (a, b) => Number(a! <= b!), kind: 'ordered', result: 'bool' }),
  and: row('and', { onnx: 'And', reference: (a, b) => a! && b!, kind: 'bool' }),
  or: row('or', { onnx: 'Or', reference: (a, b) => a! || b!, kind: 'bool' }),
  not: row('not', { onnx: 'Not', reference: (a) => 1 - a!, kind: 'bool' }),
  finite: row('finite', { onnx: emitIsFinite, reference: (x) => Number(Number.isFinite(x)), result: 'bool' }),
  where: {
    name: 'where',
    elementwise: true,
    infer([condition, yes, no]) {
      requireKind(condition!.dtype, 'bool')
      const dtype = requireEqualDTypes([yes!, no!])
      return { dtype, shape: [condition!.shape, yes!.shape, no!.shape].reduce(broadcastShapes) }
    },
    emit: (emitter, inputs, { dtype }) => (dtype === 'bool' ? emitChoice(emitter, inputs) : emitter.node('Where', inputs)),
    reference: (inputs, _attributes, { shape }) => mapBroadcast(inputs, shape, (condition, yes, no) => (condition ? yes! : no!)),
  } satisfies Op<NoAttributes>,
  cast: {
    name: 'cast',
    elementwise: true,
    infer: ([input], { dtype }) => ({ dtype, shape: input!.shape }),
    emit: (emitter, [input], _node, { dtype }) => emitter.cast(input!, dtype),
    reference: ([input], { dtype }) => input!.data.map(conversions[dtype]),
  } satisfies Op<{ dtype: DType }>,
} as const

const halfOverflow = 65520

const conversions: Record<DType, (x: number) => number> = {
  float64: (x) => x,
  float32: Math.fround,
  // Reference only: rounds the mantissa to 11 (half) or 8 (brain) bits, without subnormals.
  float16: (x) => (Math.abs(x) >= halfOverflow ? Math.sign(x) * Number.POSITIVE_INFINITY : roundMantissa(x, 11)),
  bfloat16: (x) => roundMantissa(x, 8),
  int32: (x) => Math.trunc(x) | 0,
  int64: Math.trunc,
  uint8: (x) => Math.trunc(x) & 255,
  bool: (x) => Number(x !== 0),
}

function roundMantissa(x: number, bits: number): number {
  if (x === 0 || !Number.isFinite(x)) return x
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - bits + 1)
  return roundHalfEven(x / unit) * unit
}

// x − x is 0 for finite x and NaN otherwise; IsInf and IsNaN would take two nodes and lack some dtypes.
function emitIsFinite(emitter: Emitter, [input]: readonly string[], node: Tensor): string {
  const difference = emitter.node('Sub', [input!, input!])
  return emitter.node('Equal', [difference, emitter.scalar(0, node.inputs[0]!.dtype)])
}

// Where has no bool kernel.
function emitChoice(emitter: Emitter, [condition, yes, no]: readonly string[]): string {
  const otherwise = emitter.node('And', [emitter.node('Not', [condition!]), no!])
  return emitter.node('Or', [emitter.node('And', [condition!, yes!]), otherwise])
}

const constantOp: Op<{ value: number; dtype: DType }> = {
  name: 'scalar',
  infer(_inputs, { value, dtype }) {
    checkHolds(dtype, value)
    return { dtype, shape: [] }
  },
  emit: (emitter, _inputs, _node, { value, dtype }) => emitter.scalar(value, dtype),
  reference: (_inputs, { value }) => Float64Array.of(value),
}
export const scalarRow = { scalar: constantOp } as const

/** A constant with no axes. Throws DTypeError when the dtype does not hold the value. */
export function scalar(value: number, dtype: DType = 'float32'): Tensor {
  return apply(constantOp, [], { value, dtype })
}

/** Turns the numbers among operands into scalars of the tensors' dtype. */
function lift(operands: readonly Operand[]): Tensor[] {
  const tensors = operands.map((operand) => (typeof operand === 'number' ? operand : toTensor(operand)))
  const model = tensors.find((tensor) => tensor instanceof Tensor)
  if (model === undefined) {
    throw new GraphError('an operation on numbers alone is not traced', {
      expected: 'at least one tensor',
      fix: 'use scalar(value)',
    })
  }
  return tensors.map((tensor) => (tensor instanceof Tensor ? tensor : scalar(tensor, (model as Tensor).dtype)))
}

const unary = (op: Op<NoAttributes>) => (x: TensorOperand) => apply(op, [x], {})
const binary = (op: Op<NoAttributes>) => (a: Operand, b: Operand) => apply(op, lift([a, b]), {})

export const negate = unary(elementwise.negate)
export const exp = unary(elementwise.exp)
export const log = unary(elementwise.log)
export const sqrt = unary(elementwise.sqrt)
export const reciprocal = unary(elementwise.reciprocal)
export const abs = unary(elementwise.abs)
export const sign = unary(elementwise.sign)
export const sin = unary(elementwise.sin)
export const cos = unary(elementwise.cos)
export const tanh = unary(elementwise.tanh)
export const sigmoid = unary(elementwise.sigmoid)
export const relu = unary(elementwise.relu)
export const erf = unary(elementwise.erf)
export const gelu = unary(elementwise.gelu)
export const geluTanh = unary(elementwise.geluTanh)
export const floor = unary(elementwise.floor)
export const ceil = unary(elementwise.ceil)
export const round = unary(elementwise.round)
export const not = unary(elementwise.not)
export const finite = unary(elementwise.finite)
export const add = binary(elementwise.add)
export const subtract = binary(elementwise.subtract)
export const multiply = binary(elementwise.multiply)
export const divide = binary(elementwise.divide)
export const power = binary(elementwise.power)
export const maximum = binary(elementwise.maximum)
export const minimum = binary(elementwise.minimum)
export const equal = binary(elementwise.equal)
export const less = binary(elementwise.less)
export const lessOrEqual = binary(elementwise.lessOrEqual)
export const and = binary(elementwise.and)
export const or = binary(elementwise.or)
/** a > b. */
export const greater = (a: Operand, b: Operand): Tensor => less(b, a)
/** a ≥ b. */
export const greaterOrEqual = (a: Operand, b: Operand): Tensor => lessOrEqual(b, a)

/** `yes` where `condition` holds, `no` elsewhere. */
export function where(condition: TensorOperand, yes: Operand, no: Operand): Tensor {
  const [a, b] = lift([yes, no])
  return apply(elementwise.where, [condition, a!, b!], {})
}

/** Converts to another dtype; floats to integers truncate. */
export function cast(x: TensorOperand, dtype: DType): Tensor {
  const tensor = toTensor(x)
  return tensor.dtype === dtype ? tensor : apply(elementwise.cast, [tensor], { dtype })
}

/** x·σ(x). Elfwing et al. 2017. */
export function silu(x: TensorOperand): Tensor {
  return multiply(x, sigmoid(x))
}

/** x². */
export function square(x: TensorOperand): Tensor {
  return multiply(x, x)
}

export type { Attributes, NoAttributes }
