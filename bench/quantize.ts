import { readFileSync } from 'node:fs'
import { createRng } from 'nextx'
import { QuantizedMatrix, roundWeights } from 'nextx/nn'
import { type Device, openDevice } from 'nextx/platform'
import { loadModel, type QuantizeTextOptions, quantizeText, scoreText } from 'nextx/systems'
import { compile, float32, matmul, type Tensor, Variable } from 'nextx/tensor'
import { dataFile } from './lib/data.ts'
import type { Bench, Findings, Gate, Metric } from './lib/result.ts'
import { pairedRatios, type Summary, summarise } from './lib/statistics.ts'

const once = (value: number, unit: string): Metric => ({ ...summarise([value]), unit })
const metric = (values: readonly number[], unit: string): Metric => ({ ...summarise(values), unit })

interface Quality {
  readonly natsPerToken: number
  readonly perplexity: number
  readonly bytes: number
}

const formats = [
  ['8 bits, blocks of 32', { bits: 8, blockSize: 32 }],
  ['4 bits, blocks of 32', { bits: 4, blockSize: 32 }],
  ['4 bits, blocks of 64', { bits: 4, blockSize: 64 }],
  ['4 bits, blocks of 128', { bits: 4, blockSize: 128 }],
] as const

/** The end of the stories is held out; GPTQ calibrates on their beginning. */
function texts(quick: boolean): { readonly heldOut: string; readonly calibration: string; readonly calibrationTokens: number } {
  const all = readFileSync(dataFile('text/tinystories-2mib/tinystories_sample.txt'), 'utf8')
  const [scored, tokens] = quick ? [6_000, 4_096] : [40_000, 16_384]
  return { heldOut: all.slice(-scored), calibration: all.slice(0, 400_000), calibrationTokens: tokens }
}

async function qualityOf(device: Device, text: string, options?: QuantizeTextOptions): Promise<Quality> {
  const model = await loadModel('data/stories260K', { device })
  try {
    const reports = options === undefined ? [] : await quantizeText(model, options)
    const { natsPerToken, perplexity } = await scoreText(model, text)
    return { natsPerToken, perplexity, bytes: reports.reduce((total, { bytes }) => total + bytes.after, 0) }
  } finally {
    await model[Symbol.asyncDispose]()
  }
}

async function qualities(device: Device, quick: boolean): Promise<Map<string, Quality>> {
  const { heldOut, ...calibrated } = texts(quick)
  const found = new Map<string, Quality>([['float32', await qualityOf(device, heldOut)]])
  for (const [name, format] of formats) {
    found.set(`${name}, nearest`, await qualityOf(device, heldOut, format))
    found.set(`${name}, gptq`, await qualityOf(device, heldOut, { ...format, ...calibrated }))
  }
  return found
}

const side = 2048
const batches = [1, 2, 4, 8, 16, 32, 64]

/** x·Wᵀ of a square layer, with weights that are part of the session. */
async function products(device: Device) {
  const weights = createRng(1).fillNormal(new Float32Array(side * side))
  const plain = new Variable({ shape: [side, side] })
  await plain.write(weights)
  const multiply = {
    'float32 Gemm': (x: Tensor) => matmul(x, plain, { transposeB: true }),
    '8 bits, blocks of 32': await quantisedProduct(weights, { bits: 8, blockSize: 32 }),
    '4 bits, blocks of 32': await quantisedProduct(weights, { bits: 4, blockSize: 32 }),
    '4 bits, blocks of 128': await quantisedProduct(weights, { bits: 4, blockSize: 128 }),
  }
  return Object.entries(multiply).map(([name, product]) => {
    const build = ({ x }: { readonly x: Tensor }) => ({ y: product(x) })
    return { name, program: compile({ x: float32('N', side) }, build, { device, frozen: true }) }
  })
}

async function quantisedProduct(weights: Float32Array, format: { readonly bits: 4 | 8; readonly blockSize: number }) {
  const matrix = new QuantizedMatrix(side, side, format)
  await matrix.write(roundWeights(weights, side, side, format))
  return (x: Tensor) => matrix.product(x)
}

