import * as v from 'valibot'
import type { HostTensor } from '../base/dtype.ts'
import { DisposedError, DTypeError, OptionError } from '../base/errors.ts'
import { callable, checkOptions } from '../base/options.ts'
import { SerialQueue } from '../base/serial.ts'
import { encodeOnnx, type OnnxModel } from '../formats/onnx.ts'
import type { Device, Feed, Fetch, SessionId, SessionOptions } from '../platform/device.ts'
import { emit, type InitialValue } from './emit.ts'
import { consumersOf } from './graph.ts'
import { isSafeInPlace } from './in-place.ts'
import { bindShape, checkFeed, type FeedValue, refuseContradictions } from './input-spec.ts'
import { type MappedValues, mappedValues } from './mapped-values.ts'
import { checkWindows, type RowWindows, rowsFetch, windowOf } from './row-windows.ts'
import { checkSizes, type SizeCheck, sizeChecks } from './size-checks.ts'
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

const compileSchema = v.strictObject({
  device: v.optional(v.custom<object>((value) => typeof value === 'object' && value !== null, 'must be a device')),
  frozen: v.optional(v.boolean()),
  inPlace: v.optional(v.boolean()),
  name: v.optional(v.string()),
  optimization: v.optional(v.picklist(['disabled', 'basic', 'extended', 'all'])),
})

const runSchema = v.strictObject({
  only: v.optional(v.array(v.string())),
  guard: v.optional(callable),
  rows: v.optional(v.instance(Map)),
})

type OutputNames<R extends Results> = { [K in keyof R]: R[K] extends Tensor ? K : never }[keyof R]
export type Outputs<R extends Results> = { readonly [K in OutputNames<R>]: HostTensor }

