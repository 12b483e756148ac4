import { type CodeBatch, countValues } from '../../base/codes.ts'
import type { Rng } from '../../base/rng.ts'
import type { SampleRequest } from '../image-system.ts'
import { checkGiven } from './given-values.ts'
import { type VectorTraits, vectorBatch } from './vectors.ts'

/**
 * Vectors on their way from noise to data, group after group. Rows of a group are `[sample, value of the group, number]`. Of what is given, every
 * sample may have other places; given values are kept, and shown on the straight path to their noise while their group is on its way.
 */
export class VectorDrawing {
  /** `[sample, value, number]`: clean where settled or given, 0 elsewhere. */
  readonly values: Float32Array
  /** `[sample, value]`: 1 where settled or given. */
  readonly known: Float32Array
  readonly #noise: Float32Array
  readonly #traits: VectorTraits
  readonly #size: number

  /** Throws MismatchError on given values that are not the network's. */
  constructor(traits: VectorTraits, request: SampleRequest) {
    const { rngs, given, options } = request
    const { temperature = 1 } = options
    checkGiven({ kind: 'vectors', dimension: traits.dimension, layout: traits.layout }, request)
    this.#traits = traits
    this.#size = countValues(traits.layout)
    this.#noise = noiseOfSamples(traits, rngs, 'noise', temperature)
    this.known = given === undefined ? new Float32Array(rngs.length * this.#size) : given.known.slice()
    this.values = new Float32Array(this.#noise.length)
    for (const i of this.values.keys())
      if (this.known[Math.floor(i / traits.dimension)] === 1) this.values[i] = given!.values.data[i]!
  }

  get count(): number {
    return this.known.length / this.#size
  }

  /** Is nothing left to draw of these values? */
  knows(values: Int32Array): boolean {
    for (let start = 0; start < this.known.length; start += this.#size)
      if (values.some((value) => this.known[start + value] !== 1)) return false
    return true
  }

  /** Where these values start, as rows. */
  noiseAt(values: Int32Array): Float32Array {
    return pickRows(this.#noise, values, { size: this.#size, dimension: this.#traits.dimension })
  }

  /** Rows at a time from 1 (noise) to 0, with what is given in its place on the path. */
  mixed(values: Int32Array, rows: Float32Array, time: number): Float32Array {
    const mixed = rows.slice()
    this.#eachNumber(values, (at, row, known) => {
      if (known) mixed[row] = (1 - time) * this.values[at]! + time * this.#noise[at]!
    })
    return mixed
  }

  /** All values, with rows in place of these. */
  with(values: Int32Array, rows: Float32Array): Float32Array {
    const all = this.values.slice()
    this.#eachNumber(values, (at, row) => {
      all[at] = rows[row]!
    })
    return all
  }

  /** Takes rows for the clean values, except where some were given. */
  settle(values: Int32Array, rows: Float32Array): void {
    this.#eachNumber(values, (at, row, known) => {
      if (!known) this.values[at] = rows[row]!
    })
    for (let start = 0; start < this.known.length; start += this.#size) for (const value of values) this.known[start + value] = 1
  }

  /** What there is by now, as a step reports it. */
  report(): { readonly values: CodeBatch; readonly known: Float32Array } {
    return { values: vectorBatch(this.#traits, this.count, this.values.slice()), known: this.known.slice() }
  }

  /** Calls with the place of every number of these values among all, its place among the rows, and whether it is known. */
  #eachNumber(values: Int32Array, call: (at: number, row: number, known: boolean) => void): void {
    const { dimension } = this.#traits
    for (let sample = 0; sample < this.count; sample++)
      for (const [i, value] of values.entries()) {
        const at = sample * this.#size + value
        const known = this.known[at] === 1
        for (let j = 0; j < dimension; j++) call(at * dimension + j, (sample * values.length + i) * dimension + j, known)
      }
  }
}

/** Normal noise for every number of every sample, each from that sample's own stream of this name: `[sample, value, number]`. */
export function noiseOfSamples(
  { layout, dimension }: VectorTraits,
  rngs: readonly Rng[],
  name: string,
  scale: number,
): Float32Array {
  const size = countValues(layout) * dimension
  const noise = new Float32Array(rngs.length * size)
  for (const [sample, rng] of rngs.entries()) rng.fold(name).fillNormal(noise.subarray(sample * size, (sample + 1) * size))
  return scale === 1 ? noise : noise.map((number) => number * scale)
}

/** Of every sample's `size` rows `[sample, row, dimension]`, the chosen ones. */
export function pickRows(
  data: Float32Array,
  rows: ArrayLike<number>,
  { size, dimension }: { readonly size: number; readonly dimension: number },
): Float32Array {
  const count = data.length / (size * dimension)
  const picked = new Float32Array(count * rows.length * dimension)
  for (let sample = 0; sample < count; sample++)
    for (let i = 0; i < rows.length; i++) {
      const from = (sample * size + rows[i]!) * dimension
      picked.set(data.subarray(from, from + dimension), (sample * rows.length + i) * dimension)
    }
  return picked
}
