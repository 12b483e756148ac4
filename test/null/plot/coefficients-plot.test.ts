import type { Element } from '@xmldom/xmldom'
import { expect, test } from 'vitest'
import { coefficientsPlot } from '../../../src/plot/index.ts'
import { byClass, parseXml, texts } from './read-svg.ts'

function boxes(svg: string): { x: number; y: number; width: number; height: number; fill: string }[] {
  const [group] = byClass(parseXml(svg), 'weights')
  return [...group!.getElementsByTagName('path')].map((path: Element) => {
    const [, x, y, width, height] = /M([-\d.]+),([-\d.]+)h([-\d.]+)v([-\d.]+)/.exec(path.getAttribute('d')!)!
    return { x: Number(x), y: Number(y), width: Number(width), height: Number(height), fill: path.getAttribute('fill')! }
  })
}

test('one step ahead: bars as high as the weights, the last value at the right', async () => {
  const weights = [0.5, -0.25, 0, 1]
  const svg = await coefficientsPlot({ series: 'a', lags: [Float64Array.from(weights)] })
  const bars = boxes(svg).sort((a, b) => b.x - a.x)
  const unit = bars[3]!.height
  for (const [i, { height }] of bars.entries()) expect(height / unit).toBeCloseTo(Math.abs(weights[i]!), 5)
  // A negative weight hangs from where positive ones stand.
  expect(bars[1]!.y).toBeCloseTo(bars[0]!.y + bars[0]!.height, 5)
  expect(bars[1]!.fill).not.toBe(bars[0]!.fill)
  expect(texts(parseXml(svg))).toEqual(expect.arrayContaining(['a', '1', '4', 'lag (1: the last value)']))
})

test('several steps: a map, white at 0 and as strong as its greatest weight on either side', async () => {
  const lags = [Float64Array.of(2, 0, -1), Float64Array.of(-2, 1, 0)]
  const svg = await coefficientsPlot({ lags })
  const cells = boxes(svg).sort((a, b) => a.y - b.y || b.x - a.x)
  const fills = cells.map(({ fill }) => fill)
  expect(fills.length).toBe(6)
  expect([fills[1], fills[5]]).toEqual(['rgb(255, 255, 255)', 'rgb(255, 255, 255)'])
  expect([fills[0], fills[3]]).toEqual(['rgb(0, 114, 178)', 'rgb(213, 94, 0)'])
  // Half-way to white.
  expect([fills[4], fills[2]]).toEqual(['rgb(128, 185, 217)', 'rgb(234, 175, 128)'])
})

test('more lags and steps than can be told apart are drawn together, which is said', async () => {
  const lags = Array.from({ length: 96 }, (_, step) =>
    Float64Array.from({ length: 1000 }, (_, lag) => (lag === 777 ? -1 - step : 0.1)),
  )
  const svg = await coefficientsPlot({ lags })
  const cells = boxes(svg)
  expect(cells.length).toBe(48 * 200)
  expect(new Set(cells.filter(({ fill }) => fill === 'rgb(213, 94, 0)').map(({ x }) => x)).size).toBe(1)
  expect(texts(parseXml(svg))).toContain('the greatest of every 5 lags; one of every 2 steps')
})

test('weights that are all 0 draw; no weights are refused', async () => {
  expect(await coefficientsPlot({ lags: [new Float64Array(3)] })).not.toMatch(/NaN|undefined/)
  expect(await coefficientsPlot({ lags: [new Float64Array(3), new Float64Array(3)] })).not.toMatch(/NaN|undefined/)
  await expect(coefficientsPlot({ lags: [] })).rejects.toThrow('coefficientsPlot: lags')
  await expect(coefficientsPlot({ lags: [new Float64Array(0)] })).rejects.toThrow('lags')
})
