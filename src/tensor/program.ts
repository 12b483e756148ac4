import { bytesPerElement, elementCount, type HostTensor } from '../base/dtype.ts'
import { DisposedError, OptionError, ShapeError } from '../base/errors.ts'
import { SerialQueue } from '../base/serial.ts'
import { encodeOnnx, type OnnxModel } from '../formats/onnx.ts'
import type { Device, DeviceView, Feed, Fetch, SessionId, SessionOptions } from '../platform/device.ts'
import type { Assignment } from './assignment.ts'
import { emit } from './emit.ts'
import { isSafeInPlace } from './in-place.ts'
import { bindShape, checkFeed, type FeedValue } from './input-spec.ts'
import type { Tensor } from './tensor.ts'
import { type Inputs, type Results, type Trace, trace } from './trace.ts'
import type { Variable } from './variable.ts'

export interface CompileOptions {
  /** Where the program runs. Without one it can only be exported. */
  readonly device?: Device
  /** Make the values of variables that the program does not assign part of the session: faster, but later writes are not seen. */
  readonly frozen?: boolean
  /** Write assigned values over the old ones where that is proven safe, instead of into second buffers. Same results, less memory. */
  readonly inPlace?: boolean
  readonly name?: string
  readonly optimization?: NonNullable<SessionOptions['optimization']>
}

type OutputNames<R extends Results> = { [K in keyof R]: R[K] extends Tensor ? K : never }[keyof R]
export type Outputs<R extends Results> = { readonly [K in OutputNames<R>]: HostTensor }

export interface RunOptions<R extends Results, Only extends OutputNames<R> = OutputNames<R>> {
  /** Bring back these outputs alone. Default: all. */
  readonly only?: readonly Only[]
  /** Called with the outputs before any variable changes; when it throws, none does (but for those updated in place). */
  readonly guard?: (outputs: Pick<Outputs<R>, Only>) => void
  /** Run on these rows of a variable's first axis only. */
  readonly rows?: RowWindows
}

type RowWindows = ReadonlyMap<Variable, { readonly start: number; readonly count: number }>

export interface OnnxExportOptions {
  /** Tensors of at least this many bytes go to a second file. Default: none do, up to protobuf's limit of 2 GiB. */
  readonly externalThreshold?: number
  /** Name of that second file, beside the model. */
  readonly externalLocation?: string
}

export interface Program<I extends Inputs, R extends Results> {
  /** Computes the outputs and carries out the assignments. */
  run<Only extends OutputNames<R> = OutputNames<R>>(
    feeds: { readonly [K in keyof I]: FeedValue },
    options?: RunOptions<R, Only>,
  ): Promise<Pick<Outputs<R>, Only>>
  /** The program as an ONNX file with the current values of its variables; assigned variables become extra inputs and outputs. */
  toOnnx(options?: OnnxExportOptions): Promise<{ readonly model: Uint8Array; readonly external?: Uint8Array }>
  /** Variables that are updated in place. */
  readonly inPlace: readonly Variable[]
  readonly trace: Trace
  /** Builds the session now rather than at the first run. */
  load(): Promise<void>
  dispose(): Promise<void>
}

/**
 * Traces `build`, and compiles what it computes to one ONNX graph.
 *
 * @example
 * ```ts
 * const double = compile({ x: float32('N') }, ({ x }) => ({ y: multiply(x, 2) }), { device })
 * const { y } = await double.run({ x: Float32Array.of(1, 2, 3) })
 * ```
 */
export function compile<I extends Inputs, R extends Results>(
  inputs: I,
  build: (inputs: { readonly [K in keyof I]: Tensor }) => R,
  options: CompileOptions = {},
): Program<I, R> {
  return new CompiledProgram(inputs, trace(inputs, build), options)
}

class CompiledProgram<I extends Inputs, R extends Results> implements Program<I, R> {
  readonly trace: Trace
  readonly inPlace: readonly Variable[]
  readonly #inputs: I
  readonly #options: CompileOptions
  readonly #names: ReadonlyMap<Variable, string>
  readonly #fed: readonly Variable[]
  /** Variables that get a whole new value. */
  readonly #assigned: readonly Variable[]
  readonly #updates = new SerialQueue()
  readonly #usedInputs: ReadonlySet<string>
  #session: Promise<SessionId> | undefined
  #disposed = false

