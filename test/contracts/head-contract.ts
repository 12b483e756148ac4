import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRng, type Rng } from '../../src/base/rng.ts'
import { namedVariables, nameVariables, parameterCount, parameters } from '../../src/nn/index.ts'
import { type Device, openDevice } from '../../src/platform/index.ts'
import {
  add,
  assign,
  type CompileOptions,
  compile,
  float32,
  gradients,
  multiply,
  sum,
  type Tensor,
} from '../../src/tensor/index.ts'
import { chiSquare, chiSquareLimit, histogram } from '../null/rng-statistics.ts'
import { expectNear, noise } from '../null/tensor/finite-differences.ts'
import type { Support } from './head-supports.ts'

export type HeadCase =
  | 'logProb integrates to 1'
  | 'samples follow it'
  | 'samples follow what it was taught'
  | 'has parameters of its own'
  | 'learns'

/** Draws values for one hidden state. */
export type Draw = (hidden: Float32Array, draws: number, rng: Rng, options: CompileOptions) => Promise<number[][]>

export interface OpenedHead {
  readonly head: object
  /** The module that owns all its weights: the head itself, or what it is tied to. */
  readonly owner: object
  /** Hidden states `[row, width]` and values `[row, component]` → what learning raises, `[row]`: log p, or a loss's negative. */
  objective(hidden: Tensor, values: Tensor): Tensor
  /** Exact log p(values), `[row]`. */
  logProb?(hidden: Tensor, values: Tensor): Tensor
  /** Ways to sample, by name. */
  readonly samplers: Readonly<Record<string, Draw>>
  /** Trains it on a known distribution; what a hidden state's samples should then be like. */
  teach?(options: CompileOptions): Promise<readonly Lesson[]>
}

export interface Lesson {
  readonly hidden: Float32Array
  /** A value as the data have it. */
  value(rng: Rng, index: number): number[]
}

export interface HeadSubject {
  readonly name: string
  readonly width: number
  /** All that it can predict, as ids or as numbers. */
  readonly support: Support
  /** How many numbers its own weights have. */
  readonly parameters: number
  /** Deviation of the weights that it is tried with. */
  readonly spread: number
  /** Length of a step along the gradient that surely helps. */
  readonly rate: number
  open(): OpenedHead
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
    promise('samples follow what it was taught', samplesFollowLessons)
    promise('has parameters of its own', ownsParameters)
    promise('learns', learns)
  })
}

const hiddenRows = 3

/** A head whose weights are random enough to matter, with hidden states for it. */
async function opened({ open, width, spread }: HeadSubject) {
  const subject = open()
  nameVariables(subject.owner)
  for (const [name, variable] of namedVariables(subject.owner)) {
    await variable.write(Float32Array.from(noise(name, variable.concreteShape).data, (x) => x * spread))
  }
  return { ...subject, hidden: Float32Array.from(noise('hidden', [hiddenRows, width]).data) }
}

/** Probabilities of the support's points for every row of hidden states, `[row][point]`: exp(log p) times the volume that a point stands for. */
async function everyMass(
  subject: HeadSubject,
  { logProb, hidden }: OpenedHead & { hidden: Float32Array },
  options: CompileOptions,
) {
  const { width, support } = subject
  const specs = { hidden: float32('N', width), values: support.spec('N') }
  const program = compile(specs, (given) => ({ logProb: logProb!(given.hidden, given.values) }), options)
  const values = support.feed(support.points)
  const masses: Float64Array[] = []
  for (let row = 0; row < hiddenRows; row++) {
    const repeated = repeatedRow(hidden.subarray(row * width, (row + 1) * width), support.points.length)
    const result = await program.run({ hidden: repeated, values })
    masses.push(Float64Array.from(result.logProb.data as Float32Array, (x, i) => Math.exp(x) * support.volumes[i]!))
  }
  return masses
}

/** One hidden state, as many times as asked for. */
export function repeatedRow(row: Float32Array, count: number) {
  const data = Float32Array.from({ length: count * row.length }, (_, i) => row[i % row.length]!)
  return { dtype: 'float32', shape: [count, row.length], data } as const
}

async function integratesToOne(subject: HeadSubject, options: CompileOptions): Promise<void> {
  const masses = await everyMass(subject, await opened(subject), options)
  const totals = masses.map((row) => row.reduce((total, x) => total + x, 0))
  expectNear(totals, new Float64Array(hiddenRows).fill(1), '∫ p', subject.support.tolerance)
}

