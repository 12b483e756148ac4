import { createRng } from 'nextx'
import {
  autoCorrelationMixing,
  BidirectionalMamba,
  HeadMixer,
  initialize,
  type Mixing,
  parameters,
  softmaxMixing,
  sparseMixing,
} from 'nextx/nn'
import { type Device, openDevice } from 'nextx/platform'
import { compile, float32, gradients, mean, square, type Tensor } from 'nextx/tensor'
import { gate } from './lib/gate.ts'
import type { Bench, Findings, Metric } from './lib/result.ts'
import { summarise } from './lib/statistics.ts'
import { exponent, normals } from './series/synthetic.ts'

const width = 32
const heads = 4
const batch = 4

interface Layer {
  forward(x: Tensor): Tensor
}

const headed = (mixing: Mixing) => () => new HeadMixer(width, { heads, mixing })

/** What mixes slots, by the model that has it. */
const layers: Readonly<Record<string, () => Layer>> = {
  'full attention': headed(softmaxMixing()),
  'ProbSparse (Informer)': headed(sparseMixing({ factor: 5, seed: 1 })),
  'auto-correlation (Autoformer)': headed(autoCorrelationMixing({ factor: 3 })),
  'two Mambas (S-Mamba)': () => new BidirectionalMamba(width, { state: 2 }),
}

export const bench: Bench = {
  title: 'What mixing costs against the length: full attention, ProbSparse, auto-correlation, Mamba',
  cards: ['83', '85', '105'],
  async run({ quick }): Promise<Findings> {
    const lengths = quick ? [128, 256] : [256, 512, 1024, 2048]
    await using device = await openDevice({ threads: 1 })
    const seconds: Record<string, number[][]> = Object.fromEntries(Object.keys(layers).map((name) => [name, lengths.map(() => [])]))
    for (let round = 0; round < (quick ? 1 : 3); round++)
      for (const [i, length] of lengths.entries())
        for (const name of Object.keys(layers)) seconds[name]![i]!.push(await stepSeconds(device, layers[name]!, length))
    const medians = (name: string) => seconds[name]!.map((values) => summarise(values).median)
    const slope = (name: string) => exponent(lengths, medians(name))
    const full = slope('full attention')
    return {
      arms: Object.fromEntries(
        Object.keys(layers).map((name) => [
          name,
          Object.fromEntries(
            lengths.map((length, i): [string, Metric] => [
              `${length} slots`,
              { ...summarise(seconds[name]![i]!.map((value) => 1000 * value)), unit: 'ms' },
            ]),
          ),
        ]),
      ),
      ratios: Object.fromEntries(
        Object.keys(layers)
          .filter((name) => name !== 'full attention')
          .map((name) => [
            `${name} / full attention at ${lengths.at(-1)}`,
            summarise(seconds[name]!.at(-1)!.map((value, round) => value / seconds['full attention']!.at(-1)![round]!)),
          ]),
      ),
      gates: [
        gate('exponent of full attention', full, '≥ 1.6'),
        gate('exponent of ProbSparse', slope('ProbSparse (Informer)'), '≤ 1.3'),
        gate('exponent of auto-correlation', slope('auto-correlation (Autoformer)'), '≤ 1.3'),
        gate('exponent of two Mambas', slope('two Mambas (S-Mamba)'), '≤ 1.2'),
      ],
      notes: [
        `Forward and backward of one layer: ${batch} samples, width ${width}, ${heads} heads, one thread; arms in turn, three rounds, each the median of 5 runs`,
      ],
      seeds: [],
      versions: {},
    }
  },
}

async function stepSeconds(device: Device, make: () => Layer, length: number): Promise<number> {
  const layer = make()
  await initialize(layer, createRng(1))
  const trained = parameters(layer)
  const program = compile(
    { x: float32(batch, length, width) },
    ({ x }) => {
      const loss = mean(square(layer.forward(x)))
      const slopes = gradients(loss, trained)
      return Object.fromEntries(slopes.map((slope, i) => [`slope ${i}`, mean(slope)]))
    },
    { device },
  )
  const x = Float32Array.from(normals(batch * length * width, 1))
  await program.run({ x })
  const seconds: number[] = []
  for (let i = 0; i < 5; i++) {
    const started = performance.now()
    await program.run({ x })
    seconds.push((performance.now() - started) / 1000)
  }
  await program.dispose()
  return summarise(seconds).median
}
