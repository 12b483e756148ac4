import * as v from 'valibot'
import { OptionError } from '../../base/errors.ts'
import {
  Companion,
  closedLoop,
  Diagonal,
  fanInUniform,
  finalState,
  kernelByPowers,
  Linear,
  longConvolution,
  type Mlp,
  type StateSpace,
  uniform,
} from '../../nn/index.ts'
import { add, constant, mean, parameter, reshape, slice, square, subtract, type Tensor, type Variable } from '../../tensor/index.ts'
import { count, layerCount } from '../read-config.ts'
import { mlp } from '../series-engines/layers.ts'
import { neuralForecaster } from '../series-engines/neural-forecaster.ts'
import type { Judge, SeriesNetwork, SeriesOutput, SeriesSizes, SeriesWindow } from '../series-engines/series-network.ts'

interface SpaceTimeOptions {
  readonly width: number
  readonly state: number
  readonly layers: number
  readonly space: 'companion' | 'diagonal'
}

function stateSpace({ width, state, space }: SpaceTimeOptions): StateSpace {
  return space === 'companion' ? new Companion({ heads: width, state }) : new Diagonal({ heads: width, state })
}

/** One state space a channel over all steps, then an MLP at each step, beside what came in. */
class EncoderLayer {
  readonly space: StateSpace
  readonly mlp: Mlp

  constructor(options: SpaceTimeOptions) {
    const { width } = options
    this.space = stateSpace(options)
    this.mlp = mlp(width, 2 * width)
  }

  /** `[batch, time, width]` → the same shape; what the state spaces read may be prepared. */
  forward(x: Tensor, prepared = x): Tensor {
    return add(x, this.mlp.forward(longConvolution(prepared, this.space.kernel(x.shape[1] as number))))
  }
}

/** A state space that feeds itself: its next input is read from its state as its output is. */
class ClosedDecoder {
  readonly space: StateSpace
  /** `[width, state]`. */
  readonly feedback: Variable

  constructor(options: SpaceTimeOptions) {
    const { width, state } = options
    this.space = stateSpace(options)
    this.feedback = parameter([width, state], uniform(1 / Math.sqrt(state)))
  }

  /** What comes after inputs `[batch, time, width]`: `[batch, horizon, width]`. */
  forward(inputs: Tensor, horizon: number): Tensor {
    const system = this.space.system()
    return closedLoop({ ...system, feedback: this.feedback.tensor }, finalState(system, inputs), horizon).outputs
  }

  /** What is said after each input of the next output and the next input, `[batch, time, width]` each. */
  oneStep(inputs: Tensor): { readonly outputs: Tensor; readonly inputs: Tensor } {
    const length = inputs.shape[1] as number
    const fed = kernelByPowers({ ...this.space.system(), c: this.feedback.tensor }, length)
    return { outputs: longConvolution(inputs, this.space.kernel(length)), inputs: longConvolution(inputs, fed) }
  }
}

/** Differences of order 0 to 3, and what is left without moving averages over so many steps. Zhang et al. 2023, section 3.3. */
const differences = [[1], [1, -1], [1, -2, 1], [1, -3, 3, -1]]
const averages = [4, 8, 16, 32]

/** Fixed kernels of channels in turn, `[width, tap]`. */
function preparation(width: number, length: number): Tensor {
  const residual = (window: number) => Array.from({ length: window }, (_, tap) => Number(tap === 0) - 1 / window)
  const kernels = [...differences, ...averages.map(residual)].filter((kernel) => kernel.length <= length)
  const taps = Math.max(...kernels.map((kernel) => kernel.length))
  const rows = Array.from({ length: width }, (_, channel) => kernels[channel % kernels.length]!)
  return constant(
    rows.flatMap((kernel) => [...kernel, ...Array.from({ length: taps - kernel.length }, () => 0)]),
    [width, taps],
  )
}

class SpaceTimeNetwork implements SeriesNetwork {
  readonly embedding: Linear
  readonly encoder: readonly EncoderLayer[]
  readonly decoder: ClosedDecoder
  readonly readout: Linear
  readonly #options: SpaceTimeOptions
  readonly #sizes: SeriesSizes

  constructor(options: SpaceTimeOptions, sizes: SeriesSizes) {
    const { width, layers } = options
    this.#options = options
    this.#sizes = sizes
    this.embedding = new Linear(1, width, fanInUniform(1))
    this.encoder = Array.from({ length: layers }, () => new EncoderLayer(options))
    this.decoder = new ClosedDecoder(options)
    this.readout = new Linear(width, sizes.outputs, fanInUniform(width))
  }

  forward({ values }: SeriesWindow): SeriesOutput {
    return { output: this.#read(this.decoder.forward(this.#encoded(values), this.#sizes.horizon)) }
  }

  /** Of the forecast, of what is said of each next value so far, and of the decoder's own next inputs, as much of each. */
  loss({ values }: SeriesWindow, target: Tensor, judge: Judge): Tensor {
    const encoded = this.#encoded(values)
    const forecast = judge(this.#read(this.decoder.forward(encoded, this.#sizes.horizon)), target)
    const { outputs, inputs } = this.decoder.oneStep(encoded)
    const nextValues = judge(this.#read(slice(outputs, 1, 0, -1)), slice(values, 1, 1))
    const nextInputs = mean(square(subtract(slice(inputs, 1, 0, -1), slice(encoded, 1, 1))))
    return add(add(forecast, nextValues), nextInputs)
  }

  /** `[batch, input, 1]` → `[batch, input, width]`. */
  #encoded(values: Tensor): Tensor {
    const embedded = this.embedding.forward(values)
    const [first, ...others] = this.encoder as readonly [EncoderLayer, ...EncoderLayer[]]
    const prepared = longConvolution(embedded, preparation(this.#options.width, this.#sizes.inputSize))
    return others.reduce((x, layer) => layer.forward(x), first.forward(embedded, prepared))
  }

  #read(states: Tensor): Tensor {
    const said = this.readout.forward(states)
    return reshape(said, [said.shape[0]!, said.shape[1]!, 1, this.#sizes.outputs])
  }
}

function check({ state, space }: SpaceTimeOptions, { inputSize }: SeriesSizes): void {
  if (inputSize < state)
    throw new OptionError(`spacetime: an input of ${inputSize} values for ${state} states`, {
      expected: `at least ${state}`,
      fix: 'fewer states',
    })
  if (space === 'diagonal' && state % 2 !== 0)
    throw new OptionError(`spacetime: ${state} diagonal states`, { expected: 'an even number' })
}

/** State spaces that can be any autoregression, the last of which feeds itself as far as one likes. */
export default neuralForecaster(
  {
    width: v.optional(count, 32),
    /** Numbers that each channel remembers; no more than the input has values. */
    state: v.optional(v.pipe(count, v.maxValue(1024)), 24),
    layers: v.optional(layerCount, 2),
    /** What state spaces are made of: companion matrices, or diagonal ones to compare with (S4D). */
    space: v.optional(v.picklist(['companion', 'diagonal']), 'companion'),
  },
  {
    id: 'spacetime',
    source: 'Zhang et al. 2023, Effectively Modeling Time Series with Simple Discrete State Spaces (SpaceTime)',
    defaults: { batch: 32, learningRate: 1e-3, schedule: 'cosine', normalization: 'mean' },
    variates: 'apart',
    uses: { past: false, future: false, static: false, calendar: false },
    reach: 'open',
    inputSize: ({ state }, { horizon, season }) => Math.max(state, 2 * season, Math.min(horizon, 96)),
    check,
    network: (options, sizes) => new SpaceTimeNetwork(options, sizes),
  },
)
