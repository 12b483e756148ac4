import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { createRng } from '../../../src/base/rng.ts'
import { runCli } from '../../null/cli/spawn-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'forecast-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Sales that follow from the price of the day alone, which nothing before tells; three days to come. */
const random = createRng(1)
const prices = Array.from({ length: 303 }, (_, day) => random.integerAt(day, 10))
const rows = prices.map((price, day) => {
  const date = new Date(Date.UTC(2023, 0, 2 + day)).toISOString().slice(0, 10)
  return `${date},${day < 300 ? 50 + 5 * price : ''},${price}`
})

test('a method that can use what is known of the future does, and says so in its report', async () => {
  const [table, report] = [join(folder, 'sales.csv'), join(folder, 'report.html')]
  writeFileSync(table, ['ds,sold,price', ...rows].join('\n'))
  const { code, stdout, stderr } = await runCli([
    ...['forecast', table, '--horizon', '3', '--windows', '3', '--target', 'sold'],
    ...['--model', 'arnet', '--covariates', 'price:future', '--json', '--report', report],
  ])
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringContaining('covariates: price (future)\n3 rows of what is to come\n'),
  })
  const { methods, forecast } = JSON.parse(stdout) as { methods: { rows: { mase: number }[] }[]; forecast: unknown[] }
  // Whoever does not see the price is off by about as much as days differ: 1.
  expect(methods[0]!.rows[0]!.mase).toBeLessThan(0.75)
  expect(forecast.length).toBe(3)
  const page = readFileSync(report, 'utf8')
  expect(page).toContain('<td>price (future)</td>')
  expect(page).toContain('Weights of past values')
})

const quarters = join(folder, 'quarters.csv')
const quarterRows = Array.from({ length: 40 }, (_, i) => `${2010 + Math.floor(i / 4)}Q${(i % 4) + 1},${100 + i + 10 * (i % 4)}`)
writeFileSync(quarters, ['ds,y', ...quarterRows].join('\n'))

test('networks are trained where they are named, with the options given, once; what takes no time is printed beside', async () => {
  const args = ['backtest', quarters, '--horizon', '2', '--model', 'arnet', '--option', 'epochs=2', 'inputSize=8']
  const { code, stdout, stderr } = await runCli(args)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect([...stderr.matchAll(/arnet: [\d,]+ steps of training in 0:\d\d/g)].length).toBe(1)
  const models = stdout.trimEnd().split('\n').slice(1)
  expect(models.map((line) => line.split(' ')[0]).sort()).toEqual([
    'arima',
    'arnet',
    'drift',
    'ets',
    'last-value',
    'ridge',
    'seasonal-naive',
    'theta',
  ])
})
