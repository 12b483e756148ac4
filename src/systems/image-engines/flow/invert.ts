import { NonFiniteError } from '../../../base/errors.ts'
import { rowsOf } from '../choose-codes.ts'
import type { Arms, BlockMap } from './block-runner.ts'
import type { Inverse, JacobiInverse } from './inverse-plan.ts'

/** A block's numbers to invert: z `[sample, slot, dimension]` in the block's order, and what conditions them. */
export interface Inversion {
  readonly map: BlockMap
  readonly z: Float32Array
  readonly arms: Arms
  /** Number of the block, for messages. */
  readonly block: number
  readonly signal?: AbortSignal | undefined
}

/** What did not go as asked, and what was done about it. */
export interface Incident {
  readonly block: number
  readonly samples: readonly number[]
  /** `non-finite`: an iterate was; `unconverged`: the iterations ran out first. */
  readonly problem: 'non-finite' | 'unconverged'
  readonly tried: Inverse
  /** What was tried next; absent when the last iterate was taken. */
  readonly remedy?: Inverse
}

export interface Inverted {
  readonly values: Float32Array
  /** Calls of the map. */
  readonly iterations: number
  /** Iterations that each sample took part in: over all segments and attempts. */
  readonly each: readonly number[]
  readonly incidents: readonly Incident[]
}

/**
 * x of z. Samples whose iterates stop being finite are done again from zeros, and then one slot after another.
 * @throws NonFiniteError when that is not finite either, naming the block and the slot; the signal's reason
 */
export async function invert(given: Inversion, inverse: Inverse): Promise<Inverted> {
  const { map, z, arms, block } = given
  const values = new Float32Array(z.length)
  const incidents: Incident[] = []
  let samples = Array.from(arms.labels.keys())
  const each = new Array<number>(samples.length).fill(0)
  let iterations = 0
  for (const [index, attempt] of attempts(inverse).entries()) {
    const outcome = await solve({ ...given, z: pick(z, samples, map), arms: pickArms(arms, samples) }, attempt)
    iterations += outcome.iterations
    place(outcome.values, values, samples, map)
    for (const [row, sample] of samples.entries()) each[sample]! += outcome.each[row]!
    const named = (places: readonly number[]) => places.map((place) => samples[place]!)
    if (outcome.unconverged.length > 0)
      incidents.push({ block, samples: named(outcome.unconverged), problem: 'unconverged', tried: attempt })
    samples = named(outcome.broken)
    if (samples.length === 0) return { values, iterations, each, incidents }
    const remedy = attempts(inverse)[index + 1]
    if (remedy === undefined) break
    incidents.push({ block, samples, problem: 'non-finite', tried: attempt, remedy })
  }
  const first = Math.floor(values.findIndex((x) => !Number.isFinite(x)) / map.dimension)
  const [sample, slot] = [Math.floor(first / map.slots), first % map.slots]
  throw new NonFiniteError(`inverting block ${block}: slot ${slot} of sample ${sample} is not finite`, {
    fix: 'lower the temperature or the guidance, or train the flow for longer',
  })
}

/** What is tried in turn. */
function attempts(inverse: Inverse): readonly Inverse[] {
  if (inverse.kind === 'sequential') return [inverse]
  const zeros: readonly Inverse[] = inverse.start === 'zeros' ? [] : [{ ...inverse, start: 'zeros' }]
  return [inverse, ...zeros, { kind: 'sequential' }]
}

interface Outcome {
  readonly values: Float32Array
  readonly iterations: number
  readonly each: readonly number[]
  /** Samples that stopped being finite. */
  readonly broken: readonly number[]
  readonly unconverged: readonly number[]
}

function solve(given: Inversion, inverse: Inverse): Promise<Outcome> {
  if (inverse.kind === 'jacobi') return jacobi(given, inverse)
  const { slots } = given.map
  if (inverse.kind === 'sequential') return segments(given, { kind: 'jacobi', tolerance: 1, iterations: 1, start: 'zeros' }, slots)
  return segments(given, { ...inverse, kind: 'jacobi' }, inverse.segments)
}

