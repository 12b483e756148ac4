import { expect, test } from 'vitest'
import { componentsPlot } from '../../../src/plot/index.ts'
import { byClass, corners, newYear, parseXml, readAxes, texts } from './read-svg.ts'
import { forecastOf, madeUp } from './series-of.ts'

const trend = Float64Array.from({ length: 60 }, (_, i) => 50 + i)
const season = Float64Array.from({ length: 60 }, (_, i) => 10 * Math.sin(i))
const apart = { ...madeUp('a', 0, [...trend.map((value, i) => value + season[i]!)]), components: { trend, season } }

test('the forecast and each component have a panel, whose lines are their values', async () => {
  const root = parseXml(await componentsPlot(forecastOf([madeUp('z', 0, [1, 2]), apart]), { series: 'a' }))
  expect(byClass(root, 'title').flatMap(texts)).toEqual(['forecast', 'trend', 'season'])
  const panels = byClass(root, 'role-scope').filter((panel) => byClass(panel, 'line0').length === 1)
  expect(panels.length).toBe(3)
  for (const [panel, expected] of [[panels[1]!, trend] as const, [panels[2]!, season] as const]) {
    const toData = readAxes(panel, newYear)
    for (const [i, point] of corners(byClass(panel, 'line0')[0]!).entries()) expect(toData(point)[1]).toBeCloseTo(expected[i]!, 1)
  }
})

test('refuses forecasts that are not taken apart, and series that are not there', async () => {
  await expect(componentsPlot(forecastOf([madeUp('a', 0, [1])]))).rejects.toThrow("'oracle' takes no series apart")
  await expect(componentsPlot(forecastOf([apart]), { series: 'b' })).rejects.toThrow("a forecast without 'b'; expected one of a")
  await expect(componentsPlot(forecastOf([]))).rejects.toThrow('a forecast of no series')
})
