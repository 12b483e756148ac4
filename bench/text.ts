import { createModel, loadSystem, openDevice } from 'nextx'
import { generateText } from 'nextx/decode'
import { readTextData, type TextData, textTask } from 'nextx/systems'
import { adamw, cosine, fit } from 'nextx/train'
import { dataFile } from './lib/data.ts'
import type { Bench, Findings, Gate, Metric } from './lib/result.ts'
import { summarise } from './lib/statistics.ts'
import { NGram } from './text/n-gram.ts'

interface Outcome {
  /** Nats per character of the held-out text. */
  readonly loss: number
  readonly seconds: number
  readonly sample: string
}

const settings = { batch: 16, learningRate: 3e-3, warmup: 80, weightDecay: 0.1, clip: 1 }

async function train(id: string, data: TextData, steps: number, seed: number): Promise<Outcome> {
  const device = await openDevice({ threads: 2 })
  const system = await loadSystem(id)
  const options = { ...(system.presets.tiny as object), vocabularySize: data.tokenizer.vocabularySize }
  const model = await createModel({ system, options, tokenizer: data.tokenizer, device, seed })
  const start = performance.now()
  const { learningRate, warmup, weightDecay, clip, batch } = settings
  let loss = Number.NaN
  await fit(textTask(model, { train: data.train, validation: data.validation, batch, seed }), {
    device,
    steps,
    learningRate: cosine({ peak: learningRate, warmup, steps }),
    optimizer: adamw({ betas: [0.9, 0.99], weightDecay }),
    clip,
    validateEvery: Math.ceil(steps / 4),
    onEvent: (event) => {
      if (event.kind !== 'validation') return
      loss = event.loss
      console.log(`${id}, seed ${seed}, step ${event.step}: ${loss.toFixed(4)} nats/char`)
    },
  })
  const seconds = (performance.now() - start) / 1000
  let sample = ''
  for await (const { text } of generateText(model.stepper, model.tokenizer, '\n', { temperature: 0.8, seed, maxTokens: 110 }))
    sample += text
  await device[Symbol.asyncDispose]()
  return { loss, seconds, sample }
}

export const bench: Bench = {
  title: 'Character models of tinyshakespeare from scratch, the last 10 % held out',
  cards: ['gpt', 'llama'],
  async run({ quick }): Promise<Findings> {
    const [steps, seeds] = quick ? [100, [1]] : [2000, [1]]
    const documents = { format: 'text', files: dataFile('text/tinyshakespeare/input.txt') } as const
    const data = await readTextData({ documents, tokenizer: 'characters', seed: 1 })
    const nGram = scoreNGram(data)
    const outcomes = new Map<string, Outcome[]>([
      ['gpt', []],
      ['llama', []],
    ])
    for (const seed of seeds) outcomes.get('gpt')!.push(await train('gpt', data, steps, seed))
    outcomes.get('llama')!.push(await train('llama', data, steps, seeds[0]!))
    return findings(nGram, outcomes, seeds, steps)
  },
}

function scoreNGram({ train, validation, tokenizer }: TextData): Outcome {
  const start = performance.now()
  const model = new NGram(6, tokenizer.vocabularySize)
  model.fit(train)
  return { loss: model.score(validation), seconds: (performance.now() - start) / 1000, sample: '' }
}

function findings(
  nGram: Outcome,
  outcomes: ReadonlyMap<string, readonly Outcome[]>,
  seeds: readonly number[],
  steps: number,
): Findings {
  const metric = (values: readonly number[], unit: string): Metric => ({ ...summarise(values), unit })
  const arm = (list: readonly Outcome[]) => ({
    'validation loss': metric(
      list.map(({ loss }) => loss),
      'nats/character',
    ),
    time: metric(
      list.map(({ seconds }) => seconds),
      's',
    ),
  })
  const gates = [...outcomes].flatMap(([id, list]) => gatesOf(id, list))
  const samples = [...outcomes].map(([id, [first]]) => `${id} at temperature 0.8: ${JSON.stringify(first!.sample)}`)
  return {
    arms: {
      'n-gram of order 6': arm([nGram]),
      ...Object.fromEntries([...outcomes].map(([id, list]) => [`${id}, preset tiny`, arm(list)])),
    },
    ratios: {},
    gates,
    notes: [
      `${steps} steps of 16 windows of 128 characters, AdamW, cosine from ${settings.learningRate}; the loss is the mean over side-by-side held-out windows after the last step`,
      ...samples,
    ],
    seeds,
    versions: { 'onnxruntime-node': '1.30.0' },
  }
}

function gatesOf(id: string, list: readonly Outcome[]): Gate[] {
  const loss = summarise(list.map((outcome) => outcome.loss))
  const time = summarise(list.map(({ seconds }) => seconds))
  const hard = id === 'gpt'
  return [
    {
      name: `${id}: held-out loss`,
      want: '≤ 1.68 nats/character',
      got: `${loss.median.toFixed(4)} (${loss.min.toFixed(4)}…${loss.max.toFixed(4)})`,
      pass: loss.max <= 1.68,
      hard,
    },
    {
      name: `${id}: training time on 2 cores`,
      want: '≤ 600 s',
      got: `${time.median.toFixed(0)} s (${time.min.toFixed(0)}…${time.max.toFixed(0)})`,
      pass: time.median <= 600,
      hard: false,
    },
  ]
}