/** All slots at once; only samples that are not done yet run. */
async function jacobi({ map, z, arms, signal }: Inversion, how: JacobiInverse): Promise<Outcome> {
  const size = map.slots * map.dimension
  const progress = new Progress(arms.labels.length, how)
  const values = how.start === 'zeros' ? new Float32Array(z.length) : z.slice()
  const most = Math.min(map.slots, how.iterations ?? map.slots)
  let iterations = 0
  for (; iterations < most && progress.open.length > 0; iterations++) {
    signal?.throwIfAborted()
    const { open } = progress
    const next = await map.whole(pick(values, open, map), pick(z, open, map), pickArms(arms, open))
    for (const [row, sample] of open.entries())
      progress.take(sample, next.subarray(row * size, (row + 1) * size), values, sample * size)
  }
  progress.close(most === map.slots)
  return progress.outcome(values, iterations)
}

/** Segment after segment; all samples run until the last one is done, but those that are keep what they have. */
async function segments({ map, z, arms, signal }: Inversion, how: JacobiInverse, count: number): Promise<Outcome> {
  const length = map.slots / count
  const size = length * map.dimension
  const progress = new Progress(arms.labels.length, how)
  const values = how.start === 'zeros' ? new Float32Array(z.length) : z.slice()
  const most = Math.min(length, how.iterations ?? length)
  let iterations = 0
  for (let start = 0; start < map.slots; start += length) {
    for (let iteration = 0; iteration < most && progress.open.length > 0; iteration++) {
      signal?.throwIfAborted()
      const { open } = progress
      const keep = Uint8Array.from(arms.labels, (_, sample) => Number(open.includes(sample)))
      const next = await map.some(values, z, { start, length }, arms, keep)
      for (const sample of open) {
        const rows = next.subarray(sample * size, (sample + 1) * size)
        progress.take(sample, rows, values, (sample * map.slots + start) * map.dimension)
      }
      iterations++
    }
    progress.close(most === length)
  }
  return progress.outcome(values, iterations)
}

/** Which samples are done, and how they ended. */
class Progress {
  /** Samples that are not done. */
  open: readonly number[]
  readonly #samples: readonly number[]
  readonly #how: JacobiInverse
  readonly #each: number[]
  readonly #broken = new Set<number>()
  readonly #unconverged = new Set<number>()

  constructor(samples: number, how: JacobiInverse) {
    this.#samples = Array.from({ length: samples }, (_, sample) => sample)
    this.#each = this.#samples.map(() => 0)
    this.open = this.#samples
    this.#how = how
  }

  /** Puts a sample's next numbers in the place of its present ones, and decides whether it is done. */
  take(sample: number, next: Float32Array, values: Float32Array, offset: number): void {
    const { tolerance, clamp = Number.POSITIVE_INFINITY } = this.#how
    this.#each[sample]!++
    let change = 0
    for (let i = 0; i < next.length; i++) {
      const value = Math.min(clamp, Math.max(-clamp, next[i]!))
      // Math.max passes NaN on.
      change = Math.max(change, Math.abs(value - values[offset + i]!))
      values[offset + i] = value
    }
    const broken = !Number.isFinite(change)
    if (broken) this.#broken.add(sample)
    if (broken || change <= tolerance) this.open = this.open.filter((other) => other !== sample)
  }

  /** The end of a segment: what is still open is exact, or was given up. All samples go on but the broken ones. */
  close(exact: boolean): void {
    if (!exact) for (const sample of this.open) this.#unconverged.add(sample)
    this.open = this.#samples.filter((sample) => !this.#broken.has(sample))
  }

  outcome(values: Float32Array, iterations: number): Outcome {
    const unconverged = [...this.#unconverged].filter((sample) => !this.#broken.has(sample))
    return { values, iterations, each: this.#each, broken: [...this.#broken], unconverged }
  }
}

function pick(values: Float32Array, samples: readonly number[], { slots, dimension }: BlockMap): Float32Array {
  const size = slots * dimension
  return samples.length * size === values.length ? values : rowsOf(values, samples, size)
}

function place(from: Float32Array, to: Float32Array, samples: readonly number[], { slots, dimension }: BlockMap): void {
  const size = slots * dimension
  for (const [row, sample] of samples.entries()) to.set(from.subarray(row * size, (row + 1) * size), sample * size)
}

function pickArms(arms: Arms, samples: readonly number[]): Arms {
  return { ...arms, labels: Int32Array.from(samples, (sample) => arms.labels[sample]!) }
}
