import { createRng, type Rng } from '../../src/base/rng.ts'
import { evenTimes, respace, type SolveOptions, sampleToken, solve } from '../../src/decode/index.ts'
import {
  type AffineHeadOptions,
  affineHead,
  affineInverse,
  affineLogProb,
  type CategoricalHead,
  categoricalLogProb,
  type DiffusionHeadOptions,
  diffusionHead,
  type FlowHeadOptions,
  flowHead,
  type MixtureHeadOptions,
  mixtureHead,
  multiCategoricalHead,
} from '../../src/heads/index.ts'
import { initialize, parameters } from '../../src/nn/index.ts'
import {
  type CompileOptions,
  cast,
  compile,
  constant,
  expand,
  float32,
  gradients,
  mean,
  negate,
  reshape,
  sampleCategorical,
  squeeze,
  type Tensor,
  unsqueeze,
} from '../../src/tensor/index.ts'
import { adamw } from '../../src/train/index.ts'
import { noise } from '../null/tensor/finite-differences.ts'
import { type Draw, type HeadSubject, type Lesson, repeatedRow } from './head-contract.ts'
import { idSupport, levelSupport, realSupport } from './head-supports.ts'

type Subject = Omit<HeadSubject, 'parameters' | 'spread' | 'rate' | 'support' | 'open'> & Partial<HeadSubject>
type NoiseWidths = Readonly<Record<string, readonly [kind: 'uniform' | 'normal', width: number]>>

const notTaught = { 'samples follow what it was taught': 'they follow its exact likelihood' }

/** A sampler that is a traced function of hidden states and random numbers, `[draw, width]` each. */
function traced(widths: NoiseWidths, build: (hidden: Tensor, noise: Readonly<Record<string, Tensor>>) => Tensor): Draw {
  return async (hidden, draws, rng, options) => {
    const specs = Object.entries(widths).map(([name, [, width]]) => [name, float32('N', width)] as const)
    const program = compile(
      { hidden: float32('N', hidden.length), ...Object.fromEntries(specs) },
      ({ hidden, ...random }) => ({ samples: build(hidden!, random) }),
      options,
    )
    const feeds = Object.entries(widths).map(
      ([name, [kind, width]]) => [name, random(rng.fold(name), kind, [draws, width])] as const,
    )
    const { samples } = await program.run({ hidden: repeatedRow(hidden, draws), ...Object.fromEntries(feeds) })
    return rowsOf(Array.from(samples.data, Number), draws)
  }
}

function random(rng: Rng, kind: 'uniform' | 'normal', shape: readonly number[]) {
  const data = new Float32Array(shape.reduce((product, size) => product * size, 1))
  return { dtype: 'float32', shape, data: kind === 'normal' ? rng.fillNormal(data) : rng.fillUniform(data) } as const
}

function rowsOf(values: readonly number[], rows: number): number[][] {
  const width = values.length / rows
  return Array.from({ length: rows }, (_, row) => values.slice(row * width, (row + 1) * width))
}

interface Categorical {
  readonly head: CategoricalHead
  readonly owner: object
}

/** Samplers of the decoder and of programs, for one id at a time. */
export function categoricalSubject(vocabularySize: number, subject: Subject, make: () => Categorical): HeadSubject {
  const decoder =
    (head: CategoricalHead): Draw =>
    async (hidden, draws, rng, options) => {
      const program = compile({ hidden: float32(1, hidden.length) }, ({ hidden }) => ({ logits: head.logits(hidden) }), options)
      const { logits } = await program.run({ hidden })
      return Array.from({ length: draws }, (_, i) => [sampleToken(logits.data as Float32Array, rng.uniformAt(i))])
    }
  return {
    parameters: vocabularySize * subject.width,
    spread: 0.5,
    rate: 0.05,
    support: idSupport([vocabularySize]),
    ...subject,
    skip: { ...notTaught, ...subject.skip },
    open() {
      const { head, owner } = make()
      const logProb = (hidden: Tensor, ids: Tensor) => categoricalLogProb(head.logits(hidden), squeeze(ids, -1))
      const program = traced({ uniform: ['uniform', vocabularySize] }, (hidden, { uniform }) =>
        unsqueeze(sampleCategorical(head.logits(hidden), uniform!), -1),
      )
      return { head, owner, logProb, objective: logProb, samplers: { sampleToken: decoder(head), sampleCategorical: program } }
    },
  }
}

export function multiCategoricalSubject(vocabularies: readonly number[], subject: Subject): HeadSubject {
  const total = vocabularies.reduce((sum, size) => sum + size, 0)
  return {
    parameters: total * subject.width,
    spread: 0.5,
    rate: 0.05,
    support: idSupport(vocabularies),
    ...subject,
    skip: notTaught,
    open() {
      const head = multiCategoricalHead(subject.width, vocabularies)
      const logProb = (hidden: Tensor, ids: Tensor) => head.logProb(hidden, ids)
      const sample = traced({ uniform: ['uniform', total] }, (hidden, { uniform }) => head.sample(head.logits(hidden), uniform!))
      return { head, owner: head, logProb, objective: logProb, samplers: { sample } }
    },
  }
}

