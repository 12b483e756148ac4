import * as v from 'valibot'
import type { Axis, Scale, Spec } from 'vega'
import { checkOptions } from '../base/options.ts'
import { colours, draw, drawable } from './draw.ts'

export interface Coefficients {
  /** Whose they are, where series have their own. */
  readonly series?: string
  /** `[horizon][lag]`: lag 0 is the last value known. */
  readonly lags: readonly Float64Array[]
}

export interface CoefficientsPlotOptions {
  readonly title?: string
}

const rowSchema = v.pipe(v.instance(Float64Array), v.minLength(1))
const schema = v.looseObject({ series: v.optional(v.string()), lags: v.pipe(v.array(rowSchema), v.minLength(1)) })
const optionsSchema = v.strictObject({ title: v.optional(v.string()) })

const [width, height] = [800, 260]
/** More cells or bars than this nobody tells apart. */
const [mostLags, mostSteps] = [200, 48]

/**
 * What a linear method makes of each past value, as SVG text: bars where it looks one step ahead, a map of lags by steps otherwise.
 * Where there are more lags than can be told apart, each place shows the greatest weight of several. Throws OptionError on no weights.
 * @example
 * const { frame } = await readSeries('sales.csv')
 * const forecaster = await fitForecaster(frame, { model: 'ridge', horizon: 24 })
 * const svg = await coefficientsPlot(forecaster.coefficients())
 */
export async function coefficientsPlot(coefficients: Coefficients, options: CoefficientsPlotOptions = {}): Promise<string> {
  checkOptions(schema, coefficients, 'coefficientsPlot')
  checkOptions(optionsSchema, options, 'coefficientsPlot')
  const { lags, series } = coefficients
  const { title = 'Weights of past values' } = options
  const binned = Math.ceil(Math.max(...lags.map(({ length }) => length)) / mostLags)
  const spread = Math.ceil(lags.length / mostSteps)
  const cells = lags.flatMap((weights, step) => (step % spread === 0 ? cellsOf(weights, step + 1, binned) : []))
  const notes = [
    ...(series === undefined ? [] : [series]),
    ...(binned > 1 ? [`the greatest of every ${binned} lags`] : []),
    ...(spread > 1 ? [`one of every ${spread} steps`] : []),
  ]
  return draw({
    description: drawable(title),
    width,
    height,
    title: { text: drawable(title), subtitle: drawable(notes.join('; ')), limit: width, offset: 14 },
    data: [{ name: 'cells', values: cells }],
    ...(lags.length === 1 ? barsOf(cells) : mapOf(cells)),
  })
}

interface Cell {
  /** 1 is the last value known. */
  readonly lag: number
  /** From 1. */
  readonly step: number
  readonly weight: number
}

function cellsOf(weights: Float64Array, step: number, binned: number): Cell[] {
  return Array.from({ length: Math.ceil(weights.length / binned) }, (_, bin) => ({
    lag: bin * binned + 1,
    step,
    weight: weights.subarray(bin * binned, (bin + 1) * binned).reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0),
  }))
}

const lagTitle = 'lag (1: the last value)'

function barsOf(cells: readonly Cell[]): Partial<Spec> {
  const enter = {
    x: { scale: 'lag', field: 'lag' },
    width: { scale: 'lag', band: 1 },
    y: { scale: 'weight', field: 'weight' },
    y2: { scale: 'weight', value: 0 },
    fill: { signal: `datum.weight < 0 ? '${colours.past}' : '${colours.forecast}'` },
  }
  return {
    scales: [
      lagScale(cells, 0.1),
      { name: 'weight', type: 'linear', domain: weightsOf(cells), range: 'height', nice: true, zero: true },
    ],
    axes: [lagAxis(cells), { orient: 'left', scale: 'weight', title: 'weight', grid: true }],
    marks: [{ type: 'rect', name: 'weights', from: { data: 'cells' }, encode: { enter } }],
  }
}

function mapOf(cells: readonly Cell[]): Partial<Spec> {
  const steps = [...new Set(cells.map(({ step }) => step))]
  const most = Math.max(...cells.map(({ weight }) => Math.abs(weight))) || 1
  const enter = {
    x: { scale: 'lag', field: 'lag' },
    width: { scale: 'lag', band: 1 },
    y: { scale: 'step', field: 'step' },
    height: { scale: 'step', band: 1 },
    fill: { scale: 'weight', field: 'weight' },
  }
  return {
    scales: [
      lagScale(cells, 0),
      { name: 'step', type: 'band', domain: steps, range: 'height' },
      { name: 'weight', type: 'linear', domain: [-most, 0, most], range: [colours.past, 'white', colours.forecast] },
    ],
    axes: [lagAxis(cells), { orient: 'left', scale: 'step', title: 'step ahead', values: everyFew(steps, 12) }],
    legends: [{ fill: 'weight', title: 'weight', gradientLength: height - 30 }],
    marks: [{ type: 'rect', name: 'weights', from: { data: 'cells' }, encode: { enter } }],
  }
}

/** From the greatest lag to the last value, as time goes. */
function lagScale(cells: readonly Cell[], padding: number): Scale {
  return { name: 'lag', type: 'band', domain: lagsOf(cells), range: 'width', reverse: true, padding }
}

function lagAxis(cells: readonly Cell[]): Axis {
  return { orient: 'bottom', scale: 'lag', title: lagTitle, values: everyFew(lagsOf(cells), 24) }
}

function lagsOf(cells: readonly Cell[]): number[] {
  return [...new Set(cells.map(({ lag }) => lag))].sort((a, b) => a - b)
}

function weightsOf(cells: readonly Cell[]): [number, number] {
  const weights = cells.map(({ weight }) => weight).filter(Number.isFinite)
  const [least, greatest] = [Math.min(0, ...weights), Math.max(0, ...weights)]
  return least === greatest ? [-1, 1] : [least, greatest]
}

/** At most `count` of a list, evenly. */
function everyFew(values: readonly number[], count: number): number[] {
  const every = Math.ceil(values.length / count)
  return values.filter((_, i) => i % every === 0)
}
