import { ShapeError } from '../base/errors.ts'
import { add, concat, matmul, reshape, slice, type Tensor, transpose } from '../tensor/index.ts'
import { checkSizes } from './sizes.ts'

/** x_{t+1} = A·x_t + b·u_t, y_t = c·x_t: one system with one input and one output a head. */
export interface LinearSystem {
  /** A `[head, state, state]`. */
  readonly matrix: Tensor
  /** `[head, state]`. */
  readonly b: Tensor
  /** `[head, state]`. */
  readonly c: Tensor
}

/** Something with parameters that is a linear system, and knows a fast way to its kernel. */
export interface StateSpace {
  system(): LinearSystem
  /** c·Aᵗ·b for t < length: `[head, length]`, what `longConvolution` takes: its y_t is c·x_{t+1}. */
  kernel(length: number): Tensor
}

/**
 * rows·matrixᵗ for t < length: rows `[head, state]`, matrix `[head, state, state]` → `[head, length, state]`, or from the highest power
 * down (`falling`). Each product doubles what is there, with the matrix squared: log₂ length steps.
 */
export function rowPowers(rows: Tensor, matrix: Tensor, length: number, { falling = false } = {}): Tensor {
  checkSizes({ length })
  const [heads, state] = rows.shape as [number, number]
  let found = reshape(rows, [heads, 1, state])
  for (let [power, count] = [matrix, 1]; count < length; count *= 2) {
    const more = matmul(
      count * 2 <= length ? found : slice(found, 1, falling ? 2 * count - length : 0, falling ? count : length - count),
      power,
    )
    found = concat(falling ? [more, found] : [found, more], 1)
    if (count * 2 < length) power = matmul(power, power)
  }
  return found
}

/** c·Aᵗ·b for t < length, by powers: `[head, length]`. */
export function kernelByPowers({ matrix, b, c }: LinearSystem, length: number): Tensor {
  const [heads, state] = b.shape as [number, number]
  return reshape(matmul(rowPowers(c, matrix, length), reshape(b, [heads, state, 1])), [heads, length])
}

/** x after inputs `[batch, time, head]`, from x = 0: Σ_j A^(time−1−j)·b·u_j `[batch, head, state]`. Throws ShapeError on other heads. */
export function finalState({ matrix, b }: Pick<LinearSystem, 'matrix' | 'b'>, inputs: Tensor): Tensor {
  const time = inputs.shape[1] as number
  if (inputs.shape[2] !== b.shape[0])
    throw new ShapeError(`inputs [${inputs.shape}] of ${b.shape[0]} heads`, { expected: `[batch, time, ${b.shape[0]}]` })
  const reach = rowPowers(b, transpose(matrix), time, { falling: true })
  return transpose(matmul(transpose(inputs, [2, 0, 1]), reach), [1, 0, 2])
}

/** What a closed loop says at each step: `[batch, step, head]`. */
export interface ClosedLoop {
  /** y_{L+k} = c·(A + b·k)ᵏ·x_L. */
  readonly outputs: Tensor
  /** The inputs that the loop feeds itself: k·(A + b·k)ᵏ·x_L. */
  readonly inputs: Tensor
}

/**
 * Steps of a system that makes its own inputs, u = feedback·x, from a state x_L `[batch, head, state]`; feedback `[head, state]`. The first
 * step is that of x_L itself. Zhang et al. 2023 (SpaceTime), section 3.2. Outputs grow without bounds where the spectral radius of
 * A + b·feedback is above 1.
 */
export function closedLoop(system: LinearSystem & { readonly feedback: Tensor }, state: Tensor, steps: number): ClosedLoop {
  const { matrix, b, c, feedback } = system
  const [heads, states] = b.shape as [number, number]
  const loop = add(matrix, matmul(reshape(b, [heads, states, 1]), reshape(feedback, [heads, 1, states])))
  const from = transpose(state, [1, 0, 2])
  const read = (row: Tensor) => transpose(matmul(from, rowPowers(row, loop, steps), { transposeB: true }), [1, 2, 0])
  return { outputs: read(c), inputs: read(feedback) }
}
