import { NonFiniteError, OptionError } from '../base/errors.ts'
import { refuseUnknown } from '../base/options.ts'
import { Variable } from '../tensor/index.ts'
import { type Compensated, compensateWeights } from './gptq.ts'
import { type Calibration, collectHessians } from './hessians.ts'
import { type Module, nameVariables, type Place, placesIn } from './module.ts'
import { type BlockFormat, QuantizedMatrix, type QuantizedValues, WeightHolder } from './quantized-matrix.ts'
import { type Clip, checkRounding, type RoundOptions, roundWeights, widenWeights } from './round-weights.ts'

/** How weights become codes. */
export interface RoundingMethod {
  readonly name: string
  /** Rounds matrices of one part of the network, whose earlier parts are quantised already. */
  prepare(weights: readonly Variable[]): Promise<(weight: Variable, values: Float32Array, options: RoundOptions) => Rounded>
}

export type Rounded = Pick<Compensated, 'values'> & Partial<Pick<Compensated, 'damping'>>

export interface QuantizeOptions extends BlockFormat {
  /** Which matrices, by name (as 'model.layers.0.mlp.up_proj.weight'). Default: the weights of all linear layers and embeddings. */
  readonly selects?: (name: string) => boolean
  /** Default: each weight takes the nearest code. */
  readonly method?: RoundingMethod
  readonly clip?: Clip
  readonly signal?: AbortSignal
  readonly onProgress?: (done: number, total: number, name: string) => void
}

const optionNames = ['bits', 'blockSize', 'selects', 'method', 'clip', 'signal', 'onProgress'] satisfies (keyof QuantizeOptions)[]

export interface QuantizedReport {
  readonly name: string
  readonly shape: readonly [number, number]
  /** √(Σ(ŵ − w)² / Σw²). */
  readonly relativeError: number
  readonly bytes: { readonly before: number; readonly after: number }
  /** What GPTQ added to the diagonal of its Hessian, as a part of the mean. */
  readonly damping?: number
}

/** Each weight takes the nearest code. */
export function nearest(): RoundingMethod {
  return {
    name: 'nearest',
    prepare: async () => (weight, values, options) => {
      const [rows, columns] = weight.concreteShape as [number, number]
      return { values: roundWeights(values, rows, columns, options) }
    },
  }
}

/**
 * Columns make up for the errors of those before them, as calibration inputs show them to be correlated (Frantar et al. 2023). Weights that
 * multiply nothing, as those of embeddings, take the nearest codes.
 */
export function gptq(calibration: Calibration, options: { readonly damping?: number } = {}): RoundingMethod {
  refuseUnknown(options, ['damping'], 'gptq')
  return {
    name: 'gptq',
    prepare: async (weights) => {
      const hessians = await collectHessians(weights, calibration)
      return (weight, values, format) => {
        const [rows, columns] = weight.concreteShape as [number, number]
        const hessian = hessians.get(weight)
        if (hessian === undefined) return { values: roundWeights(values, rows, columns, format) }
        return compensateWeights(values, rows, columns, hessian, { ...format, ...options })
      }
    },
  }
}

/**
 * Puts quantised matrices in the place of the weights of linear layers and embeddings, and frees those. Parts of the network are taken in
 * turn: a method that looks at inputs sees those that the quantised parts before it make. What is traced later computes with the new
 * weights. When it is aborted, the matrices so far are quantised.
 * @throws OptionError on a format that the kernels lack, when nothing is selected, or on adapters in the module; NonFiniteError naming a
 * matrix that is not finite. The module is unchanged then.
 * @example
 * class Model { readonly output = new Linear(64, 16) }
 * const [report] = await quantizeModule(new Model(), { bits: 4, blockSize: 32 })
 */
