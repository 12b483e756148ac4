import { createRng, generateText, loadModel } from 'nextx'
import type { Constraint } from 'nextx/decode'
import { type GrammarCompiler, type GrammarSpec, openGrammarCompiler } from 'nextx/grammars'
import { openDevice } from 'nextx/platform'
import { gate } from './lib/gate.ts'
import { benchGguf } from './lib/gguf-files.ts'
import type { Bench, Findings, Metric } from './lib/result.ts'
import { pairedRatios, summarise } from './lib/statistics.ts'

const person = {
  type: 'object',
  properties: {
    name: { type: 'string', maxLength: 40 },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    email: { type: 'string', format: 'email' },
    kind: { enum: ['cat', 'dog', 'bird'] },
    friends: { type: 'array', items: { $ref: '#' }, maxItems: 5 },
    weight: { type: ['number', 'null'] },
  },
  required: ['name', 'age', 'kind'],
  additionalProperties: false,
}

const specs: Readonly<Record<string, GrammarSpec>> = {
  'any JSON': { kind: 'json' },
  'a schema': { kind: 'json-schema', schema: person },
  'an expression': { kind: 'regex', pattern: '[A-Z][a-z]+( [a-z]+){3,12}\\. \\d{4}-\\d{2}-\\d{2}' },
}

/** Texts that go on for as many tokens as are asked for, so that steps with and without a constraint are alike. */
const strings = { type: 'array', items: { type: 'string' }, minItems: 200 }

export const bench: Bench = {
  title: 'Constrained output: what grammars cost per token, over 32,000 tokens',
  cards: ['server'],
  async run({ quick }): Promise<Findings> {
    const [rounds, tokens] = quick ? [3, 60] : [9, 200]
    await using device = await openDevice({ threads: 1 })
    await using model = await loadModel(await benchGguf('15M', 'f32'), { device })
    const { tokenizer, stepper } = model
    // One is kept, so that each is compiled anew when its turn comes again.
    await using here = await openGrammarCompiler({ tokenizer, worker: false, kept: 1 })
    await using there = await openGrammarCompiler({ tokenizer })
    const compile: Record<string, number[]> = {}
    const masks: Record<string, number[]> = {}
    const trips: Record<string, number[]> = {}
    for (let round = 0; round < rounds; round++) {
      for (const [name, spec] of Object.entries(specs)) {
        const started = performance.now()
        const constraint = await here.compile(spec)
        push(compile, name, performance.now() - started)
        push(masks, name, 1000 * (await millisecondsPerToken(constraint, tokenizer.vocabularySize, tokens, round)))
        push(trips, name, 1000 * (await millisecondsPerToken(await there.compile(spec), tokenizer.vocabularySize, tokens, round)))
      }
    }
    const [free, bound] = await steps({ grammars: there, stepper, tokenizer }, rounds, Math.min(100, tokens))
    const unit = (values: Readonly<Record<string, number[]>>, name: string): Record<string, Metric> =>
      Object.fromEntries(Object.entries(values).map(([key, list]) => [key, { ...summarise(list), unit: name }]))
    const ratio = pairedRatios(bound, free)
    return {
      arms: {
        'mask and choice, in the thread that asks': unit(masks, 'µs'),
        'mask and choice, through the worker': unit(trips, 'µs'),
        'compiling, as first seen': unit(compile, 'ms'),
        'a step of the 15M model': unit({ 'without a constraint': free, 'under a schema of strings': bound }, 'ms'),
      },
      ratios: { 'step under a schema / without': ratio },
      gates: [
        gate('step under a schema / without', ratio.median, '≤ 1.1'),
        ...Object.entries(masks).map(([name, list]) => gate(`${name}: µs per token`, summarise(list).median, '≤ 1000')),
        ...Object.entries(compile).map(([name, list]) => gate(`${name}: ms to compile`, summarise(list).median, '≤ 1000')),
      ],
      notes: [
        `A made-up SentencePiece vocabulary of 32,000 tokens; ${tokens} tokens a round, drawn evenly from those allowed; ${rounds} rounds, arms in turn`,
        'Steps: one row, one thread of ONNX Runtime, f32, the mask found in the worker meanwhile',
      ],
      seeds: [0],
      versions: { xgrammar: '0.1.27' },
    }
  },
}

function push(lists: Record<string, number[]>, name: string, value: number): void {
  lists[name] ??= []
  lists[name].push(value)
}

/** Of asking for the mask and telling the choice. */
async function millisecondsPerToken(constraint: Constraint, vocabularySize: number, count: number, seed: number): Promise<number> {
  const rng = createRng(seed)
  let state = await constraint.open()
  let spent = 0
  for (let i = 0; i < count; i++) {
    const asked = performance.now()
    const words = await state.allowed()
    spent += performance.now() - asked
    const allowed: number[] = []
    for (let id = 0; id < vocabularySize; id++) if ((words![id >> 5]! >>> (id & 31)) & 1) allowed.push(id)
    const told = performance.now()
    await state.advance(allowed[Math.floor(rng.uniformAt(i) * allowed.length)]!)
    spent += performance.now() - told
    if (!state.finished) continue
    await state.close()
    state = await constraint.open()
  }
  await state.close()
  return spent / count
}

interface Parts extends Pick<Awaited<ReturnType<typeof loadModel>>, 'stepper' | 'tokenizer'> {
  readonly grammars: GrammarCompiler
}

/** Milliseconds per token behind the first, without and with a constraint, in turn. */
async function steps({ grammars, stepper, tokenizer }: Parts, rounds: number, maxTokens: number): Promise<[number[], number[]]> {
  const constraint = await grammars.compile({ kind: 'json-schema', schema: strings })
  const time = async (seed: number, bound: boolean): Promise<number> => {
    let first = 0
    let count = 0
    const options = { maxTokens, seed, stopTokens: [], ...(bound && { constraint }) }
    for await (const piece of generateText(stepper, tokenizer, 'Once upon a time', options)) {
      if (count === 0) first = performance.now()
      count += piece.tokens.length
    }
    return (performance.now() - first) / (count - 1)
  }
  const lists: [number[], number[]] = [[], []]
  await time(0, false)
  for (let round = 0; round < rounds; round++) {
    lists[0].push(await time(round, false))
    lists[1].push(await time(round, true))
  }
  return lists
}