  constructor(inputs: I, traced: Trace, options: CompileOptions) {
    this.#inputs = inputs
    this.trace = traced
    this.#options = options
    this.#names = nameVariables(traced)
    this.inPlace = options.inPlace === true ? provenInPlace(traced) : []
    const assigned = new Set(traced.assignments.map(({ variable }) => variable))
    const leaves = new Set(traced.order)
    this.#fed = traced.variables.filter(
      (variable) => leaves.has(variable.tensor) && (options.frozen !== true || assigned.has(variable)),
    )
    this.#assigned = traced.assignments.filter(({ kind }) => kind === 'whole').map(({ variable }) => variable)
    this.#usedInputs = new Set(traced.inputs.keys())
  }

  run<Only extends OutputNames<R> = OutputNames<R>>(
    feeds: { readonly [K in keyof I]: FeedValue },
    options: RunOptions<R, Only> = {},
  ): Promise<Pick<Outputs<R>, Only>> {
    // A run that assigns must be over before the next one reads what it wrote.
    return this.#assigned.length === 0 ? this.#execute(feeds, options) : this.#updates.run(() => this.#execute(feeds, options))
  }

  load(): Promise<void> {
    this.#session ??= this.#open()
    return this.#session.then(() => undefined)
  }

  async toOnnx(options: OnnxExportOptions = {}): Promise<{ model: Uint8Array; external?: Uint8Array }> {
    const assigned = new Set(this.trace.assignments.map(({ variable }) => variable))
    return encodeOnnx(await this.#emit((variable) => !assigned.has(variable)), options)
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    if (this.#session !== undefined) await this.#device(true).unload(await this.#session)
  }

  #device(disposing = false): Device {
    if (this.#disposed && !disposing) throw new DisposedError('the program was disposed')
    if (this.#options.device === undefined)
      throw new OptionError('the program has no device to run on', { fix: 'pass { device } to compile()' })
    return this.#options.device
  }

  async #open(): Promise<SessionId> {
    const { device, frozen = false, optimization } = this.#options
    const fed = new Set(this.#fed)
    const { model } = encodeOnnx(await this.#emit((variable) => frozen && !fed.has(variable)))
    return device!.load(model, { optimization: optimization ?? defaultOptimization(this.trace) })
  }

  async #emit(embedded: (variable: Variable) => boolean): Promise<OnnxModel> {
    const leaves = new Set(this.trace.order)
    const used = this.trace.variables.filter((variable) => leaves.has(variable.tensor))
    const initializers = new Map<string, { leaf: Tensor; value: HostTensor }>()
    for (const variable of used.filter(embedded)) {
      const value = { dtype: variable.dtype, shape: variable.concreteShape, data: await variable.read() }
      initializers.set(this.#names.get(variable)!, { leaf: variable.tensor, value })
    }
    const fedVariables = used
      .filter((variable) => !embedded(variable))
      .map((variable) => [this.#names.get(variable)!, variable.tensor] as const)
    const results = [
      ...this.trace.outputs,
      ...this.trace.assignments.map((assignment) => [this.#resultName(assignment.variable), assignment.value] as const),
    ]
    return emit({
      feeds: new Map([...this.trace.inputs, ...fedVariables]),
      initializers,
      results: new Map(results),
      name: this.#options.name ?? 'program',
    })
  }

  #resultName(variable: Variable): string {
    return `next:${this.#names.get(variable)}`
  }

  async #execute<Only extends OutputNames<R>>(
    feeds: { readonly [K in keyof I]: FeedValue },
    options: RunOptions<R, Only>,
  ): Promise<Pick<Outputs<R>, Only>> {
    const device = this.#device()
    const bindings = new Map<string, number>()
    const checked = this.#checkFeeds(feeds, bindings)
    await Promise.all(this.trace.variables.map((variable) => variable.bind(device)))
    await this.load()
    const views = this.#variableViews(options.rows, bindings)
    const fetches = this.#fetches(checked, options)
    const begun: Variable[] = []
    let swap = false
    try {
      for (const variable of this.#assigned) {
        const view = await variable.beginUpdate({ inPlace: this.inPlace.includes(variable) })
        begun.push(variable)
        fetches[this.#resultName(variable)] = { kind: 'view', view }
      }
      const outputs = (await device.run(await this.#session!, { ...checked, ...views }, fetches)) as unknown as Pick<
        Outputs<R>,
        Only
      >
      options.guard?.(outputs)
      swap = true
      return outputs
    } finally {
      for (const variable of begun) variable.endUpdate({ swap: swap && !this.inPlace.includes(variable) })
    }
  }

  #checkFeeds(feeds: { readonly [K in keyof I]: FeedValue }, bindings: Map<string, number>): Record<string, HostTensor> {
    const unknown = Object.keys(feeds).filter((name) => !this.#usedInputs.has(name))
    if (unknown.length > 0)
      throw new OptionError(`the program has no input ${unknown.join(', ')}`, { expected: Object.keys(this.#inputs).join(', ') })
    const entries = Object.entries(this.#inputs).map(([name, spec]) => {
      const value = feeds[name]
      if (value === undefined)
        throw new OptionError(`input ${name} is missing`, { expected: `${spec.dtype}[${spec.shape.join(', ')}]` })
      return [name, checkFeed(name, spec, value, bindings)] as const
    })
    return Object.fromEntries(entries)
  }

  #variableViews(rows: RowWindows | undefined, bindings: Map<string, number>): Record<string, Feed> {
    const entries = this.#fed.map((variable) => {
      const view = rowsOf(variable.frontView(), rows?.get(variable), variable)
      bindShape(`variable ${variable.label}`, variable.shape, view.shape, bindings)
      return [this.#names.get(variable)!, view] as const
    })
    return Object.fromEntries(entries)
  }

  #fetches(
    feeds: Readonly<Record<string, HostTensor>>,
    { only, rows }: Pick<RunOptions<R>, 'only' | 'rows'>,
  ): Record<string, Fetch> {
    const unknown = only?.find((name) => !this.trace.outputs.has(String(name)))
    if (unknown !== undefined) throw new OptionError(`the program has no output ${String(unknown)}`)
    const fetches: Record<string, Fetch> = {}
    for (const name of only ?? this.trace.outputs.keys()) fetches[String(name)] = { kind: 'host' }
    for (const assignment of this.trace.assignments) {
      if (assignment.kind === 'rows') fetches[this.#resultName(assignment.variable)] = rowsFetch(assignment, feeds, rows)
    }
    return fetches
  }
}

function rowsFetch(
  { variable, axis, starts, counts }: Extract<Assignment, { kind: 'rows' }>,
  feeds: Readonly<Record<string, HostTensor>>,
  rows: RowWindows | undefined,
): Fetch {
  const numbers = (leaf: Tensor) => Array.from(feeds[leaf.attributes.name as string]!.data as Iterable<number | bigint>, Number)
  const view = rowsOf(variable.frontView(), rows?.get(variable), variable)
  return { kind: 'rows', view, axis, starts: numbers(starts), counts: numbers(counts) }
}

function rowsOf(
  view: DeviceView,
  rows: { readonly start: number; readonly count: number } | undefined,
  variable: Variable,
): DeviceView {
  if (rows === undefined) return view
  const [length, ...rest] = view.shape
  if (rows.start < 0 || rows.count < 1 || rows.start + rows.count > length!) {
    throw new ShapeError(`rows [${rows.start}, ${rows.start + rows.count}) of variable ${variable.label}`, {
      expected: `rows inside [0, ${length})`,
    })
  }
  const rowBytes = elementCount(rest) * bytesPerElement[view.dtype]
  return { ...view, shape: [rows.count, ...rest], byteOffset: view.byteOffset + rows.start * rowBytes }
}

function nameVariables({ variables, inputs }: Trace): Map<Variable, string> {
  const names = new Map<Variable, string>()
  const taken = new Set<string>(inputs.keys())
  for (const variable of variables) {
    const base = variable.name === '' ? `variable_${names.size}` : variable.name
    const name = taken.has(base) ? `${base}#${names.size}` : base
    taken.add(name)
    names.set(variable, name)
  }
  return names
}

function provenInPlace({ assignments, order, outputs }: Trace): Variable[] {
  const roots = new Set([...outputs.values(), ...assignments.map(({ value }) => value)])
  const safe = assignments.filter(
    ({ kind, variable, value }) => kind === 'whole' && isSafeInPlace(variable.tensor, value, order, roots),
  )
  return safe.map(({ variable }) => variable)
}

/** Level `all` fuses x·σ(x) into a kernel that float64 lacks. */
function defaultOptimization({ order }: Trace): NonNullable<SessionOptions['optimization']> {
  return order.some((node) => node.dtype === 'float64') ? 'basic' : 'all'
}
