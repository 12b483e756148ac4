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

/** One seed: the gates are absolute, and a run takes minutes. */
const seed = 1

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
    const steps = quick ? { gpt: 100, llama: 100 } : { gpt: 2000, llama: 1000 }
    const documents = { format: 'text', files: dataFile('text/tinyshakespeare/input.txt') } as const
    const data = await readTextData({ documents, tokenizer: 'characters', seed })
    const nGram = scoreNGram(data)
    const outcomes = new Map<string, Outcome>()
    for (const [id, count] of Object.entries(steps))
      outcomes.set(`${id}, preset tiny, ${count} steps`, await train(id, data, count, seed))
    return findings(nGram, outcomes)
  },
}

function scoreNGram({ train, validation, tokenizer }: TextData): Outcome {
  const start = performance.now()
  const model = new NGram(6, tokenizer.vocabularySize)
  model.fit(train)
  return { loss: model.score(validation), seconds: (performance.now() - start) / 1000, sample: '' }
}

function findings(nGram: Outcome, outcomes: ReadonlyMap<string, Outcome>): Findings {
  const metric = (value: number, unit: string): Metric => ({ ...summarise([value]), unit })
  const arm = ({ loss, seconds }: Outcome) => ({ 'validation loss': metric(loss, 'nats/character'), time: metric(seconds, 's') })
  const setting = `windows of 128 characters, 16 a step, AdamW, cosine from ${settings.learningRate}`
  const samples = [...outcomes].map(([name, { sample }]) => `${name}, at temperature 0.8: ${JSON.stringify(sample)}`)
  return {
    arms: {
      'n-gram of order 6 (Witten–Bell)': arm(nGram),
      ...Object.fromEntries([...outcomes].map(([name, each]) => [name, arm(each)])),
    },
    ratios: {},
    gates: [...outcomes].flatMap(([name, outcome]) => gatesOf(name, outcome)),
    notes: [`${setting}; the loss is the mean over side-by-side held-out windows after the last step; one seed`, ...samples],
    seeds: [seed],
    versions: { 'onnxruntime-node': '1.30.0' },
  }
}

function gatesOf(name: string, { loss, seconds }: Outcome): Gate[] {
  const hard = name.startsWith('gpt')
  return [
    { name: `${name}: held-out loss`, want: '≤ 1.68 nats/character', got: loss.toFixed(4), pass: loss <= 1.68, hard },
    {
      name: `${name}: training time on 2 cores`,
      want: '≤ 600 s',
      got: `${seconds.toFixed(0)} s`,
      pass: seconds <= 600,
      hard: false,
    },
  ]
}
