import type { Findings } from './result.ts'
import type { Summary } from './statistics.ts'

const show = (value: number) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3))
const spread = ({ median, min, max }: Summary) => ({ median: show(median), min: show(min), max: show(max) })

export function printFindings({ arms, ratios, gates, notes }: Findings): void {
  const rows = Object.entries(arms).flatMap(([arm, metrics]) =>
    Object.entries(metrics).map(([metric, value]) => ({ arm, metric, ...spread(value), unit: value.unit })),
  )
  console.table(rows)
  if (Object.keys(ratios).length > 0)
    console.table(Object.fromEntries(Object.entries(ratios).map(([name, ratio]) => [name, spread(ratio)])))
  for (const { name, want, got, pass, hard } of gates)
    console.log(`${pass ? 'pass' : hard ? 'FAIL' : 'miss'}  ${name}: want ${want}, got ${got}`)
  for (const note of notes) console.log(`note  ${note}`)
}
