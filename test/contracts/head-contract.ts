import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRng } from '../../src/base/rng.ts'
import { sampleToken } from '../../src/decode/index.ts'
import { type CategoricalHead, categoricalLogProb } from '../../src/heads/index.ts'
import { namedVariables, nameVariables, parameters } from '../../src/nn/index.ts'
import { type Device, openDevice } from '../../src/platform/index.ts'
import {
  add,
  assign,
  type CompileOptions,
  compile,
  float32,
  gradients,
  int32,
  multiply,
  sampleCategorical,
  sum,
  type Tensor,
} from '../../src/tensor/index.ts'
import { chiSquare, chiSquareLimit, histogram } from '../null/rng-statistics.ts'
import { expectNear, noise } from '../null/tensor/finite-differences.ts'

export type HeadCase = 'logProb integrates to 1' | 'samples follow it' | 'has parameters of its own' | 'learns'

export interface HeadSubject {
  readonly name: string
  readonly width: number
  readonly vocabularySize: number
  /** The head, and the module that owns all its weights (the head itself, or what it is tied to). */
  open(): { readonly head: CategoricalHead; readonly owner: object }
  /** Cases that the head cannot pass, with the reason. */
  readonly skip?: Partial<Record<HeadCase, string>>
}

/** One line per subject and one per skip, so that a log shows what was and what was not tested. */
export function printSubjects(subjects: readonly HeadSubject[]): void {
  const skips = subjects.flatMap(({ name, skip = {} }) =>
    Object.entries(skip).map(([title, reason]) => `  skip: ${name}: ${title}: ${reason}`),
  )
  console.info([`head contract: ${subjects.map(({ name }) => name).join('; ')}`, ...skips].join('\n'))
}

/** What every head promises. */
export function runHeadContract(subject: HeadSubject): void {
  const { name, skip = {} } = subject
  let device: Device
  beforeAll(async () => {
    device = await openDevice({ worker: false, threads: 1 })
  })
  afterAll(() => device[Symbol.asyncDispose]())
  const promise = (title: HeadCase, body: (subject: HeadSubject, options: CompileOptions) => Promise<void>) => {
    const reason = skip[title]
    if (reason !== undefined) it.skip(`${title} (skipped: ${reason})`, () => undefined)
    else it(title, () => body(subject, { device }))
  }
  describe(name, () => {
    promise('logProb integrates to 1', integratesToOne)
    promise('samples follow it', samplesFollow)
    promise('has parameters of its own', ownsParameters)
    promise('learns', learns)
  })
}

const hiddenRows = 4

/** A head whose weights are random enough to matter, with hidden states for it. */
async function opened({ open, width }: HeadSubject) {
  const { head, owner } = open()
  nameVariables(owner)
  for (const [name, variable] of namedVariables(owner)) {
    await variable.write(Float32Array.from(noise(name, variable.concreteShape).data, (x) => x / 2))
  }
  return { head, owner, hidden: Float32Array.from(noise('hidden', [hiddenRows, width]).data) }
}

/** log p of every class for every row of hidden states, `[row][class]`, by asking for one class after another. */
async function everyLogProb(subject: HeadSubject, head: CategoricalHead, hidden: Float32Array, options: CompileOptions) {
  const specs = { hidden: float32(hiddenRows, subject.width), target: int32(hiddenRows) }
  const program = compile(specs, ({ hidden, target }) => ({ logProb: categoricalLogProb(head.logits(hidden), target) }), options)
  const classes: number[][] = []
  for (let id = 0; id < subject.vocabularySize; id++) {
    const { logProb } = await program.run({ hidden, target: new Int32Array(hiddenRows).fill(id) })
    classes.push([...(logProb.data as Float32Array)])
  }
  return Array.from({ length: hiddenRows }, (_, row) => classes.map((of) => of[row]!))
}

async function integratesToOne(subject: HeadSubject, options: CompileOptions): Promise<void> {
  const { head, hidden } = await opened(subject)
  const totals = (await everyLogProb(subject, head, hidden, options)).map((row) => row.reduce((total, x) => total + Math.exp(x), 0))
  expectNear(totals, new Float64Array(hiddenRows).fill(1), 'Σ p', 1e-6)
}

