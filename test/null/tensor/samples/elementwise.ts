import { type DType, isFloat } from '../../../../src/base/dtype.ts'
import * as t from '../../../../src/tensor/index.ts'
import {
  allDTypes,
  awayFromZero,
  distinct,
  exactly,
  floats,
  halves,
  normal,
  numbers,
  type OpSample,
  type OpSamples,
  positive,
  repeated,
  type Values,
} from './sample.ts'

type Unary = (x: t.TensorOperand) => t.Tensor
type Binary = (a: t.Operand, b: t.Operand) => t.Tensor

function unarySamples(op: Unary, values: Values = normal): OpSample[] {
  const x = (...shape: (number | string)[]) => ({ x: { shape, values } })
  return [
    { title: 'odd sizes', operands: x(3, 5), build: ({ x }) => op(x!) },
    { title: 'rank 0', operands: x(), build: ({ x }) => op(x!) },
    { title: 'axes of size 1', operands: x(1, 7, 1), build: ({ x }) => op(x!) },
    { title: 'named sizes', operands: x('N', 'T'), sizes: { N: 2, T: 3 }, build: ({ x }) => op(x!) },
  ]
}

function unary(
  op: Unary,
  gradient: OpSamples['gradient'],
  { dtypes = floats, values = normal, tolerance = 2e-6 }: { dtypes?: readonly DType[]; values?: Values; tolerance?: number } = {},
): OpSamples {
  return { dtypes, gradient, tolerance, samples: unarySamples(op, values) }
}

function binarySamples(op: Binary, left: Values, right: Values): OpSample[] {
  const ab = (a: (number | string)[], b: (number | string)[]) => ({ a: { shape: a, values: left }, b: { shape: b, values: right } })
  const build: OpSample['build'] = ({ a, b }) => op(a!, b!)
  return [
    { title: 'equal shapes', operands: ab([3, 5], [3, 5]), build },
    { title: 'a row over a matrix', operands: ab([3, 5], [5]), build },
    { title: 'a matrix over a row', operands: ab([5], [3, 5]), build },
    { title: 'both ways at once', operands: ab([3, 1, 5], [4, 1]), build },
    { title: 'rank 0 over a matrix', operands: ab([], [2, 3]), build },
    { title: 'rank 0 twice', operands: ab([], []), build },
    { title: 'named sizes', operands: ab(['N', 1, 'T'], ['N', 3, 1]), sizes: { N: 2, T: 5 }, build },
    { title: 'a named size of 1', operands: ab(['N', 3], [1, 3]), sizes: { N: 1 }, build },
    { title: 'an operand twice', operands: ab([4], [1]), build: ({ a, b }) => op(op(a!, b!), op(a!, b!)) },
  ]
}

interface BinaryOptions {
  readonly dtypes?: readonly DType[]
  readonly left?: Values
  readonly right?: Values
  readonly tolerance?: number
  readonly extra?: readonly OpSample[]
}

function binary(
  op: Binary,
  gradient: OpSamples['gradient'],
  { dtypes = numbers, left = normal, right = normal, tolerance = 2e-6, extra = [] }: BinaryOptions = {},
): OpSamples {
  return { dtypes, gradient, tolerance, samples: [...binarySamples(op, left, right), ...extra] }
}

/** Where a result is no operand of the same op: booleans of comparisons, and integers that would be divisors of 0. */
function withoutTwice(op: Binary, gradient: OpSamples['gradient'], options: BinaryOptions): OpSamples {
  const row = binary(op, gradient, options)
  return { ...row, samples: row.samples.filter(({ title }) => title !== 'an operand twice') }
}

const comparison = (op: Binary, options: BinaryOptions) => withoutTwice(op, 'none: the result is no number', options)

/** Different from all of `distinct`, but for integers. */
const between: Values = (rng, count, dtype) => distinct(rng, count, dtype).map((x) => (isFloat(dtype) ? x + 0.125 : x))

const withNumber = (op: Binary, number: number): OpSample[] => [
  {
    title: `the number ${number} on the right`,
    operands: { a: { shape: [3, 2], values: positive } },
    build: ({ a }) => op(a!, number),
  },
  {
    title: `the number ${number} on the left`,
    operands: { a: { shape: [3, 2], values: positive } },
    build: ({ a }) => op(number, a!),
  },
]

const steps = 'none: zero wherever it exists'

