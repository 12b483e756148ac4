import * as v from 'valibot'
import { OptionError } from '../base/errors.ts'
import { checkOptions } from '../base/options.ts'
import type { Forecast, SeriesForecast } from '../systems/index.ts'
import { colours, draw, drawable } from './draw.ts'
import { panelMark } from './panel.ts'

export interface ComponentsPlotOptions {
  /** Id of the series that is drawn. Default: the first. */
  readonly series?: string
  readonly title?: string
}

const schema = v.strictObject({ series: v.optional(v.string()), title: v.optional(v.string()) })

/**
 * A forecast and what it is the sum of, one below the other, as SVG text. Throws OptionError on a series that the forecast does not have, and on a forecast
 * by a method that does not take series apart.
 * @example
 * const { frame } = await readSeries('sales.csv')
 * const forecaster = await fitForecaster(frame, { model: 'arnet', horizon: 24 })
 * const svg = await componentsPlot(await forecaster.forecast())
 */
export async function componentsPlot(forecast: Forecast, options: ComponentsPlotOptions = {}): Promise<string> {
  checkOptions(schema, options, 'componentsPlot')
  const chosen = chosenSeries(forecast, options.series)
  const { components = {}, mean, stamps, id } = chosen
  if (Object.keys(components).length === 0)
    throw new OptionError(`'${forecast.model}' takes no series apart`, { expected: 'a forecast with components' })
  const { title = `What the forecast by ${forecast.model} is made of` } = options
  const panels = [
    { title: 'forecast', bands: [], lines: [{ stamps, values: mean, colour: colours.forecast, width: 2 }] },
    ...Object.entries(components).map(([name, values]) => ({
      title: name,
      bands: [],
      lines: [{ stamps, values, colour: colours.values }],
    })),
  ]
  return draw({
    description: drawable(title),
    title: { text: drawable(title), subtitle: drawable(id), limit: 820, offset: 14 },
    layout: { columns: 1, padding: { row: 66, column: 0 }, bounds: 'flush' },
    marks: panels.map((panel) => panelMark(panel, forecast, { width: 800, height: 120 })),
  })
}

function chosenSeries({ series }: Forecast, id: string | undefined): SeriesForecast {
  const found = id === undefined ? series[0] : series.find((each) => each.id === id)
  if (found !== undefined) return found
  throw new OptionError(id === undefined ? 'a forecast of no series' : `a forecast without '${id}'`, {
    expected: `one of ${series
      .map((each) => each.id)
      .slice(0, 20)
      .join(', ')}`,
  })
}