export function mixtureSubject(dimension: number, options: MixtureHeadOptions, subject: Subject): HeadSubject {
  const { components, kind, levels = 0 } = options
  return {
    parameters: (subject.width + 1) * components * (1 + 2 * dimension),
    spread: 0.3,
    rate: 0.01,
    support: kind === 'discretised-logistic' ? levelSupport(levels, dimension) : realGrid(dimension),
    ...subject,
    skip: notTaught,
    open() {
      const head = mixtureHead(subject.width, dimension, options)
      const logProb = (hidden: Tensor, values: Tensor) => head.logProb(hidden, values)
      const widths: NoiseWidths = {
        component: ['uniform', components],
        value: [kind === 'gaussian' ? 'normal' : 'uniform', dimension],
      }
      const sample = traced(widths, (hidden, { component, value }) => head.sample(hidden, { component: component!, value: value! }))
      return { head, owner: head, logProb, objective: logProb, samplers: { sample } }
    },
  }
}

export function affineSubject(dimension: number, options: AffineHeadOptions, subject: Subject): HeadSubject {
  return {
    parameters: (subject.width + 1) * 2 * dimension,
    spread: 0.3,
    rate: 0.01,
    support: realGrid(dimension),
    ...subject,
    skip: notTaught,
    open() {
      const head = affineHead(subject.width, dimension, options)
      const logProb = (hidden: Tensor, values: Tensor) => affineLogProb(values, head.parameters(hidden))
      const sample = traced({ z: ['normal', dimension] }, (hidden, { z }) => affineInverse(z!, head.parameters(hidden)))
      return { head, owner: head, logProb, objective: logProb, samplers: { sample } }
    },
  }
}

function realGrid(dimension: number) {
  return dimension === 1 ? realSupport(1, { steps: 2000, perCell: 20 }) : realSupport(dimension, { steps: 160, perCell: 5 })
}

/** A head that iterates a field, over `slots` slots side by side. */
interface FieldUnderTest {
  readonly head: object
  readonly slots: number
  field(values: Tensor, time: Tensor, hidden: Tensor): Tensor
  /** One loss for each row. */
  loss(hidden: Tensor, values: Tensor, noise: Tensor, time: Tensor): Tensor
  /** Random times for training. */
  times(rng: Rng, count: number): Float32Array
  /** Ways to solve it: times, and options. */
  readonly solvers: Readonly<Record<string, (rng: Rng, size: number) => readonly [readonly number[], SolveOptions]>>
}

const dimension = 1
const noLikelihood = 'it has no exact likelihood'

export function diffusionSubject(options: DiffusionHeadOptions, subject: Subject): HeadSubject {
  return fieldSubject(subject, () => {
    const head = diffusionHead(subject.width, dimension, options)
    const { alphas } = head
    return {
      head,
      slots: 1,
      field: (values, time, hidden) => head.field(values, time, hidden),
      loss: (hidden, values, noise, time) => mean(head.loss(hidden, values, { noise, timestep: cast(time, 'int32') }), -1),
      times: (rng, count) => Float32Array.from({ length: count }, (_, i) => rng.integerAt(i, alphas.length)),
      solvers: {
        'ddpm in 50 steps': (rng, size) => {
          const spaced = respace(alphas, 50)
          const noise = (step: number) => rng.fold(step).fillNormal(new Float32Array(size))
          const clip = options.predicts === 'v' ? {} : { clip: 3 }
          return [spaced.times, { method: 'ddpm', alphas: spaced.alphas, noise, ...clip }]
        },
      },
    }
  })
}

export function flowSubject(options: FlowHeadOptions, slots: number, subject: Subject): HeadSubject {
  return fieldSubject(subject, () => {
    const head = flowHead(subject.width, dimension, options)
    return {
      head,
      slots,
      field: (values, time, hidden) => head.field(values, time, hidden),
      loss: (hidden, values, noise, time) => mean(head.loss(hidden, values, { noise, time }), -1),
      times: (rng, count) => rng.fillUniform(new Float32Array(count)),
      solvers: {
        'ab2 in 20 steps': () => [evenTimes(20, 1, 0), { method: 'ab2' }],
        // The same for any field, so that the cheap one is enough.
        ...(slots === 1 && {
          'euler in 40 steps': () => [evenTimes(40, 1, 0), { method: 'euler' }] as const,
          'heun in 20 steps': () => [evenTimes(20, 1, 0), { method: 'heun' }] as const,
        }),
      },
    }
  })
}

