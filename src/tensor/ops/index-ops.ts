import { type DType, isFloat } from '../../base/dtype.ts'
import { DTypeError, OptionError, ShapeError } from '../../base/errors.ts'
import { type Dimension, formatShape, type Shape, sameDimension, sameShape } from '../dimension.ts'
import { apply, located, type Op, type ReferenceValue, type Tensor, type TensorOperand, type TensorType } from '../tensor.ts'
import { forEachIndex, stridesOf } from './broadcast.ts'
import { resolveAxis } from './layout.ts'
import { mapLines } from './reduction.ts'

type Axis = { readonly axis: number }

function requireIndices({ dtype }: TensorType): void {
  if (dtype !== 'int32' && dtype !== 'int64') throw new DTypeError(`indices are ${dtype}`, { expected: 'int32 or int64' })
}

/** Indices may be fewer than values on the other axes: those at the end are left out. */
function requireAlike(values: Shape, indices: Shape, axis: number): void {
  const fits = values.length === indices.length && indices.every((size, a) => a === axis || !exceeds(size, values[a]!))
  if (fits) return
  throw new ShapeError(`indices ${formatShape(indices)} do not fit values ${formatShape(values)}`, {
    expected: 'the same rank, and no larger sizes but on the axis of the indices',
  })
}

function exceeds(index: Dimension, size: Dimension): boolean {
  return typeof index === 'number' && typeof size === 'number' ? index > size : !sameDimension(index, size)
}

function checkIndex(index: number, length: number): number {
  const resolved = index < 0 ? index + length : index
  if (!(resolved >= 0 && resolved < length)) throw new ShapeError(`index ${index} is outside an axis of size ${length}`)
  return resolved
}

/** table[…, indices, …]: the axis is replaced by the axes of `indices`. */
const gatherRow: Op<Axis> = {
  name: 'gather',
  infer([table, indices], { axis }) {
    requireIndices(indices!)
    return { dtype: table!.dtype, shape: [...table!.shape.slice(0, axis), ...indices!.shape, ...table!.shape.slice(axis + 1)] }
  },
  emit: (emitter, inputs, _node, { axis }) => emitter.node('Gather', inputs, { axis }),
  reference([table, indices], { axis }, { shape }) {
    const strides = stridesOf(table!.shape)
    const indexStrides = stridesOf(indices!.shape)
    const rank = indices!.shape.length
    const out = new Float64Array(shape.reduce((product, length) => product * length, 1))
    forEachIndex(shape, (flat, index) => {
      const at = indexStrides.reduce((sum, stride, a) => sum + stride * index[axis + a]!, 0)
      const chosen = checkIndex(indices!.data[at]!, table!.shape[axis]!)
      const source = [...index.slice(0, axis), chosen, ...index.slice(axis + rank)]
      out[flat] = table!.data[source.reduce((sum, i, a) => sum + i * strides[a]!, 0)]!
    })
    return out
  },
}

/** out[i][j] = x[indices[i][j]][j] for axis 0, and likewise for other axes. */
const gatherElementsRow: Op<Axis> = {
  name: 'gatherElements',
  infer([input, indices], { axis }) {
    requireIndices(indices!)
    requireAlike(input!.shape, indices!.shape, axis)
    return { dtype: input!.dtype, shape: indices!.shape }
  },
  emit: (emitter, inputs, _node, { axis }) => emitter.node('GatherElements', inputs, { axis }),
  reference([input, indices], { axis }) {
    const out = new Float64Array(indices!.data.length)
    forEachElement(input!, indices!, axis, (flat, source) => {
      out[flat] = input!.data[source]!
    })
    return out
  },
}

