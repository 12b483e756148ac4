import { printFindings } from './lib/print.ts'
import { type Bench, machineLoad, writeResult } from './lib/result.ts'

// npm run bench -- <id> [--quick]: runs a benchmark, prints its table and writes bench/results/<id>.json.

const benches: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  batch: () => import('./batch.ts'),
  compile: () => import('./compile.ts'),
  continuous: () => import('./continuous.ts'),
  decode: () => import('./decode.ts'),
  extend: () => import('./extend.ts'),
  grammar: () => import('./grammar.ts'),
  'image-disa': () => import('./image-disa.ts'),
  'image-elm': () => import('./image-elm.ts'),
  'image-flexvar': () => import('./image-flexvar.ts'),
  'image-flowar': () => import('./image-flowar.ts'),
  'image-gs-jacobi': () => import('./image-gs-jacobi.ts'),
  'image-maskgit': () => import('./image-maskgit.ts'),
  'image-nar': () => import('./image-nar.ts'),
  'image-nfig': () => import('./image-nfig.ts'),
  'image-starflow': () => import('./image-starflow.ts'),
  'image-taef2': () => import('./image-taef2.ts'),
  'image-tokenizers': () => import('./image-tokenizers.ts'),
  'image-var': () => import('./image-var.ts'),
  'image-xar': () => import('./image-xar.ts'),
  padding: () => import('./padding.ts'),
  prefill: () => import('./prefill.ts'),
  prepack: () => import('./prepack.ts'),
  quantize: () => import('./quantize.ts'),
  'series-arnet': () => import('./series-arnet.ts'),
  'series-cost': () => import('./series-cost.ts'),
  'series-coupled': () => import('./series-coupled.ts'),
  'series-etth1': () => import('./series-etth1.ts'),
  'series-intervals': () => import('./series-intervals.ts'),
  'series-spacetime': () => import('./series-spacetime.ts'),
  'series-speed': () => import('./series-speed.ts'),
  serve: () => import('./serve.ts'),
  'serve-soak': () => import('./serve-soak.ts'),
  soak: () => import('./soak.ts'),
  text: () => import('./text.ts'),
  train: () => import('./train.ts'),
}

const options = process.argv.slice(2)
const [id = '', ...others] = options.filter((option) => option !== '--quick')
const load = Object.hasOwn(benches, id) ? benches[id] : undefined
if (load === undefined || others.length > 0) {
  console.error(`usage: npm run bench -- <${Object.keys(benches).join('|')}> [--quick]`)
  process.exit(2)
}

const quick = options.includes('--quick')
const { bench } = await load()
const loadBefore = machineLoad()
console.log(`${bench.title}\nmachine load before: ${loadBefore.toFixed(2)}`)
const findings = await bench.run({ quick })
printFindings(findings)
console.log(`machine load after: ${machineLoad().toFixed(2)}`)
console.log(`written: ${writeResult(id, bench, findings, loadBefore, quick)}`)
if (findings.gates.some(({ pass, hard }) => hard && !pass)) process.exitCode = 1