export const elementwiseSamples = {
  negate: unary(t.negate, 'checked', { dtypes: numbers }),
  exp: unary(t.exp, 'checked'),
  log: unary(t.log, 'checked', { values: positive }),
  sqrt: unary(t.sqrt, 'checked', { values: positive }),
  reciprocal: unary(t.reciprocal, 'checked', { values: awayFromZero }),
  abs: unary(t.abs, 'checked', { dtypes: numbers, values: awayFromZero }),
  sign: unary(t.sign, steps, { dtypes: numbers }),
  sin: unary(t.sin, 'checked'),
  cos: unary(t.cos, 'checked'),
  tanh: unary(t.tanh, 'checked'),
  sigmoid: unary(t.sigmoid, 'checked'),
  relu: unary(t.relu, 'checked', { values: awayFromZero }),
  erf: unary(t.erf, 'checked', { dtypes: ['float32', 'float16'] }),
  gelu: unary(t.gelu, 'checked', { dtypes: ['float32', 'float16'] }),
  geluTanh: unary(t.geluTanh, 'checked', { dtypes: ['float32', 'float16'] }),
  floor: unary(t.floor, steps),
  ceil: unary(t.ceil, steps),
  round: unary(t.round, steps, { values: halves }),
  add: binary(t.add, 'checked', { extra: withNumber(t.add, 2) }),
  subtract: binary(t.subtract, 'checked', { extra: withNumber(t.subtract, 2) }),
  multiply: binary(t.multiply, 'checked', { extra: withNumber(t.multiply, 3) }),
  divide: withoutTwice(t.divide, 'checked', { right: awayFromZero, tolerance: 2e-5, extra: withNumber(t.divide, 2) }),
  power: binary(t.power, 'checked', {
    dtypes: floats,
    left: positive,
    tolerance: 1e-4,
    extra: [
      { title: 'a negative base squared', operands: { a: { shape: [5], values: awayFromZero } }, build: ({ a }) => t.power(a!, 2) },
      { title: 'the exponent −½', operands: { a: { shape: [5], values: positive } }, build: ({ a }) => t.power(a!, -0.5) },
      { title: 'the exponent 0', operands: { a: { shape: [3], values: exactly(0, 1, -2) } }, build: ({ a }) => t.power(a!, 0) },
      {
        title: 'the exponent 1 at 0',
        operands: { a: { shape: [3], values: exactly(0, 1, -2) } },
        build: ({ a }) => t.power(a!, 1),
      },
    ],
  }),
  maximum: binary(t.maximum, 'checked', {
    left: distinct,
    right: between,
  }),
  minimum: binary(t.minimum, 'checked', {
    left: distinct,
    right: between,
  }),
  equal: comparison(t.equal, { dtypes: allDTypes, left: repeated, right: repeated }),
  less: comparison(t.less, { dtypes: [...numbers, 'uint8'], left: repeated, right: repeated }),
  lessOrEqual: comparison(t.lessOrEqual, { dtypes: [...numbers, 'uint8'], left: repeated, right: repeated }),
  and: binary(t.and, 'none: booleans', { dtypes: ['bool'] }),
  or: binary(t.or, 'none: booleans', { dtypes: ['bool'] }),
  not: unary(t.not, 'none: booleans', { dtypes: ['bool'] }),
  finite: {
    dtypes: floats,
    gradient: 'none: the result is no number',
    samples: [
      {
        title: 'infinities and NaN',
        operands: { x: { shape: [5], values: exactly(1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0) } },
        build: ({ x }) => t.finite(x!),
      },
      { title: 'rank 0', operands: { x: { shape: [] } }, build: ({ x }) => t.finite(x!) },
      {
        title: 'the largest numbers',
        operands: { x: { shape: [2], values: exactly(3e38, -3e38) } },
        build: ({ x }) => t.finite(x!),
      },
    ],
  },
  where: {
    dtypes: allDTypes,
    gradient: 'checked',
    samples: [
      ...(
        [
          ['equal shapes', [3, 4], [3, 4], [3, 4]],
          ['a column chooses among rows', [3, 1], [4], [3, 4]],
          ['everything broadcasts', [2, 1, 1], [1, 3, 1], [1, 1, 4]],
          ['rank 0', [], [], []],
          ['a wider condition', [2, 3], [], [3]],
        ] as const
      ).map(([title, condition, yes, no]) => ({
        title,
        operands: { condition: { shape: condition, dtype: 'bool' as const }, yes: { shape: yes }, no: { shape: no } },
        build: ({ condition, yes, no }: Readonly<Record<string, t.Tensor>>) => t.where(condition!, yes!, no!),
      })),
      {
        title: 'a number',
        operands: { condition: { shape: ['N', 3], dtype: 'bool' }, yes: { shape: ['N', 3] } },
        sizes: { N: 4 },
        build: ({ condition, yes }) => t.where(condition!, yes!, 1),
      },
    ],
  },
  cast: {
    dtypes: allDTypes,
    gradient: 'checked',
    samples: allDTypes.map((to) => ({
      title: `to ${to}`,
      ...(to !== 'float64' && { rounded: true as const }),
      operands: { x: { shape: [3, 4], values: positive } },
      build: ({ x }) => t.cast(x!, to),
    })),
  },
} as const satisfies Record<string, OpSamples>