/** Milliseconds of a product by arm and batch; arms take turns. */
async function speeds(device: Device, rounds: number): Promise<Map<string, Map<number, number[]>>> {
  const arms = await products(device)
  const times = new Map(arms.map(({ name }) => [name, new Map(batches.map((batch) => [batch, [] as number[]]))]))
  for (const batch of batches) {
    const x = createRng(2).fillNormal(new Float32Array(batch * side))
    for (const { program } of arms) await program.run({ x })
    for (let round = 0; round < rounds; round++) {
      for (const { name, program } of arms) {
        const start = performance.now()
        await program.run({ x })
        times
          .get(name)!
          .get(batch)!
          .push(performance.now() - start)
      }
    }
  }
  for (const { program } of arms) await program.dispose()
  return times
}

function gatesOf(quality: ReadonlyMap<string, Quality>): Gate[] {
  const nats = (name: string) => quality.get(name)!.natsPerToken
  const rise = (name: string) => 100 * (nats(name) / nats('float32') - 1)
  const eight = rise('8 bits, blocks of 32, nearest')
  const better = formats.slice(1).map(([name]) => [name, rise(`${name}, nearest`), rise(`${name}, gptq`)] as const)
  return [
    {
      name: '8 bits: rise of nats per token',
      want: '≤ 1%',
      got: `${eight.toFixed(2)}%`,
      pass: eight <= 1,
      hard: true,
    },
    {
      name: '4 bits: GPTQ loses no more than the nearest codes',
      want: 'in every format',
      got: better.map(([name, plain, compensated]) => `${name}: ${compensated.toFixed(1)}% for ${plain.toFixed(1)}%`).join('; '),
      pass: better.every(([, plain, compensated]) => compensated <= plain),
      hard: true,
    },
  ]
}

export const bench: Bench = {
  title: 'Quantised weights: what 8 and 4 bits cost in quality, and give in speed by batch',
  cards: ['17'],
  async run({ quick }): Promise<Findings> {
    const device = await openDevice({ worker: false, threads: 1 })
    try {
      const quality = await qualities(device, quick)
      const times = await speeds(device, quick ? 5 : 25)
      const scores = Array.from(quality, ([name, { natsPerToken, perplexity, bytes }]) => {
        const size = bytes === 0 ? {} : { 'bytes of matrices': once(bytes, 'bytes') }
        return [`stories260K, ${name}`, { 'nats per token': once(natsPerToken, 'nats'), perplexity: once(perplexity, ''), ...size }]
      })
      const curves = Array.from(times, ([name, byBatch]) => [
        `${side}×${side}, ${name}`,
        Object.fromEntries(Array.from(byBatch, ([batch, values]) => [`batch ${batch}`, metric(values, 'ms')])),
      ])
      return {
        arms: Object.fromEntries([...scores, ...curves]),
        ratios: ratiosOf(times),
        gates: gatesOf(quality),
        notes: [
          'one thread; x is rounded to 8 bits in blocks by the quantised kernels; times include fetching the result, alike for all arms',
          'held out: the end of TinyStories, first 2 MiB; GPTQ calibrates on the beginning. A model of width 64 loses more than large ones do',
        ],
        seeds: [1, 2],
        versions: { 'onnxruntime-node': '1.30.0' },
      }
    } finally {
      await device[Symbol.asyncDispose]()
    }
  },
}

/** How many times faster than float32. */
function ratiosOf(times: ReadonlyMap<string, ReadonlyMap<number, readonly number[]>>): Record<string, Summary> {
  const plain = times.get('float32 Gemm')!
  return Object.fromEntries(
    [...times].flatMap(([name, byBatch]) =>
      name === 'float32 Gemm'
        ? []
        : Array.from(byBatch, ([batch, values]) => [
            `${name} over float32, batch ${batch}`,
            pairedRatios(plain.get(batch)!, values),
          ]),
    ),
  )
}
