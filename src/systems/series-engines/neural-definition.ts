import { headOf, type NeuralDefaults, type NeuralOptions } from './neural-options.ts'
import type { SeriesNetwork, SeriesSizes } from './series-network.ts'

/** A forecaster that learns in steps, as data: its own options, what it uses, and its network. */
export interface NeuralDefinition<Options> {
  /** Equals the file's name. */
  readonly id: string
  /** Where the method is described. */
  readonly source: string
  readonly defaults?: Partial<NeuralDefaults>
  /** Whether a window holds one series, all of them, or what the option `variates` says. */
  readonly variates: 'apart' | 'together' | 'either'
  /** Of networks that see all series: whether they can be applied to other series than those that they were fitted to. */
  readonly anyVariates?: boolean
  readonly uses: { readonly past: boolean; readonly future: boolean; readonly static: boolean; readonly calendar: boolean }
  /**
   * How far it forecasts: as far as it was fitted for, further by taking what it said as known, or as far as one likes at once, by a network whose weights
   * do not depend on the horizon.
   */
  readonly reach: 'fitted' | 'rolled' | 'open'
  /** Steps that the network says at once. Default: the horizon. */
  block?(options: Options, horizon: number): number
  /** Default input size. */
  inputSize?(options: Options, request: { readonly horizon: number; readonly season: number }): number
  /** Throws OptionError on sizes that it cannot work with. */
  check?(options: Options, sizes: SeriesSizes): void
  network(options: Options, sizes: SeriesSizes): SeriesNetwork
}

/** Options of a definition whose own are `Own`. */
export type NeuralSystemOptions<Own> = NeuralOptions & { readonly variates?: 'together' | 'apart' } & Own

/** How many values a window of the history has, and how many steps are said at once. */
export function windowOf<Options>(
  definition: NeuralDefinition<NeuralSystemOptions<Options>>,
  options: NeuralSystemOptions<Options>,
  { horizon, season }: { readonly horizon: number; readonly season: number },
): { readonly inputSize: number; readonly block: number } {
  const usual = () => Math.max(2 * season, Math.min(horizon, 96), 12)
  const inputSize = options.inputSize ?? definition.inputSize?.(options, { horizon, season }) ?? usual()
  return { inputSize, block: definition.block?.(options, horizon) ?? horizon }
}

/** Whether all series stand in one window. */
export function seesTogether<Options>(
  { variates }: NeuralDefinition<NeuralSystemOptions<Options>>,
  options: NeuralSystemOptions<Options>,
): boolean {
  return variates === 'together' || (variates === 'either' && options.variates !== 'apart')
}

/** Whether it goes on from what it said, step by step, so that each step can be drawn given the ones before. */
export function drawsPaths<Options>(
  { reach, block }: NeuralDefinition<NeuralSystemOptions<Options>>,
  options: NeuralSystemOptions<Options>,
): boolean {
  return reach === 'rolled' && block?.(options, Number.POSITIVE_INFINITY) === 1 && headOf(options).probabilistic
}
