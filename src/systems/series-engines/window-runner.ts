import type { HostTensor } from '../../base/dtype.ts'
import type { ForecastHead } from '../../heads/index.ts'
import { disposeModule, namedVariables, writeVariables } from '../../nn/index.ts'
import type { Device } from '../../platform/index.ts'
import { compile, type Inputs, type Program, type Results } from '../../tensor/index.ts'
import type { NeuralOptions } from './neural-options.ts'
import { rowsOf, type WindowRows } from './samples.ts'
import type { SeriesNetwork, SeriesSizes } from './series-network.ts'
import type { WindowSource } from './sources.ts'
import { traceForecast, windowInputs } from './window-program.ts'

/** What a network says of one window, in the scale of its values. */
export interface Said {
  /** `[horizon, variate, output]`. */
  readonly parameters: Float32Array
  /** Each `[horizon, variate]`. */
  readonly components: Readonly<Record<string, Float32Array>>
  /** Values that it went on from, `[horizon, variate]`. */
  readonly values: Float32Array
}

/** The value to go on from, given the parameters of what was said of source `source` at entry `at` of `[horizon, variate]`. */
export type Choice = (parameters: Float64Array, source: number, at: number) => number

export interface WindowRunnerOptions {
  readonly build: (sizes: SeriesSizes) => SeriesNetwork
  readonly weights: ReadonlyMap<string, HostTensor>
  readonly head: ForecastHead
  readonly sizes: SeriesSizes
  readonly normalization: NeuralOptions['normalization']
  /** Whether the network can say any horizon at once; otherwise it goes on from what it said. */
  readonly open: boolean
  readonly device: () => Promise<Device>
}

/** A network compiled for one horizon and number of series. */
interface Compiled {
  readonly network: SeriesNetwork
  readonly program: Program<Inputs, Results>
  readonly sizes: SeriesSizes
}

/** What is said at once. */
type Block = Omit<Said, 'values'>

/** Windows that are run at once. */
const mostWindows = 64

/** Runs a network on windows, by programs that are compiled when they are first needed. */
export class WindowRunner {
  readonly #options: WindowRunnerOptions
  readonly #compiled = new Map<string, Promise<Compiled>>()

  constructor(options: WindowRunnerOptions) {
    this.#options = options
  }

  /** What comes after the end of each source. */
  async say(
    sources: readonly WindowSource[],
    horizon: number,
    { choose = this.#options.head.mean, signal }: { readonly choose?: Choice; readonly signal?: AbortSignal | undefined },
  ): Promise<Said[]> {
    const said: Said[] = []
    while (said.length < sources.length) {
      signal?.throwIfAborted()
      const from = said.length
      const next = sources.slice(from, from + mostWindows)
      const other = next.findIndex(({ ids }) => ids.length !== next[0]!.ids.length)
      const part = other < 0 ? next : next.slice(0, other)
      said.push(...(await this.#sayAll(part, horizon, (parameters, source, at) => choose(parameters, from + source, at))))
    }
    return said
  }

  async dispose(): Promise<void> {
    const compiled = await Promise.allSettled(this.#compiled.values())
    this.#compiled.clear()
    for (const each of compiled) {
      if (each.status === 'rejected') continue
      await each.value.program.dispose()
      await disposeModule(each.value.network)
    }
  }

  /** Block after block, each from what was said before. */
  async #sayAll(sources: readonly WindowSource[], horizon: number, choose: Choice): Promise<Said[]> {
    const { open, sizes } = this.#options
    const compiled = await this.#programOf(open ? horizon : sizes.horizon, sources[0]!.ids.length)
    const { inputSize, horizon: block, variates, outputs } = compiled.sizes
    const grown = sources.map((source) => withRoom(source, horizon + block))
    const parts: Block[][] = sources.map(() => [])
    for (let done = 0; done < horizon; done += block) {
      const rows = rowsOf(
        grown.map((source) => [source, done]),
        compiled.sizes,
        inputSize,
      )
      for (const [i, each] of (await this.#run(compiled, rows, sources.length)).entries()) {
        parts[i]!.push(each)
        const coming = grown[i]!.values.subarray((inputSize + done) * variates)
        for (let at = 0; at < block * variates; at++)
          coming[at] = choose(
            Float64Array.from(each.parameters.subarray(at * outputs, (at + 1) * outputs)),
            i,
            done * variates + at,
          )
      }
    }
    return parts.map((each, i) => ({
      ...joined(each, horizon, variates, outputs),
      values: grown[i]!.values.subarray(inputSize * variates, (inputSize + horizon) * variates),
    }))
  }

  async #run({ program, sizes }: Compiled, { values, marks, covariates }: WindowRows, count: number): Promise<Block[]> {
    const feeds = { values, ...(sizes.marks > 0 && { marks }), ...(sizes.covariates > 0 && { covariates }) }
    const results = (await program.run(feeds)) as Readonly<Record<string, HostTensor>>
    const cut = (data: Float32Array, i: number) => data.subarray((i * data.length) / count, ((i + 1) * data.length) / count)
    const { parameters, ...components } = results
    return Array.from({ length: count }, (_, i) => ({
      parameters: cut(parameters!.data as Float32Array, i),
      components: Object.fromEntries(
        Object.entries(components).map(([name, { data }]) => [name.replace(/^component /, ''), cut(data as Float32Array, i)]),
      ),
    }))
  }

  #programOf(horizon: number, variates: number): Promise<Compiled> {
    const key = `${horizon} ${variates}`
    const found = this.#compiled.get(key) ?? this.#compile({ ...this.#options.sizes, horizon, variates })
    this.#compiled.set(key, found)
    found.catch(() => this.#compiled.delete(key))
    return found
  }

  async #compile(sizes: SeriesSizes): Promise<Compiled> {
    const { build, weights, head, normalization, device } = this.#options
    const network = build(sizes)
    await writeVariables(namedVariables(network), weights)
    const inputs = windowInputs(sizes, 'batch', sizes.inputSize)
    const traced = (fed: Parameters<typeof traceForecast>[3]) => traceForecast(network, head, { normalization }, fed)
    const program = compile(inputs, traced, { device: await device(), frozen: true })
    return { network, program: program as Program<Inputs, Results>, sizes }
  }
}

/** A source of the values of one window, with room for what is said. */
function withRoom(source: WindowSource, ahead: number): WindowSource {
  const values = new Float32Array(source.values.length + ahead * source.ids.length)
  values.set(source.values)
  return { ...source, values }
}

function joined(parts: readonly Block[], horizon: number, variates: number, outputs: number): Block {
  const join = (pick: (said: Block) => Float32Array, width: number) => {
    const all = new Float32Array(horizon * width)
    let at = 0
    for (const part of parts) {
      const values = pick(part).subarray(0, all.length - at)
      all.set(values, at)
      at += values.length
    }
    return all
  }
  return {
    parameters: join(({ parameters }) => parameters, variates * outputs),
    components: Object.fromEntries(
      Object.keys(parts[0]!.components).map((name) => [name, join(({ components }) => components[name]!, variates)]),
    ),
  }
}