/** Every sampler against the probabilities that logProb gives. */
async function samplesFollow(subject: HeadSubject, options: CompileOptions): Promise<void> {
  const draws = 4000
  const { support, width, name } = subject
  const head = await opened(subject)
  const masses = await everyMass(subject, head, options)
  const rng = createRng(17).fold(name)
  for (const [row, mass] of masses.entries()) {
    const expected = new Array<number>(support.cells).fill(0)
    for (const [i, x] of mass.entries()) expected[support.cellOf(support.points[i]!)]! += x
    for (const [sampler, draw] of Object.entries(head.samplers)) {
      const hidden = head.hidden.slice(row * width, (row + 1) * width)
      const samples = await draw(hidden, draws, rng.fold(sampler).fold(row), options)
      expect(samples.length).toBe(draws)
      expectFollows(samples.map(support.cellOf), expected, `${sampler}, row ${row}`)
    }
  }
}

/** Cells are pooled from the rarest on until each expects five samples. */
function expectFollows(cells: readonly number[], probabilities: readonly number[], what: string): void {
  const counts = histogram(cells, probabilities.length)
  const pools: { observed: number; expected: number }[] = [{ observed: 0, expected: 0 }]
  for (const id of [...probabilities.keys()].sort((a, b) => probabilities[a]! - probabilities[b]!)) {
    if (pools.at(-1)!.expected >= 5) pools.push({ observed: 0, expected: 0 })
    pools.at(-1)!.observed += counts[id]!
    pools.at(-1)!.expected += probabilities[id]! * cells.length
  }
  const statistic = chiSquare(
    pools.map(({ observed }) => observed),
    pools.map(({ expected }) => expected),
  )
  expect(pools.length).toBeGreaterThan(3)
  expect(statistic, what).toBeLessThan(chiSquareLimit(pools.length - 1))
}

/** Most of what a trained head draws falls where the data do: the total variation between cells of both is small. */
async function samplesFollowLessons(subject: HeadSubject, options: CompileOptions): Promise<void> {
  const draws = 1000
  const { support, name } = subject
  const head = subject.open()
  const rng = createRng(23).fold(name)
  const cellsOf = (values: readonly number[][]) => histogram(values.map(support.cellOf), support.cells)
  for (const [row, { hidden, value }] of (await head.teach!(options)).entries()) {
    const data = cellsOf(Array.from({ length: draws }, (_, i) => value(rng.fold('data').fold(row), i)))
    for (const [sampler, draw] of Object.entries(head.samplers)) {
      const samples = cellsOf(await draw(hidden, draws, rng.fold(sampler).fold(row), options))
      const variation = samples.reduce((total, count, cell) => total + Math.abs(count - data[cell]!), 0) / (2 * draws)
      expect(variation, `${sampler}, row ${row}`).toBeLessThan(0.2)
    }
  }
}

/** What the head adds to a model besides what it is tied to. */
async function ownsParameters({ open, parameters: expected }: HeadSubject): Promise<void> {
  const { head, owner } = open()
  const own = parameters(head)
  expect(parameterCount(head)).toBe(expected)
  expect(parameters({ head, owner })).toEqual(own)
}

/** A step along the gradient makes the targets likelier. */
async function learns(subject: HeadSubject, options: CompileOptions): Promise<void> {
  const { owner, hidden, objective } = await opened(subject)
  const { support, rate, width } = subject
  const trained = parameters(owner)
  const program = compile(
    { hidden: float32(hiddenRows, width), values: support.spec(hiddenRows) },
    (given) => {
      const total = sum(objective(given.hidden, given.values))
      return {
        total,
        updates: gradients(total, trained).map((gradient, i) => assign(trained[i]!, add(trained[i]!, multiply(gradient, rate)))),
      }
    },
    options,
  )
  const values = support.feed(Array.from({ length: hiddenRows }, (_, row) => support.sample(row)))
  const totals: number[] = []
  for (let step = 0; step < 4; step++) totals.push(Number((await program.run({ hidden, values })).total.data[0]))
  expect(trained.length).toBeGreaterThan(0)
  for (let step = 1; step < totals.length; step++) expect(totals[step]).toBeGreaterThan(totals[step - 1]!)
}
