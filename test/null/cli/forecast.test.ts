import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { afterAll, expect, test } from 'vitest'
import { runCli } from './spawn-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'forecast-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

/** A season of four on a line. */
const rows = Array.from({ length: 40 }, (_, i) => `${2010 + Math.floor(i / 4)}Q${(i % 4) + 1},${100 + i + 10 * (i % 4)}`)
const quarters = file('quarters.csv', ['ds,y', ...rows].join('\n'))

test('forecasts a table by the best of all methods, whose errors it prints', async () => {
  const out = join(folder, 'out.csv')
  const { code, stdout, stderr } = await runCli(['forecast', quarters, '--horizon', '4', '--level', '80', '--out', out])
  expect(code).toBe(0)
  expect(stderr).toMatch(/^series 'y': 40 values, every quarter \(as the dates say\), 2010-01-01 to 2019-10-01\n/)
  expect(stderr).toMatch(/\narima +0/)
  const lines = stdout.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^ds +arima +lo-80 +hi-80$/)
  expect(lines[1]).toMatch(/^2020-01-01 +140/)
  const [head, first] = readFileSync(out, 'utf8').split('\n')
  expect(head).toBe('unique_id,ds,arima,lo-80,hi-80')
  expect(Number(first!.split(',')[2])).toBeCloseTo(140, 1)
})

test('prints JSON, of the method that is named', async () => {
  const { code, stdout } = await runCli(['forecast', quarters, '--horizon', '2', '--model', 'seasonal-naive', '--json'])
  expect(code).toBe(0)
  const { model, forecast } = JSON.parse(stdout) as { model: string; forecast: Record<string, unknown>[] }
  expect(model).toBe('seasonal-naive')
  expect(forecast.map((row) => [row.ds, row['seasonal-naive']])).toEqual([
    ['2020-01-01', 136],
    ['2020-04-01', 147],
  ])
})

test('goes on from what it kept, with a newer table', async () => {
  const kept = join(folder, 'kept.json')
  const common = ['--horizon', '2', '--level', '80']
  expect((await runCli(['forecast', quarters, ...common, '--model', 'drift', '--save', kept])).code).toBe(0)
  const newer = file('newer.csv', ['ds,y', ...rows, '2020Q1,240'].join('\n'))
  const { code, stdout } = await runCli(['forecast', newer, ...common, '--from', kept])
  expect(code).toBe(0)
  // The line from 100 to 240 in 40 steps.
  expect(stdout.split('\n')[1]).toMatch(/^2020-04-01 +243.5/)
  expect((await runCli(['forecast', newer, ...common, '--from', kept, '--seed', '1'])).stderr).toMatch(/--seed with --from/)
  expect((await runCli(['forecast', newer, ...common, '--from', newer])).stderr).toMatch(/is no JSON/)
})

test('an option that a method does not have is refused', async () => {
  const args = ['backtest', quarters, '--horizon', '2', '--model', 'ridge', '--option']
  expect((await runCli([...args, 'lag=8'])).stderr).toMatch(/error: ridge: unknown option 'lag'/)
  expect((await runCli([...args, 'lags=many'])).stderr).toMatch(/error: ridge: lags/)
  expect((await runCli(['backtest', quarters, '--horizon', '2', '--option', 'lags=8'])).stderr).toMatch(/--option without --model/)
})

test('tells how well methods did, apart by step', async () => {
  const { code, stdout } = await runCli(['backtest', quarters, '--horizon', '2', '--model', 'drift', '--by', 'step'])
  expect(code).toBe(0)
  expect(
    stdout
      .split('\n')
      .slice(1, 3)
      .map((line) => line.split(/ {2,}/).slice(0, 2)),
  ).toEqual([
    ['drift', 'step 1'],
    ['drift', 'step 2'],
  ])
})

