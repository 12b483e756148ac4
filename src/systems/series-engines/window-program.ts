import type { ForecastHead } from '../../heads/index.ts'
import {
  add,
  divide,
  float32,
  type Inputs,
  mean,
  multiply,
  slice,
  sqrt,
  square,
  subtract,
  type Tensor,
  unsqueeze,
} from '../../tensor/index.ts'
import type { NeuralOptions } from './neural-options.ts'
import type { SeriesNetwork, SeriesOutput, SeriesSizes, SeriesWindow } from './series-network.ts'

/** Feeds of windows of `rows` values. */
export function windowInputs(sizes: SeriesSizes, batch: number | string, rows: number): Inputs {
  const { inputSize, horizon, variates, marks, covariates } = sizes
  return {
    values: float32(batch, rows, variates),
    ...(marks > 0 && { marks: float32(batch, inputSize + horizon, marks) }),
    ...(covariates > 0 && { covariates: float32(batch, inputSize, covariates) }),
  }
}

type Traced = Readonly<Record<string, Tensor>>

/** A window's level and deviation, each `[batch, 1, variate]`. */
interface Level {
  readonly center: Tensor
  readonly deviation: Tensor
}

/** Constant windows have a deviation above 0. Kim et al. 2022 (RevIN). */
const epsilon = 1e-5

function levelOf(values: Tensor, normalization: NeuralOptions['normalization']): Level {
  const last = slice(values, 1, -1)
  const [none, one] = [multiply(last, 0), add(multiply(last, 0), 1)]
  if (normalization === 'none') return { center: none, deviation: one }
  if (normalization === 'last') return { center: last, deviation: one }
  const center = mean(values, 1, { keep: true })
  if (normalization === 'mean') return { center, deviation: one }
  return { center, deviation: sqrt(add(mean(square(subtract(values, center)), 1, { keep: true }), epsilon)) }
}

function normed(values: Tensor, { center, deviation }: Level): Tensor {
  return divide(subtract(values, center), deviation)
}

function windowFrom({ marks, covariates, progress }: Traced, values: Tensor): SeriesWindow {
  return { values, marks, covariates, ...(progress && { progress }) }
}

/** The loss of windows of input and horizon. */
export function traceLoss(
  network: SeriesNetwork,
  head: ForecastHead,
  { inputSize }: SeriesSizes,
  { normalization }: Pick<NeuralOptions, 'normalization'>,
  inputs: Traced,
): Tensor {
  const [known, coming] = [slice(inputs.values!, 1, 0, inputSize), slice(inputs.values!, 1, inputSize)]
  const level = levelOf(known, normalization)
  const judge = (output: Tensor, target: Tensor) => {
    const { center, deviation } = level
    const parameters = head.parameters(output, unsqueeze(center, -1), unsqueeze(deviation, -1))
    return head.loss(parameters, add(multiply(target, deviation), center))
  }
  const window = windowFrom(inputs, normed(known, level))
  const target = normed(coming, level)
  return network.loss?.(window, target, judge) ?? judge(network.forward(window).output, target)
}

/** Parameters `[batch, horizon, variate, output]` of what comes after windows of the input, in the scale of the values fed, and components of the location. */
export function traceForecast(
  network: SeriesNetwork,
  head: ForecastHead,
  { normalization }: Pick<NeuralOptions, 'normalization'>,
  inputs: Traced,
): { readonly parameters: Tensor } & Readonly<Record<string, Tensor>> {
  const level = levelOf(inputs.values!, normalization)
  const { output, components = {} } = network.forward(windowFrom(inputs, normed(inputs.values!, level)))
  const { center, deviation } = level
  const parameters = head.parameters(output, unsqueeze(center, -1), unsqueeze(deviation, -1))
  return { parameters, ...placedComponents(components, level) }
}

/** The first component carries the level. */
function placedComponents(components: NonNullable<SeriesOutput['components']>, { center, deviation }: Level) {
  return Object.fromEntries(
    Object.entries(components).map(([name, values], i) => {
      const sized = multiply(values, deviation)
      return [`component ${name}`, i === 0 ? add(sized, center) : sized]
    }),
  )
}
