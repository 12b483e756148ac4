import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runCli } from '../../null/cli/spawn-cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'forecast-'))
afterAll(() => rmSync(folder, { recursive: true }))

const quarters = join(folder, 'quarters.csv')
const rows = Array.from({ length: 40 }, (_, i) => `${2010 + Math.floor(i / 4)}Q${(i % 4) + 1},${100 + i + 10 * (i % 4)}`)
writeFileSync(quarters, ['ds,y', ...rows].join('\n'))

test('networks are trained where they are named, with the options given, once; what takes no time is printed beside', async () => {
  const args = ['backtest', quarters, '--horizon', '2', '--model', 'arnet', '--option', 'epochs=2', 'inputSize=8']
  const { code, stdout, stderr } = await runCli(args)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect([...stderr.matchAll(/arnet: (\d+) steps of training in 0:\d\d/g)].length).toBe(1)
  const models = stdout.trimEnd().split('\n').slice(1)
  expect(models.map((line) => line.split(' ')[0]).sort()).toEqual([
    'arnet',
    'drift',
    'ets',
    'last-value',
    'ridge',
    'seasonal-naive',
    'theta',
  ])
})
