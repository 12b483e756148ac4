import { NonFiniteError } from '../base/errors.ts'
import type { Device } from '../platform/device.ts'
import { type Assignment, compile, type Inputs, type Program, type Tensor } from '../tensor/index.ts'
import { explainNonFinite } from './non-finite.ts'
import type { Feeds, StepGraph, StepGraphBuilder } from './step-graph.ts'

type StepResults = Readonly<Record<string, Tensor | readonly Assignment[]>>

/** A program whose assignments are not carried out when one of the watched outputs is a NaN or an infinity. */
export class GuardedProgram {
  readonly #inputs: Inputs
  readonly #build: StepGraphBuilder
  readonly #device: Device
  readonly #watched: readonly string[]
  readonly #program: Program<Inputs, StepResults>

  constructor(inputs: Inputs, build: StepGraphBuilder, watched: readonly string[], device: Device) {
    this.#inputs = inputs
    this.#build = build
    this.#device = device
    this.#watched = watched
    this.#program = compile(inputs, (leaves) => resultsOf(build(leaves)), { device, name: 'training' })
  }

  /**
   * The scalars that the program gives back.
   * @param what names the run in messages: `step 12`
   * @throws NonFiniteError naming the first tensor that is not finite; no variable has changed then
   */
  async run(feeds: Feeds, what: string): Promise<Readonly<Record<string, number>>> {
    try {
      return scalars(await this.#program.run(feeds, { guard: (outputs) => this.#check(scalars(outputs)) }))
    } catch (error) {
      if (!(error instanceof WatchedValueError)) throw error
      const { output, value } = error
      const cause = await explainNonFinite({ inputs: this.#inputs, build: this.#build, output, feeds, device: this.#device })
      throw new NonFiniteError(`the ${output} of ${what} is ${value}: ${cause}`, {
        fix: 'lower the learning rate, clip gradients, or mend the data; no weight was changed by this step',
      })
    }
  }

  dispose(): Promise<void> {
    return this.#program.dispose()
  }

  #check(values: Readonly<Record<string, number>>): void {
    const output = this.#watched.find((name) => !Number.isFinite(values[name]))
    if (output !== undefined) throw new WatchedValueError(output, values[output]!)
  }
}

/** Leaves `GuardedProgram.run` only as a NonFiniteError. */
class WatchedValueError extends Error {
  constructor(
    readonly output: string,
    readonly value: number,
  ) {
    super(output)
  }
}

// Names of variables are dotted paths, so a colon keeps outputs apart from them.
const prefix = 'fit:'

function resultsOf({ outputs, assignments }: StepGraph): StepResults {
  const named = Object.entries(outputs).map(([name, tensor]) => [prefix + name, tensor] as const)
  return Object.fromEntries<Tensor | readonly Assignment[]>([...named, ['assignments', assignments]])
}

function scalars(outputs: Readonly<Record<string, { readonly data: ArrayLike<number | bigint> }>>): Record<string, number> {
  return Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name.slice(prefix.length), Number(data[0])]))
}