/** x with updates written (or added) at the indices along an axis; the inverse of gatherElements. Repeated indices only with 'add'. */
const scatterElementsRow: Op<{ axis: number; reduction: 'none' | 'add' }> = {
  name: 'scatterElements',
  infer([input, indices, updates], { axis, reduction }) {
    requireIndices(indices!)
    requireAlike(input!.shape, indices!.shape, axis)
    if (reduction === 'add' && !isFloat(input!.dtype) && input!.dtype !== 'int32' && input!.dtype !== 'int64') {
      throw new DTypeError(`${input!.dtype} does not add up`, { fix: 'convert with cast()' })
    }
    if (!sameShape(indices!.shape, updates!.shape) || updates!.dtype !== input!.dtype) {
      throw new ShapeError(`updates ${updates!.dtype}${formatShape(updates!.shape)} do not fit`, {
        expected: `${input!.dtype}${formatShape(indices!.shape)}`,
      })
    }
    return input!
  },
  emit(emitter, [input, indices, updates], { dtype }, attributes) {
    const scatter = (x: string, values: string) => emitter.node('ScatterElements', [x, indices!, values], attributes)
    if (dtype !== 'float16' || attributes.reduction === 'none') return scatter(input!, updates!)
    // Half floats have no sums.
    return emitter.cast(scatter(emitter.cast(input!, 'float32'), emitter.cast(updates!, 'float32')), dtype)
  },
  reference([input, indices, updates], { axis, reduction }) {
    const out = Float64Array.from(input!.data)
    forEachElement(input!, indices!, axis, (flat, target) => {
      out[target] = reduction === 'add' ? out[target]! + updates!.data[flat]! : updates!.data[flat]!
    })
    return out
  },
}

/** Visits each index with its flat place and the flat place it points to along `axis`. */
function forEachElement(
  input: ReferenceValue,
  indices: ReferenceValue,
  axis: number,
  visit: (flat: number, place: number) => void,
): void {
  const strides = stridesOf(input.shape)
  forEachIndex(indices.shape, (flat, index) => {
    const chosen = checkIndex(indices.data[flat]!, input.shape[axis]!)
    visit(
      flat,
      index.reduce((sum, i, a) => sum + (a === axis ? chosen : i) * strides[a]!, 0),
    )
  })
}

/** A last axis that is 1 at the index and 0 elsewhere; all 0 where the index is negative or too large. */
const oneHotRow: Op<{ classes: number; dtype: DType }> = {
  name: 'oneHot',
  infer([indices], { classes, dtype }) {
    requireIndices(indices!)
    if (!Number.isInteger(classes) || classes < 1) throw new ShapeError(`${classes} classes`, { expected: 'an integer ≥ 1' })
    return { dtype, shape: [...indices!.shape, classes] }
  },
  emit(emitter, [indices], node, { classes, dtype }) {
    const wide = emitter.cast(indices!, 'int64')
    if (dtype === 'float32' && node.rank > 1) {
      const values = emitter.node(
        'Concat',
        [
          emitter.node('Reshape', [emitter.scalar(0, dtype), emitter.integers([1])]),
          emitter.node('Reshape', [emitter.scalar(1, dtype), emitter.integers([1])]),
        ],
        { axis: 0 },
      )
      // OneHot counts negative indices from the end.
      const negative = emitter.node('Less', [wide, emitter.scalar(0, 'int64')])
      const chosen = emitter.node('Where', [negative, emitter.scalar(classes, 'int64'), wide])
      return emitter.node('OneHot', [chosen, emitter.scalar(classes, 'int64'), values], { axis: -1 })
    }
    // OneHot has kernels for few dtypes (not float64) and none for a scalar: compare with 0, 1, … instead.
    const column = emitter.node('Unsqueeze', [wide, emitter.integers([node.rank - 1])])
    const same = emitter.node('Equal', [column, emitter.integers(Array.from({ length: classes }, (_, i) => i))])
    return emitter.cast(same, dtype)
  },
  reference: ([indices], { classes }) => {
    const out = new Float64Array(indices!.data.length * classes)
    indices!.data.forEach((index, i) => {
      if (index >= 0 && index < classes) out[i * classes + index] = 1
    })
    return out
  },
}

