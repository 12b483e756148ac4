import { ShapeError } from '../base/errors.ts'
import {
  add,
  concat,
  customGradient,
  multiply,
  pad,
  reshape,
  slice,
  split,
  type Tensor,
  type TensorOperand,
  unsqueeze,
} from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'

export interface ScanOptions {
  /** From the last step to the first: h_t = decay_t·h_{t+1} + input_t. Default false. */
  readonly reverse?: boolean
}

/** Steps of a chunk, which are written out one after another for all chunks at once. */
const chunk = 16

/**
 * h_t = decay_t·h_{t−1} + input_t along axis 1 of `[batch, time, …]`, h_{−1} = 0: all h, in the operands' shape. Chunks of 16 steps are
 * computed side by side; what enters each chunk is the same recurrence over the chunks, a sixteenth as long (Blelloch 1990, section 1.4). So
 * the work is linear in time and the graph logarithmic. The gradient is the recurrence in the other direction. Throws ShapeError when the
 * operands' shapes differ or the time is not a number.
 */
export function linearScan(decay: TensorOperand, input: TensorOperand, { reverse = false }: ScanOptions = {}): Tensor {
  const [factors, terms] = [toTensor(decay), toTensor(input)]
  if (String(factors.shape) !== String(terms.shape) || typeof terms.shape[1] !== 'number')
    throw new ShapeError(`decay [${factors.shape}] and input [${terms.shape}]`, {
      expected: 'one shape [batch, time, …], its time known',
    })
  return customGradient(
    [factors, terms],
    ([a, b]) => scan(a!, b!, reverse),
    (gradient, h, [a]) => {
      // λ_t = gradient_t + decay_{t+1}·λ_{t+1}; decay_t's is λ_t·h_{t−1}.
      const dInput = linearScan(shift(a!, reverse), gradient, { reverse: !reverse })
      return [multiply(dInput, shift(h, !reverse)), dInput]
    },
  )
}

/** Each step gets its neighbour's value: the step's before (`later`: values move on by one) or behind it; 0 at the end that has none. */
function shift(x: Tensor, later: boolean): Tensor {
  return later ? pad(slice(x, 1, 0, -1), 1, 1, 0) : pad(slice(x, 1, 1), 1, 0, 1)
}

function scan(a: Tensor, b: Tensor, reverse: boolean): Tensor {
  const time = b.shape[1] as number
  if (time <= chunk) return concat(unrolled(a, b, { axis: 1, reverse }), 1)
  const [factors, terms] = [intoChunks(a), intoChunks(b)]
  const states = unrolled(factors, terms, { axis: 2, reverse })
  const products = runningProducts(factors, reverse)
  const last = reverse ? 0 : chunk - 1
  const alone = (x: Tensor) => reshape(x, x.shape.toSpliced(2, 1))
  const leaving = scan(alone(products[last]!), alone(states[last]!), reverse)
  const entering = unsqueeze(shift(leaving, !reverse), 2)
  const joined = concat(
    states.map((state, step) => add(state, multiply(products[step]!, entering))),
    2,
  )
  return slice(reshape(joined, [joined.shape[0]!, -1, ...b.shape.slice(2)]), 1, 0, time)
}

/** `[batch, time, …]` → `[batch, chunk, step, …]`, zeros behind the end: those change no step before them, and start the way back. */
function intoChunks(x: Tensor): Tensor {
  const chunks = Math.ceil((x.shape[1] as number) / chunk)
  const padded = pad(x, 1, 0, chunks * chunk - (x.shape[1] as number))
  return reshape(padded, x.shape.toSpliced(1, 1, chunks, chunk))
}

/** The recurrence from 0, step by step along an axis: one tensor a step, in the order of the axis. */
function unrolled(a: Tensor, b: Tensor, { axis, reverse }: { axis: number; reverse: boolean }): Tensor[] {
  const [factors, terms] = [split(a, axis, a.shape[axis] as number), split(b, axis, b.shape[axis] as number)]
  return running(terms, reverse, (before, step) => add(multiply(factors[step]!, before), terms[step]!))
}

/** Products of the decays `[batch, chunk, step, …]` from a chunk's beginning to each of its steps. */
function runningProducts(a: Tensor, reverse: boolean): Tensor[] {
  const factors = split(a, 2, chunk)
  return running(factors, reverse, (before, step) => multiply(factors[step]!, before))
}

/** The first as it is, each other from its neighbour. */
function running(tensors: readonly Tensor[], reverse: boolean, next: (before: Tensor, step: number) => Tensor): Tensor[] {
  const order = reverse ? [...tensors.keys()].reverse() : [...tensors.keys()]
  const results = [...tensors]
  for (const [i, step] of order.entries()) if (i > 0) results[step] = next(results[order[i - 1]!]!, step)
  return results
}