/** Samplers of the decoder and of programs, against the probabilities that logProb gives. */
async function samplesFollow(subject: HeadSubject, options: CompileOptions): Promise<void> {
  const draws = 4000
  const { vocabularySize, width } = subject
  const { head, hidden } = await opened(subject)
  const probabilities = (await everyLogProb(subject, head, hidden, options)).map((row) => row.map(Math.exp))
  const program = compile(
    { hidden: float32(hiddenRows, width), one: float32(1, width), uniform: float32('N', vocabularySize) },
    ({ hidden, one, uniform }) => ({
      logits: head.logits(hidden),
      samples: sampleCategorical(alike(head.logits(one), uniform), uniform),
    }),
    options,
  )
  const rng = createRng(17).fold(subject.name)
  const uniform = {
    dtype: 'float32',
    shape: [draws, vocabularySize],
    data: rng.fillUniform(new Float32Array(draws * vocabularySize)),
  } as const
  for (const [row, expected] of probabilities.entries()) {
    const one = hidden.subarray(row * width, (row + 1) * width)
    const { logits, samples } = await program.run({ hidden, one, uniform })
    const own = (logits.data as Float32Array).subarray(row * vocabularySize, (row + 1) * vocabularySize)
    const decoded = Array.from({ length: draws }, (_, i) => sampleToken(own, rng.fold('token').uniformAt(row * draws + i)))
    expectFollows(decoded, expected, `sampleToken, row ${row}`)
    expectFollows(Array.from(samples.data, Number), expected, `sampleCategorical, row ${row}`)
  }
}

/** One row, once per row of another tensor. */
function alike(row: Tensor, rows: Tensor): Tensor {
  return add(row, multiply(rows, 0))
}

/** Classes are pooled from the rarest on until each expects five samples. */
function expectFollows(samples: readonly number[], probabilities: readonly number[], what: string): void {
  const counts = histogram(samples, probabilities.length)
  const pools: { observed: number; expected: number }[] = [{ observed: 0, expected: 0 }]
  for (const id of [...probabilities.keys()].sort((a, b) => probabilities[a]! - probabilities[b]!)) {
    if (pools.at(-1)!.expected >= 5) pools.push({ observed: 0, expected: 0 })
    pools.at(-1)!.observed += counts[id]!
    pools.at(-1)!.expected += probabilities[id]! * samples.length
  }
  const statistic = chiSquare(
    pools.map(({ observed }) => observed),
    pools.map(({ expected }) => expected),
  )
  expect(pools.length).toBeGreaterThan(3)
  expect(statistic, what).toBeLessThan(chiSquareLimit(pools.length - 1))
}

/** What the head adds to a model besides what it is tied to. */
async function ownsParameters({ open, width, vocabularySize }: HeadSubject): Promise<void> {
  const { head, owner } = open()
  const own = parameters(head)
  expect(own.map(({ shape }) => shape)).toEqual([[vocabularySize, width]])
  expect(parameters({ head, owner })).toEqual(own)
}

/** A step along the gradient makes the targets likelier. */
async function learns(subject: HeadSubject, options: CompileOptions): Promise<void> {
  const { head, owner, hidden } = await opened(subject)
  const trained = parameters(owner)
  const specs = { hidden: float32(hiddenRows, subject.width), target: int32(hiddenRows) }
  const program = compile(
    specs,
    (given) => {
      const total = sum(categoricalLogProb(head.logits(given.hidden), given.target))
      return {
        total,
        updates: gradients(total, trained).map((gradient, i) => assign(trained[i]!, add(trained[i]!, multiply(gradient, 0.05)))),
      }
    },
    options,
  )
  const target = Int32Array.from({ length: hiddenRows }, (_, row) => (row * 2) % subject.vocabularySize)
  const totals: number[] = []
  for (let step = 0; step < 4; step++) totals.push(Number((await program.run({ hidden, target })).total.data[0]))
  expect(trained.length).toBeGreaterThan(0)
  for (let step = 1; step < totals.length; step++) expect(totals[step]).toBeGreaterThan(totals[step - 1]!)
}
