import { readdirSync } from 'node:fs'
import { printFindings } from './lib/print.ts'
import { type Bench, machineLoad, writeResult } from './lib/result.ts'

// npm run bench -- <id> [--quick]: runs a benchmark, prints its table and writes bench/results/<id>.json.

const ids = readdirSync(new URL('.', import.meta.url))
  .filter((name) => name.endsWith('.ts') && name !== 'run.ts' && name !== 'features.ts')
  .map((name) => name.slice(0, -'.ts'.length))

const options = process.argv.slice(2)
const [id, ...others] = options.filter((option) => option !== '--quick')
const unknown = others.length > 0 || id === undefined || !ids.includes(id)
if (unknown) {
  console.error(`usage: npm run bench -- <${ids.join('|')}> [--quick]`)
  process.exit(2)
}

const quick = options.includes('--quick')
const { bench } = (await import(`./${id}.ts`)) as { bench: Bench }
const loadBefore = machineLoad()
console.log(`${bench.title}\nmachine load before: ${loadBefore.toFixed(2)}`)
const findings = await bench.run({ quick })
printFindings(findings)
console.log(`machine load after: ${machineLoad().toFixed(2)}`)
console.log(`written: ${writeResult(id, bench, findings, loadBefore, quick)}`)
if (findings.gates.some(({ pass, hard }) => hard && !pass)) process.exitCode = 1