export interface RunOptions<R extends Results, Only extends OutputNames<R> = OutputNames<R>> {
  /** Bring back these outputs alone. Default: all. */
  readonly only?: readonly Only[]
  /**
   * Called with the outputs before any variable changes; when it throws, none does, but for those updated in place and for assigned
   * rows.
   */
  readonly guard?: (outputs: Pick<Outputs<R>, Only>) => void
  /** Run on these rows of a variable's first axis only. */
  readonly rows?: RowWindows
}

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
  /** What is computed, as an ONNX graph without the values of variables, which are inputs: equal for equal computations. */
  graph(): Promise<Uint8Array>
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
  checkOptions(compileSchema, options, 'compile')
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
  /** Assigned variables that are not written in place: a run replaces all of their rows. */
  readonly #rewritten: readonly Variable[]
  /** Variables that live on the device; the others are part of the session. */
  readonly #placed: readonly Variable[]
  readonly #sizeChecks: readonly SizeCheck[]
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
    this.#rewritten = this.#assigned.filter((variable) => !this.inPlace.includes(variable))
    this.#placed = [...new Set([...this.#fed, ...assigned])]
    this.#sizeChecks = sizeChecks(traced.order)
    this.#usedInputs = new Set(traced.inputs.keys())
  }

  async run<Only extends OutputNames<R> = OutputNames<R>>(
    feeds: { readonly [K in keyof I]: FeedValue },
    options: RunOptions<R, Only> = {},
  ): Promise<Pick<Outputs<R>, Only>> {
    checkOptions(runSchema, options, 'run')
    // A run that assigns must be over before the next one reads what it wrote.
    return this.#assigned.length === 0 ? this.#execute(feeds, options) : this.#updates.run(() => this.#execute(feeds, options))
  }

  async load(): Promise<void> {
    const device = this.#device()
    this.#session ??= this.#open(device).catch((error) => {
      // A later run tries again.
      this.#session = undefined
      throw error
    })
    await this.#session
  }

  async toOnnx(options: OnnxExportOptions = {}): Promise<{ model: Uint8Array; external?: Uint8Array }> {
    const assigned = new Set(this.trace.assignments.map(({ variable }) => variable))
    return encodeOnnx(await this.#emit(new Set(this.#used().filter((variable) => !assigned.has(variable)))), options)
  }

  async graph(): Promise<Uint8Array> {
    return encodeOnnx(await this.#emit(new Set())).model
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return
    this.#disposed = true
    // A session that failed to load has told whoever awaited it; one on a device that is gone is gone too.
    const session = await this.#session?.catch(() => undefined)
    if (session !== undefined) await this.#options.device!.unload(session).catch(refuseUnlessDisposed)
  }

  #device(): Device {
    if (this.#disposed) throw new DisposedError('the program was disposed')
    if (this.#options.device === undefined)
      throw new OptionError('the program has no device to run on', { fix: 'pass { device } to compile()' })
    return this.#options.device
  }

  async #open(device: Device): Promise<SessionId> {
    const { frozen = false, optimization } = this.#options
    refuseBrainFloats(this.trace)
    const fed = new Set(this.#fed)
    const embedded = this.#used().filter((variable) => frozen && !fed.has(variable))
    const mapped = mappedValues(embedded, device)
    const { model } = encodeOnnx(await this.#emit(new Set(embedded), mapped.values))
    for (const source of mapped.sources) await source.checkPath?.()
    return device.load(model, {
      optimization: optimization ?? defaultOptimization(this.trace),
      ...(mapped.folder !== undefined && { externalFolder: mapped.folder }),
    })
  }

  /** The variables that some result depends on. */
  #used(): Variable[] {
    const leaves = new Set(this.trace.order)
    return this.trace.variables.filter((variable) => leaves.has(variable.tensor))
  }

  /** `mapped`: values that stay in their file. */
  async #emit(embedded: ReadonlySet<Variable>, mapped: MappedValues['values'] = new Map()): Promise<OnnxModel> {
    const initializers = new Map<string, { leaf: Tensor; value: InitialValue }>()
    for (const variable of embedded) {
      const { dtype, concreteShape: shape } = variable
      const value = mapped.get(variable) ?? { dtype, shape, data: await variable.read() }
      initializers.set(this.#names.get(variable)!, { leaf: variable.tensor, value })
    }
    const fedVariables = this.#used()
      .filter((variable) => !embedded.has(variable))
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
    return nextName(this.#names.get(variable)!)
  }

  async #execute<Only extends OutputNames<R>>(
    feeds: { readonly [K in keyof I]: FeedValue },
    options: RunOptions<R, Only>,
  ): Promise<Pick<Outputs<R>, Only>> {
    const device = this.#device()
    const bindings = new Map<string, number>()
    const checked = this.#checkFeeds(feeds, bindings)
    if (options.rows !== undefined) checkWindows(options.rows, this.#fed, this.#rewritten)
    await this.load()
    await Promise.all(this.#placed.map((variable) => variable.bind(device)))
    const views = this.#variableViews(options.rows, bindings)
    this.#checkSizes(bindings)
    const fetches = this.#fetches(checked, options)
    const begun: Variable[] = []
    let swap = false
    try {
      for (const variable of this.#assigned) {
        const view = await variable.beginUpdate({ inPlace: this.inPlace.includes(variable) })
        begun.push(variable)
        fetches[this.#resultName(variable)] = { kind: 'view', view: windowOf(view, variable, options.rows) }
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
      const value = Object.hasOwn(feeds, name) ? feeds[name] : undefined
      if (value === undefined)
        throw new OptionError(`input ${name} is missing`, { expected: `${spec.dtype}[${spec.shape.join(', ')}]` })
      return [name, checkFeed(name, spec, value, bindings)] as const
    })
    return Object.fromEntries(entries)
  }

  /** Sizes that were bound one by one must also agree with one another. */
  #checkSizes(bindings: Map<string, number>): void {
    const shapes = [...this.trace.inputs.values(), ...this.#fed].map(({ shape }) => shape)
    refuseContradictions(shapes, bindings)
    checkSizes(this.#sizeChecks, bindings)
  }

  #variableViews(rows: RowWindows | undefined, bindings: Map<string, number>): Record<string, Feed> {
    const entries = this.#fed.map((variable) => {
      const view = windowOf(variable.frontView(), variable, rows)
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

/** A name of its own for each variable: its path, with a number where that is taken. */
function nameVariables({ variables, inputs, outputs }: Trace): Map<Variable, string> {
  const names = new Map<Variable, string>()
  const taken = new Set<string>([...inputs.keys(), ...outputs.keys()])
  for (const variable of variables) {
    const base = variable.name === '' ? 'variable' : variable.name
    let name = variable.name === '' ? `${base}_${names.size}` : base
    for (let i = names.size; taken.has(name) || taken.has(nextName(name)); i++) name = `${base}#${i}`
    taken.add(name).add(nextName(name))
    names.set(variable, name)
  }
  return names
}

/** The result that is assigned to a variable. */
function nextName(variable: string): string {
  return `next:${variable}`
}

function refuseBrainFloats({ order }: Trace): void {
  const node = order.find(({ dtype }) => dtype === 'bfloat16')
  if (node !== undefined) throw new DTypeError(`${node} has no kernels in ONNX Runtime`, { fix: 'use float32 or float16' })
}

function refuseUnlessDisposed(error: unknown): void {
  if (!(error instanceof DisposedError)) throw error
}

function provenInPlace({ assignments, order, outputs }: Trace): Variable[] {
  const roots = new Set([...outputs.values(), ...assignments.map(({ value }) => value)])
  const consumers = consumersOf(order)
  const safe = assignments.filter(
    ({ kind, variable, value }) => kind === 'whole' && isSafeInPlace(variable.tensor, value, consumers, roots),
  )
  return safe.map(({ variable }) => variable)
}

/** Level `all` fuses x·σ(x) into a kernel that float64 lacks. */
function defaultOptimization({ order }: Trace): NonNullable<SessionOptions['optimization']> {
  return order.some((node) => node.dtype === 'float64') ? 'basic' : 'all'
}
