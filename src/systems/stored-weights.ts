import type { ByteRange } from '../base/byte-source.ts'
import type { HostTensor } from '../base/dtype.ts'
import { MismatchError } from '../base/errors.ts'
import type { Placement } from '../base/placement.ts'
import type { BlockType, StoredTensor, StoredTensors } from '../base/stored-tensor.ts'
import { isBlockType } from '../formats/block-types.ts'
import {
  type BlockFormat,
  checkFit,
  type Module,
  namedVariables,
  nameVariables,
  placesIn,
  QuantizedMatrix,
  twinFormat,
  WeightHolder,
} from '../nn/index.ts'
import type { Variable } from '../tensor/index.ts'
import { type ConvertOptions, convertBlocks, convertValues, type Source } from './convert-weights.ts'
import { attachingKeeper, memoryKeeper, scratchKeeper, type WeightKeeper } from './weight-keeper.ts'

/**
 * What becomes of a checkpoint's weights. `stored`: blocks stay blocks (those that have no equal among our formats are rounded to 8 bits),
 * floats become float32; `float32`: all do; a format: every matrix is rounded to it.
 */
export type WeightsOption = 'stored' | 'float32' | BlockFormat

export interface LoadWeightsOptions extends ConvertOptions {
  readonly weights: WeightsOption
  /** Whether the runtime may map files: large weights are then never held twice. */
  readonly mapped: boolean
  /** Called after each variable, with bytes of the checkpoint. */
  readonly onProgress?: (loadedBytes: number, totalBytes: number) => void
  /** Checkpoints of fewer bytes are held in memory: a file would cost more than it saves. Default 2²⁵. */
  readonly leastMapped?: number
}

type Sources = ReadonlyMap<string, Source>

/**
 * Gives a network the weights of a checkpoint, one tensor at a time. Throws MismatchError, before anything is read, unless every variable gets
 * exactly one tensor that fits. What comes back must live as long as the network, and the checkpoint's files too.
 */
export async function loadStoredWeights(
  network: Module,
  tensors: StoredTensors,
  place: (key: string) => readonly Placement[],
  options: LoadWeightsOptions,
): Promise<AsyncDisposable> {
  const sources = sourcesOf(tensors, place)
  const matrices = quantizePlaces(network, sources, options.weights)
  nameVariables(network)
  checkSources(network, sources, matrices)
  const keeper = await keeperFor(network, sources, options)
  try {
    await fill({ network, sources, matrices }, options, keeper)
  } catch (error) {
    await keeper[Symbol.asyncDispose]()
    throw error
  }
  return keeper
}

function sourcesOf(tensors: StoredTensors, place: (key: string) => readonly Placement[]): Sources {
  const sources = new Map<string, Source>()
  for (const [key, stored] of tensors) {
    const placements = place(key)
    checkParts(key, stored, placements)
    for (const placement of placements) {
      if (sources.has(placement.name)) throw new MismatchError(`two tensors are named ${placement.name}`, { expected: 'one' })
      sources.set(placement.name, { stored, placement })
    }
  }
  return sources
}

/** Parts that a tensor holds one after another are all of it. */
function checkParts(key: string, { shape }: StoredTensor, placements: readonly Placement[]): void {
  const ends = placements.flatMap(({ rows }) => (rows === undefined ? [] : [rows[1]]))
  if (ends.length === 0) return
  const rows = placements[0]!.transpose ? shape.at(-1) : shape[0]
  if (Math.max(...ends) !== rows)
    throw new MismatchError(`tensor ${key} has shape [${shape.join(', ')}]`, {
      expected: `${Math.max(...ends)} rows, of ${placements.length} parts`,
    })
}

/** Quantised matrices that are to be filled from tensors of other types, by name. */
type Matrices = ReadonlyMap<string, QuantizedMatrix>

/** Puts empty quantised matrices where the checkpoint has blocks, or the caller wants them. */
function quantizePlaces(network: Module, sources: Sources, weights: WeightsOption): Matrices {
  const matrices = new Map<string, QuantizedMatrix>()
  for (const { path, value } of [...placesIn(network)]) {
    const source = sources.get(`${path}.weight`)
    if (!(value instanceof WeightHolder) || source === undefined || value.weight instanceof QuantizedMatrix) continue
    const format = formatOf(source, weights)
    if (format === undefined) continue
    const [rows, columns] = value.weight.concreteShape as [number, number]
    const matrix = new QuantizedMatrix(rows, columns, format)
    ;(value as { weight: QuantizedMatrix | Variable }).weight = matrix
    matrices.set(`${path}.weight`, matrix)
  }
  return matrices
}

function formatOf({ stored, placement }: Source, weights: WeightsOption): BlockFormat | undefined {
  if (typeof weights === 'object') return weights
  if (weights === 'float32' || !isBlockType(stored.type) || placement.transpose || placement.add !== undefined) return undefined
  return keptFormat(stored.type)
}

