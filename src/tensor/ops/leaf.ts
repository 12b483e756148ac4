import { arrayTypes, type DType, elementCount, type HostTensor, type TypedArray } from '../../base/dtype.ts'
import { DTypeError, GraphError, ShapeError } from '../../base/errors.ts'
import { type Dimension, type Shape, type SymbolicDimension, toDimension } from '../dimension.ts'
import { fromNumbers, toNumbers } from '../host-values.ts'
import { apply, type Op, type Tensor } from '../tensor.ts'

function bound(what: string): never {
  throw new GraphError(`${what} has no rule of its own`, { fix: 'the compiler and the interpreter bind leaves themselves' })
}

/** An input of a program; its value comes with each run. */
const inputRow: Op<{ name: string; dtype: DType; shape: Shape }> = {
  name: 'input',
  infer: (_inputs, { dtype, shape }) => ({ dtype, shape }),
  emit: (_emitter, _inputs, _node, { name }) => name,
  reference: (_inputs, { name }) => bound(`input ${name}`),
}

/** The current value of a variable; `variable` is the object that owns it. */
const variableRow: Op<{ variable: object; dtype: DType; shape: Shape }> = {
  name: 'variable',
  infer: (_inputs, { dtype, shape }) => ({ dtype, shape }),
  emit: () => bound('a variable'),
  reference: () => bound('a variable'),
}

const constantRow: Op<{ value: HostTensor }> = {
  name: 'constant',
  infer: (_inputs, { value }) => value,
  emit: () => bound('a constant'),
  reference: (_inputs, { value }) => toNumbers(value),
}

/** A size that is known when the program runs, as an int64 scalar. */
const sizeRow: Op<{ of: Dimension }> = {
  name: 'size',
  infer: () => ({ dtype: 'int64', shape: [] }),
  emit: (emitter, _inputs, _node, { of }) => emitter.node('Squeeze', [emitter.sizes([of]), emitter.integers([0])]),
  reference: (_inputs, { of }, context) => Float64Array.of(context.size(of)),
}

/** 0, 1, …, length − 1 as int64. */
const rangeRow: Op<{ length: Dimension }> = {
  name: 'range',
  infer: (_inputs, { length }) => ({ dtype: 'int64', shape: [length] }),
  emit(emitter, _inputs, _node, { length }) {
    const end = emitter.node('Squeeze', [emitter.sizes([length]), emitter.integers([0])])
    return emitter.node('Range', [emitter.scalar(0, 'int64'), end, emitter.scalar(1, 'int64')])
  },
  reference: (_inputs, { length }, context) => Float64Array.from({ length: context.size(length) }, (_, i) => i),
}

export const leaves = { input: inputRow, variable: variableRow, constant: constantRow, size: sizeRow, range: rangeRow } as const

/** A named input; `compile` makes these from its specs. */
export function input(name: string, dtype: DType, shape: readonly (number | string | SymbolicDimension)[]): Tensor {
  return apply(inputRow, [], { name, dtype, shape: shape.map(toDimension) })
}

export function variableLeaf(variable: object, dtype: DType, shape: Shape): Tensor {
  return apply(variableRow, [], { variable, dtype, shape })
}

/**
 * A tensor of fixed values, row-major: numbers, or the dtype's own array, which must not be changed afterwards. Throws DTypeError when
 * the dtype does not hold the numbers.
 */
export function constant(data: TypedArray | readonly number[], shape: readonly number[], dtype: DType = 'float32'): Tensor {
  if (data.length !== elementCount(shape)) {
    throw new ShapeError(`${data.length} values for a constant of shape [${shape.join(', ')}]`, {
      expected: `${elementCount(shape)} values`,
    })
  }
  const values = Array.isArray(data) ? fromNumbers(data, dtype) : data
  if (!(values instanceof arrayTypes[dtype])) {
    throw new DTypeError(`a constant ${dtype} of a ${values.constructor.name}`, {
      expected: `numbers or a ${arrayTypes[dtype].name}`,
    })
  }
  return apply(constantRow, [], { value: { dtype, shape: [...shape], data: values } })
}

/** The value of a dimension as an int64 scalar. */
export function size(of: Dimension): Tensor {
  return apply(sizeRow, [], { of })
}

/** 0, 1, …, length − 1 as int64. */
export function range(length: Dimension): Tensor {
  return apply(rangeRow, [], { length })
}
