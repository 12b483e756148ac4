import { ShapeError } from '../base/errors.ts'
import { add, exp, matmul, multiply, reshape, type Tensor, type TensorOperand, transpose } from '../tensor/index.ts'
import { toTensor } from '../tensor/tensor.ts'
import { linearScan, type ScanOptions } from './linear-scan.ts'

export interface SelectiveScanOperands {
  /** `[batch, time, channel]`. */
  readonly x: TensorOperand
  /** Δ, the length of each step, > 0: `[batch, time, channel]`. */
  readonly delta: TensorOperand
  /** `[channel, state]`, < 0: how fast states fade. */
  readonly a: TensorOperand
  /** How inputs enter states: `[batch, time, state]`. */
  readonly b: TensorOperand
  /** How states are read: `[batch, time, state]`. */
  readonly c: TensorOperand
  /** How inputs pass by: `[channel]`. */
  readonly d: TensorOperand
}

/**
 * y `[batch, time, channel]` of h_t = exp(Δ_t·A)·h_{t−1} + Δ_t·B_t·x_t, y_t = C_t·h_t + D·x_t, each channel with its own states. Gu & Dao
 * 2023 (Mamba), equation 2 and algorithm 2. Work is linear in time. Throws ShapeError when the operands do not fit.
 */
export function selectiveScan(operands: SelectiveScanOperands, options: ScanOptions = {}): Tensor {
  const { x, delta, a, b, c, d } = tensorsOf(operands)
  const [batch, time, channels] = x.shape as [number, number, number]
  const states = a.shape[1]!
  // States before channels: the long axis lies innermost, where the runtime is fast.
  const rows = (of: Tensor) => reshape(of, [batch, time, 1, channels])
  const columns = (of: Tensor) => reshape(of, [batch, time, states, 1])
  const decay = exp(multiply(rows(delta), transpose(a)))
  const hidden = linearScan(decay, matmul(columns(b), rows(multiply(delta, x))), options)
  const read = matmul(reshape(c, [batch, time, 1, states]), hidden)
  return add(reshape(read, x.shape), multiply(x, d))
}

type Operands = Readonly<Record<keyof SelectiveScanOperands, Tensor>>

function tensorsOf(operands: SelectiveScanOperands): Operands {
  const [x, delta, a, b, c, d] = (['x', 'delta', 'a', 'b', 'c', 'd'] as const).map((name) => toTensor(operands[name]))
  const tensors: Operands = { x: x!, delta: delta!, a: a!, b: b!, c: c!, d: d! }
  const [batch, time, channel] = tensors.x.shape
  const state = tensors.a.shape[1]
  const expected = {
    x: [batch, time, channel],
    delta: [batch, time, channel],
    a: [channel, state],
    b: [batch, time, state],
    c: [batch, time, state],
    d: [channel],
  }
  for (const [name, shape] of Object.entries(expected) as [keyof Operands, unknown[]][])
    if (String(tensors[name].shape) !== String(shape))
      throw new ShapeError(`${name} is [${tensors[name].shape}]`, { expected: `[${shape}]` })
  return tensors
}
