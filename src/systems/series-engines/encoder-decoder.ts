import * as v from 'valibot'
import { OptionError } from '../../base/errors.ts'
import { Linear, normal } from '../../nn/index.ts'
import { add, concat, constant, expand, pad, slice, type Tensor } from '../../tensor/index.ts'
import { count, layerCount } from '../read-config.ts'
import type { SeriesSizes, SeriesWindow } from './series-network.ts'

export interface EncoderDecoderOptions {
  readonly width: number
  readonly hidden?: number | undefined
  readonly heads: number
  readonly layers: number
  readonly decoderLayers: number
  readonly labelSize?: number | undefined
  readonly factor: number
}

/** Options of networks with an encoder and a decoder; `factor` by default. */
export const encoderDecoderEntries = (factor: number) => ({
  width: v.optional(count, 64),
  /** Width inside the MLPs. Default: four times the width. */
  hidden: v.optional(count),
  layers: v.optional(layerCount, 2),
  decoderLayers: v.optional(layerCount, 1),
  heads: v.optional(count, 8),
  /** Last values that the decoder begins with. Default: half of the input. */
  labelSize: v.optional(count),
  /** factor·ln(length) lags count, or queries attend. */
  factor: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(100)), factor),
})

/** Rows before and after each row of `[batch, time, width]`, the ends joined: `[batch, time, 3·width]`. */
export function withNeighbours(x: Tensor): Tensor {
  const before = concat([slice(x, 1, -1), slice(x, 1, 0, -1)], 1)
  const after = concat([slice(x, 1, 1), slice(x, 1, 0, 1)], 1)
  return concat([before, x, after], -1)
}

/** A convolution of three steps round the circle of time, without bias. He et al. 2015 for the first weights. */
export function circularConvolution(inputs: number, outputs: number): Linear {
  return new Linear(3 * inputs, outputs, { weight: normal(Math.sqrt(2 / (3 * inputs))) })
}

/** What each step is: its values with their neighbours, what is known of it, and where it stands. */
export class StepEmbedding {
  readonly values: Linear
  readonly marks?: Linear
  readonly #positions: boolean

  constructor(
    width: number,
    { variates, marks }: Pick<SeriesSizes, 'variates' | 'marks'>,
    { positions }: { readonly positions: boolean },
  ) {
    this.values = circularConvolution(variates, width)
    if (marks > 0) this.marks = new Linear(marks, width, { weight: normal(Math.sqrt(1 / (3 * marks))) })
    this.#positions = positions
  }

  /** `[batch, time, variate]` and `[batch, time, mark]` → `[batch, time, width]`. */
  forward(values: Tensor, marks: Tensor | undefined): Tensor {
    const own = this.values.forward(withNeighbours(values))
    const known = marks === undefined ? own : add(own, this.marks!.forward(marks))
    return this.#positions ? add(known, sinusoids(own.shape[1] as number, own.shape[2] as number)) : known
  }
}

/** `[1, time, width]`: sines and cosines in turn. Vaswani et al. 2017, section 3.5. */
function sinusoids(length: number, width: number): Tensor {
  const values = new Float32Array(length * width)
  for (let at = 0; at < values.length; at++) {
    const [time, column] = [Math.floor(at / width), at % width]
    const angle = time / 10_000 ** ((column - (column % 2)) / width)
    values[at] = column % 2 === 0 ? Math.sin(angle) : Math.cos(angle)
  }
  return constant(values, [1, length, width])
}

/** The last `label` rows, then zeros, or a row again and again, for the steps to come. */
export function beginning(x: Tensor, label: number, horizon: number, filler?: Tensor): Tensor {
  const known = slice(x, 1, -label)
  if (filler === undefined) return pad(known, 1, 0, horizon)
  return concat([known, expand(filler, [x.shape[0]!, horizon, x.shape[2]!])], 1)
}

/** Marks of the window, and of its last `label` steps with those to come. */
export function splitMarks({ marks }: SeriesWindow, { inputSize }: SeriesSizes, label: number) {
  return {
    known: marks && slice(marks, 1, 0, inputSize),
    coming: marks && slice(marks, 1, inputSize - label),
  }
}

/** Values that the decoder begins with. Throws OptionError when there are more than the window has. */
export function labelOf(
  { labelSize }: { readonly labelSize?: number | undefined },
  { inputSize }: Pick<SeriesSizes, 'inputSize'>,
): number {
  const label = labelSize ?? Math.max(1, Math.floor(inputSize / 2))
  if (label > inputSize)
    throw new OptionError(`labelSize is ${label}`, { expected: `at most the ${inputSize} values of the input` })
  return label
}
