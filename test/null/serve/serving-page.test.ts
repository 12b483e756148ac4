import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { serveLimits } from '../../../src/serve/limits.ts'
import { metricsObserver } from '../../../src/serve/observe/metrics.ts'

const page = readFileSync(new URL('../../../docs/serving.md', import.meta.url), 'utf8')

/** Cells of the rows below a table's head. */
function table(head: string): string[][] {
  const lines = page.slice(page.indexOf(head)).split('\n').slice(2)
  const rows = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith('|')),
  )
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  )
}

test('docs/serving.md has every limit with its default', () => {
  const limits = Object.entries(serveLimits()).map(([name, value]) => [name, value.toLocaleString('en-US')])
  expect(table('| limit | bounds | default |').map(([name, , value]) => [name, value])).toEqual(limits)
})

test('docs/serving.md has every metric with its kind and what it says', async () => {
  const text = await metricsObserver().text()
  const metrics = [...text.matchAll(/# HELP (\S+) (.*)\.\n# TYPE \S+ (\S+)/g)].map(([, name, help, kind]) => [name, kind, help])
  expect(table('| metric | kind | what |')).toEqual(metrics)
})