/** The blocks that a matrix of a type is kept in. */
export function keptFormat(type: BlockType): BlockFormat | undefined {
  return twinFormat(type) ?? roundedFormats[type]
}

/** For block types without an equal: rounding moves a weight by at most 1/254 of its block's largest. */
const roundedFormats: { readonly [Type in BlockType]?: BlockFormat } = {
  q5_0: { bits: 8, blockSize: 32 },
  q4_1: { bits: 8, blockSize: 32 },
  q5_1: { bits: 8, blockSize: 32 },
  q4_k: { bits: 8, blockSize: 32 },
  q5_k: { bits: 8, blockSize: 32 },
  q6_k: { bits: 8, blockSize: 16 },
}

/** Every variable has one tensor of its shape, and every tensor a variable. */
function checkSources(network: Module, sources: Sources, matrices: Matrices): void {
  const found = new Map<string, Omit<HostTensor, 'data'>>()
  for (const [name, { stored, placement }] of sources) {
    const matrix = matrices.get(name)
    const shape = placedShape(stored.shape, placement)
    const whole = { dtype: isBlockType(stored.type) ? ('float32' as const) : stored.type, shape }
    if (matrix === undefined || String(shape) !== String(matrix.shape)) found.set(name, whole)
    else
      for (const [part, { dtype, concreteShape }] of partsOf(matrix)) found.set(`${name}.${part}`, { dtype, shape: concreteShape })
  }
  checkFit(namedVariables(network), found, 'the checkpoint')
}

function partsOf({ blocks, scales }: QuantizedMatrix) {
  return [['blocks', blocks] as const, ['scales', scales] as const]
}

function placedShape(shape: readonly number[], { transpose, rows }: Placement): readonly number[] {
  const turned = transpose ? shape.toReversed() : shape
  return rows === undefined ? turned : turned.with(0, rows[1] - rows[0])
}

/** Files are mapped where they are when no large tensor must be converted: the runtime has the external files of a model in one folder. */
async function keeperFor(network: Module, sources: Sources, options: LoadWeightsOptions): Promise<WeightKeeper> {
  const { mapped, leastMapped = 2 ** 25 } = options
  const variables = namedVariables(network)
  if (!mapped || bytesOf([...sources.values()]) < leastMapped) return memoryKeeper()
  const converted = [...sources].filter(([name, source]) => {
    const variable = variables.get(name)
    return variable === undefined || rangeOf(source, variable) === undefined
  })
  return bytesOf(converted.map(([, source]) => source)) < leastMapped ? attachingKeeper() : scratchKeeper()
}

/** Of the checkpoint's files. A tensor may hold the rows of several variables. */
function bytesOf(sources: readonly Source[]): number {
  return sources.reduce((total, { stored: { shape, byteLength }, placement: { transpose, rows } }) => {
    const share = rows === undefined ? 1 : (rows[1] - rows[0]) / (transpose ? shape.at(-1)! : shape[0]!)
    return total + Math.round(byteLength * share)
  }, 0)
}

async function fill(
  { network, sources, matrices }: { network: Module; sources: Sources; matrices: Matrices },
  options: LoadWeightsOptions,
  keeper: WeightKeeper,
): Promise<void> {
  const variables = namedVariables(network)
  const total = bytesOf([...sources.values()])
  let loaded = 0
  for (const [name, source] of sources) {
    options.signal?.throwIfAborted()
    const matrix = matrices.get(name)
    if (matrix === undefined) await keepVariable(variables.get(name)!, source, keeper, options)
    else await keepMatrix(matrix, source, keeper, options)
    loaded += bytesOf([source])
    options.onProgress?.(loaded, total)
  }
  await keeper.finish()
}

async function keepVariable(variable: Variable, source: Source, keeper: WeightKeeper, options: ConvertOptions): Promise<void> {
  const range = rangeOf(source, variable)
  if (range === undefined) await keeper.keep(variable, await convertValues(source, variable, options))
  else await keeper.keepRange(variable, range)
}

async function keepMatrix(matrix: QuantizedMatrix, source: Source, keeper: WeightKeeper, options: ConvertOptions): Promise<void> {
  const { blocks, scales } = await convertBlocks(matrix, source, options)
  await keeper.keep(matrix.blocks, blocks)
  await keeper.keep(matrix.scales, scales)
}

/** Where a variable's own bytes lie in the checkpoint, when nothing has to be done to them. */
function rangeOf({ stored, placement }: Source, variable: Variable): ByteRange | undefined {
  const { source, shape, byteOffset, byteLength } = stored
  const { transpose, order, add, rows } = placement
  if (stored.type !== variable.dtype || transpose || order !== undefined || add !== undefined) return undefined
  if (rows === undefined) return { source, byteOffset, byteLength }
  const rowBytes = byteLength / shape[0]!
  return { source, byteOffset: byteOffset + rows[0] * rowBytes, byteLength: (rows[1] - rows[0]) * rowBytes }
}