export async function quantizeModule(module: Module, options: QuantizeOptions): Promise<QuantizedReport[]> {
  refuseUnknown(options, optionNames, 'quantizeModule')
  checkRounding(options)
  const { selects = () => true, method = nearest(), signal, onProgress } = options
  const matrices = matricesIn(module).filter(({ name }) => selects(name))
  if (matrices.length === 0) {
    const names = matricesIn(module).map(({ name }) => name)
    throw new OptionError('quantizeModule: no matrix is selected', {
      expected: `some of ${names.slice(0, 12).join(', ') || 'none'}`,
    })
  }
  await refuseNonFinite(matrices)
  const reports: QuantizedReport[] = []
  for (const part of partsOf(matrices)) {
    signal?.throwIfAborted()
    const round = await method.prepare(part.map(({ weight }) => weight))
    for (const matrix of part) {
      signal?.throwIfAborted()
      reports.push(await quantize(matrix, options, round))
      onProgress?.(reports.length, matrices.length, matrix.name)
    }
  }
  nameVariables(module)
  return reports
}

/** A weight, and every layer that has it. */
interface Matrix {
  readonly name: string
  readonly weight: Variable
  readonly places: readonly Place[]
}

/** Throws OptionError on weights that adapters train. */
export function matricesIn(module: Module): Matrix[] {
  const places = new Map<Variable, Place[]>()
  for (const place of placesIn(module)) {
    if (!(place.value instanceof Variable)) continue
    if (/\.lora_[AB]\.weight$/.test(place.path))
      throw new OptionError(`${place.path} is an adapter`, { fix: 'merge or remove adapters before quantising' })
    places.set(place.value, [...(places.get(place.value) ?? []), place])
  }
  return Array.from(places, ([weight, places]) => ({ name: places[0]!.path, weight, places })).filter(isMatrix)
}

function isMatrix({ weight, places }: Matrix): boolean {
  const held = places.every(({ holder, field }) => holder instanceof WeightHolder && field === 'weight')
  return held && weight.dtype === 'float32' && weight.shape.length === 2
}

async function refuseNonFinite(matrices: readonly Matrix[]): Promise<void> {
  for (const { name, weight } of matrices) {
    const values = (await weight.read()) as Float32Array
    const place = values.findIndex((value) => !Number.isFinite(value))
    if (place >= 0)
      throw new NonFiniteError(`${name}: value ${place} is ${values[place]}`, { fix: 'quantise weights that are finite' })
  }
}

/** Matrices that share the path up to its first number: those of one block of a network. */
function partsOf(matrices: readonly Matrix[]): Matrix[][] {
  const parts = new Map<string, Matrix[]>()
  for (const matrix of matrices) {
    const part = matrix.name.match(/^.*?\.\d+(?=\.)/)?.[0] ?? matrix.name
    parts.set(part, [...(parts.get(part) ?? []), matrix])
  }
  return [...parts.values()]
}

async function quantize(
  { name, weight, places }: Matrix,
  { bits, blockSize, clip }: QuantizeOptions,
  round: Awaited<ReturnType<RoundingMethod['prepare']>>,
): Promise<QuantizedReport> {
  const [rows, columns] = weight.concreteShape as [number, number]
  const values = (await weight.read()) as Float32Array
  const { values: rounded, damping } = round(weight, values, { bits, blockSize, ...(clip !== undefined && { clip }) })
  const matrix = new QuantizedMatrix(rows, columns, { bits, blockSize })
  await matrix.write(rounded)
  for (const { holder } of places) (holder as { weight: QuantizedMatrix }).weight = matrix
  await weight.dispose()
  return {
    name,
    shape: [rows, columns],
    relativeError: relativeError(values, rounded, columns),
    bytes: { before: values.byteLength, after: rounded.blocks.byteLength + rounded.scales.byteLength },
    ...(damping !== undefined && { damping }),
  }
}

function relativeError(weights: Float32Array, rounded: QuantizedValues, columns: number): number {
  const widened = widenWeights(rounded, columns)
  let [error, size] = [0, 0]
  for (let i = 0; i < weights.length; i++) {
    error += (widened[i]! - weights[i]!) ** 2
    size += weights[i]! ** 2
  }
  return size === 0 ? 0 : Math.sqrt(error / size)
}