function fieldSubject(subject: Subject, make: () => FieldUnderTest): HeadSubject {
  const { slots } = make()
  return {
    parameters: 0,
    spread: 0.1,
    rate: 0.001,
    support: realSupport(slots, { steps: 60, perCell: 2 }),
    ...subject,
    skip: { 'logProb integrates to 1': noLikelihood, 'samples follow it': noLikelihood },
    open() {
      const under = make()
      const samplers = Object.keys(under.solvers).map((name) => [name, solved(under, name)] as const)
      const objective = (hidden: Tensor, values: Tensor) => {
        const rows = hidden.shape[0] as number
        const fixed = (label: string, shape: readonly number[]) => constant(Float32Array.from(noise(label, shape).data), shape)
        const times = constant(under.times(createRng(3), rows), [rows, 1])
        return negate(under.loss(perSlot(hidden, slots), perVector(values, slots), fixed('noise', [rows, slots, 1]), times))
      }
      return {
        head: under.head,
        owner: under.head,
        objective,
        samplers: Object.fromEntries(samplers),
        teach: (options) => taught(under, subject.width, options),
      }
    },
  }
}

/** `[row, width]` → `[row, slot, width]`, the same for every slot. */
function perSlot(hidden: Tensor, slots: number): Tensor {
  return expand(unsqueeze(hidden, 1), [hidden.shape[0]!, slots, hidden.shape[1]!])
}

/** `[row, slot]` → `[row, slot, 1]`. */
function perVector(values: Tensor, slots: number): Tensor {
  return reshape(values, [values.shape[0]!, slots, 1])
}

function solved({ field, slots, solvers }: FieldUnderTest, name: string): Draw {
  return async (hidden, draws, rng, options) => {
    const program = compile(
      { hidden: float32(draws, hidden.length), values: float32(draws, slots), time: float32(1, 1) },
      ({ hidden, values, time }) => ({ predicted: field(perVector(values, slots), time, perSlot(hidden, slots)) }),
      options,
    )
    const rows = repeatedRow(hidden, draws)
    const [times, how] = solvers[name]!(rng, draws * slots)
    const start = rng.fold('start').fillNormal(new Float32Array(draws * slots))
    const call = async (values: Float32Array, time: number) => {
      const { predicted } = await program.run({ hidden: rows, values, time: Float32Array.of(time) })
      return predicted.data as Float32Array
    }
    return rowsOf([...(await solve(call, start, times, how)).values], draws)
  }
}

/** Two peaks, whose places and weights depend on the hidden state; all slots of a row are at the same one. */
function lessons(width: number, slots: number): Lesson[] {
  return [0, 1].map((row) => ({
    hidden: Float32Array.from({ length: width }, (_, i) => (i % 2 === row ? 1 : -0.5)),
    value(rng, index) {
      const own = rng.fold(index)
      const peak = own.uniformAt(0) < [0.75, 0.4][row]! ? -1 : [0.8, 1.4][row]!
      return Array.from({ length: slots }, (_, slot) => peak + 0.2 * own.normalAt(2 + slot))
    },
  }))
}

/** A few hundred AdamW steps on fresh values. */
async function taught(
  { head, slots, loss, times }: FieldUnderTest,
  width: number,
  options: CompileOptions,
): Promise<readonly Lesson[]> {
  const [batch, steps] = [128, 400]
  await initialize(head, createRng(11))
  const trained = parameters(head)
  const optimizer = adamw()(trained)
  for (const variable of optimizer.state) await variable.write(new Float32Array(variable.concreteShape.reduce((a, b) => a * b, 1)))
  const specs = {
    hidden: float32(batch, width),
    values: float32(batch, slots),
    noise: float32(batch, slots),
    time: float32(batch, 1),
  }
  const program = compile(
    { ...specs, rate: float32() },
    (given) => {
      const total = mean(
        loss(perSlot(given.hidden, slots), perVector(given.values, slots), perVector(given.noise, slots), given.time),
      )
      return { total, updates: optimizer.update(gradients(total, trained), given.rate) }
    },
    options,
  )
  const taught = lessons(width, slots)
  for (let step = 0; step < steps; step++) {
    const rng = createRng(12).fold(step)
    const rows = Array.from({ length: batch }, (_, i) => taught[i % taught.length]!)
    await program.run({
      hidden: Float32Array.from(rows.flatMap(({ hidden }) => [...hidden])),
      values: Float32Array.from(rows.flatMap((lesson, i) => lesson.value(rng.fold('value'), i))),
      noise: rng.fold('noise').fillNormal(new Float32Array(batch * slots)),
      time: times(rng.fold('time'), batch),
      rate: Float32Array.of(0.004 * (1 - step / steps)),
    })
  }
  return taught
}
