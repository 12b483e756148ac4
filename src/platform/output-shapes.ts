import type { Feed } from './device.ts'
import type { Ports } from './session-ports.ts'

/** A size that the model declares, or the axes of inputs that bear its name. */
type Size = number | readonly { readonly input: string; readonly axis: number }[]

/**
 * Foretells the shapes of outputs from those of the feeds, by the names of dimensions. A model may use one name for two sizes, so a
 * foretold shape counts only once a run has borne it out.
 */
export class OutputShapes {
  readonly #sizes = new Map<string, readonly Size[]>()
  readonly #proven = new Map<string, boolean>()

  constructor(inputs: Ports, outputs: Ports) {
    const axes = new Map<string, { input: string; axis: number }[]>()
    for (const [input, { shape }] of inputs) {
      for (const [axis, size] of shape.entries()) {
        if (typeof size === 'string') axes.set(size, [...(axes.get(size) ?? []), { input, axis }])
      }
    }
    for (const [output, { shape }] of outputs) {
      const sizes = shape.map((size) => (typeof size === 'number' ? size : size === '' ? [] : (axes.get(size) ?? [])))
      this.#sizes.set(output, sizes)
    }
  }

  /** The shape that the output will have, if that is sure. */
  foretell(output: string, feeds: Readonly<Record<string, Feed>>): readonly number[] | undefined {
    return this.#proven.get(output) === true ? this.#guess(output, feeds) : undefined
  }

  /** What shape the output had: one mistake is enough never to trust its names again. */
  learn(output: string, feeds: Readonly<Record<string, Feed>>, shape: readonly number[]): void {
    if (this.#proven.get(output) === false) return
    const guess = this.#guess(output, feeds)
    if (guess === undefined) return
    this.#proven.set(output, guess.length === shape.length && guess.every((size, i) => size === shape[i]))
  }

  #guess(output: string, feeds: Readonly<Record<string, Feed>>): readonly number[] | undefined {
    const sizes = this.#sizes.get(output) ?? []
    const shape = sizes.map((size) => (typeof size === 'number' ? size : commonSize(size, feeds)))
    // A model that declares no shape reads like one of a scalar.
    return shape.length === 0 || shape.includes(undefined) ? undefined : (shape as number[])
  }
}

function commonSize(axes: Exclude<Size, number>, feeds: Readonly<Record<string, Feed>>): number | undefined {
  const first = axes[0]
  if (first === undefined) return undefined
  const size = feeds[first.input]?.shape[first.axis]
  return axes.every(({ input, axis }) => feeds[input]?.shape[axis] === size) ? size : undefined
}