test('draws and reports what it says, with the command that did it', async () => {
  const [plot, report] = [join(folder, 'plot.svg'), join(folder, 'report.html')]
  const model = ['--horizon', '4', '--model', 'seasonal-naive']
  const { code, stderr } = await runCli(['forecast', quarters, ...model, '--plot', plot, '--report', report])
  expect(code).toBe(0)
  expect(stderr).toContain(`wrote ${plot}\nwrote ${report}\n`)
  const labels = [...readFileSync(plot, 'utf8').matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text)
  expect(labels).toEqual(expect.arrayContaining(['y, every quarter', 'forecast (seasonal-naive)', '95 % interval']))
  const page = readFileSync(report, 'utf8')
  expect(page).toContain('<h1>Forecast of quarters.csv</h1>')
  expect(page).toContain(
    `<code>nextx forecast ${quarters} --horizon 4 --model seasonal-naive --plot ${plot} --report ${report}</code>`,
  )
})

test('draws past forecasts as pixels too', async () => {
  const plot = join(folder, 'plot.png')
  const { code } = await runCli(['backtest', quarters, '--horizon', '2', '--model', 'drift', '--plot', plot])
  expect(code).toBe(0)
  const { width, height } = PNG.sync.read(readFileSync(plot))
  expect(width).toBeGreaterThan(1000)
  expect(height).toBeGreaterThan(500)
})

const priced = rows.map((row, i) => `${row},${i % 5},${i % 3}`)

test('covariates that a method cannot use are refused by name', async () => {
  const table = file('priced.csv', ['ds,y,price,visits', ...priced, '2020Q1,,1,', '2020Q2,,1,'].join('\n'))
  const { code, stdout, stderr } = await runCli([
    ...['forecast', table, '--horizon', '2', '--model', 'drift'],
    ...['--covariates', 'price:future', 'visits:past'],
  ])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr).toContain('covariates: visits (past), price (future)\n2 rows of what is to come\n')
  expect(stderr).toMatch(/error: 'drift' cannot use past covariates: visits; leave them out, or take another model\n$/)
})

test('future covariates that are missing are listed before anything is tried', async () => {
  const table = file('short.csv', ['ds,y,price,visits', ...priced, '2020Q1,,1,'].join('\n'))
  const { code, stderr } = await runCli(['forecast', table, '--horizon', '3', '--target', 'y', '--covariates', 'price:future'])
  expect(code).toBe(1)
  expect(stderr).toContain("error: the future covariate 'price' of series 'y' is missing for 2020-04-01, 2020-07-01;")
})

test.each([
  [
    'a gap',
    'ds,y\n2024-01,1\n2024-02,2\n2024-04,4',
    "lacks 1 of 4 values, the first after line 3; expected a value at every step; choose a fill: 'forward'",
  ],
  ['a word', 'ds,y\n2024-01,1\n2024-02,two\n2024-03,3', "line 3, column 'y': 'two'; expected a finite number"],
  ['too few values', 'ds,y\n2024-01,1\n2024-02,2\n2024-03,3', 'fewer windows, or a shorter horizon or step'],
])('%s is refused in one line', async (_, text, problem) => {
  const { code, stdout, stderr } = await runCli(['forecast', file('bad.csv', text), '--horizon', '3', '--model', 'drift'])
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
  expect(stderr.split('\n').at(-2)).toMatch(/^error: /)
  expect(stderr).toContain(problem)
})

test.each([
  [['forecast', quarters], /--horizon/],
  [['forecast', quarters, '--horizon', '0'], /whole number/],
  [['forecast', quarters, '--horizon', '2', '--level', '101'], /percents/],
  [['backtest', quarters, '--horizon', '2', '--fill', 'spline'], /Allowed choices/],
  [['backtest', quarters, '--horizon', '2', '--option', 'lags'], /name=value/],
  [['backtest', quarters, '--horizon', '2', '--option', 'lags=1', 'lags=2'], /twice/],
  [['forecast', quarters, '--horizon', '2', '--plot', 'out.pdf'], /ends in \.svg or \.png/],
  [['backtest', quarters, '--horizon', '2', '--report', 'out.svg'], /ends in \.html/],
  [['forecast', quarters, '--horizon', '2', '--covariates', 'price'], /name:past, name:future or name:static/],
])('%j is wrong usage', async (args, problem) => {
  const { code, stderr } = await runCli(args)
  expect(code).toBe(2)
  expect(stderr).toMatch(problem)
})