/** Indices (int64) of the k largest values along an axis, largest first. */
const topKIndicesRow: Op<{ axis: number; k: number }> = {
  name: 'topKIndices',
  infer([input], { axis, k }) {
    const length = input!.shape[axis]!
    if (!isFloat(input!.dtype)) throw new DTypeError(`no ${input!.dtype} form`, { expected: 'a float dtype' })
    if (!Number.isInteger(k) || k < 1 || (typeof length === 'number' && k > length)) {
      throw new ShapeError(`k = ${k} on an axis of size ${length}`, { expected: `an integer in [1, ${length}]` })
    }
    return { dtype: 'int64', shape: input!.shape.with(axis, k) }
  },
  emit: (emitter, [input], _node, { axis, k }) =>
    emitter.sibling(emitter.node('TopK', [input!, emitter.integers([k])], { axis, largest: 1, sorted: 1 }, '', 2), 1),
  reference([input], { axis, k }, { shape }) {
    const ranked = mapLines(input!, axis, (line) => Array.from(line.keys()).sort((a, b) => line[b]! - line[a]! || a - b))
    const strides = stridesOf(input!.shape)
    const out = new Float64Array(shape.reduce((product, length) => product * length, 1))
    forEachIndex(shape, (flat, index) => {
      if (index[axis]! < k) out[flat] = ranked[index.reduce((sum, i, a) => sum + i * strides[a]!, 0)]!
    })
    return out
  },
}

export const indexing = {
  gather: gatherRow,
  gatherElements: gatherElementsRow,
  scatterElements: scatterElementsRow,
  oneHot: oneHotRow,
  topKIndices: topKIndicesRow,
} as const

/** Rows (or other slices) of `table` chosen by `indices` along an axis (default 0). Negative indices count from the end. */
export function gather(table: TensorOperand, indices: TensorOperand, axis = 0): Tensor {
  return located('gather', [table, indices], (x, ids) => apply(gatherRow, [x!, ids!], { axis: resolveAxis(axis, x!.rank) }))
}

/** One element per index along an axis (default: last); `indices` has the rank of `x`, and its other sizes at most. */
export function gatherElements(x: TensorOperand, indices: TensorOperand, axis = -1): Tensor {
  return located('gatherElements', [x, indices], (values, ids) =>
    apply(gatherElementsRow, [values!, ids!], { axis: resolveAxis(axis, values!.rank) }),
  )
}

/** `x` with `updates` written at, or added to, the places that `indices` name along an axis. */
export function scatterElements(
  x: TensorOperand,
  indices: TensorOperand,
  updates: TensorOperand,
  axis = -1,
  reduction: 'none' | 'add' = 'none',
): Tensor {
  return located('scatterElements', [x, indices, updates], (values, ids, given) => {
    if (reduction !== 'none' && reduction !== 'add')
      throw new OptionError(`reduction ${String(reduction)}`, { expected: "'none' or 'add'" })
    return apply(scatterElementsRow, [values!, ids!, given!], { axis: resolveAxis(axis, values!.rank), reduction })
  })
}

/** A new last axis of size `classes`: 1 at the index, 0 elsewhere; all 0 where the index is negative or too large. */
export function oneHot(indices: TensorOperand, classes: number, dtype: DType = 'float32'): Tensor {
  return apply(oneHotRow, [indices], { classes, dtype })
}

/** The k largest values along an axis (default: last), largest first, and their indices (int64). */
export function topK(x: TensorOperand, k: number, axis = -1): { values: Tensor; indices: Tensor } {
  return located('topK', [x], (tensor) => {
    const indices = apply(topKIndicesRow, [tensor!], { axis: resolveAxis(axis, tensor!.rank), k })
    return { values: gatherElements(tensor!, indices, axis), indices }
  })
}
