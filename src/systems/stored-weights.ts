import type { ByteRange } from '../base/byte-source.ts'
import type { HostTensor, TypedArray } from '../base/dtype.ts'
import { MismatchError } from '../base/errors.ts'
import { fromHalf } from '../base/half.ts'
import type { Placement } from '../base/placement.ts'
import type { BlockType, StoredTensor, StoredTensors } from '../base/stored-tensor.ts'
import { isBlockType } from '../formats/block-types.ts'
import { readStoredTensor } from '../formats/index.ts'
import {
  type BlockFormat,
  checkFit,
  type Module,
  namedVariables,
  nameVariables,
  placedValues,
  placesIn,
  QuantizedMatrix,
  type QuantizedValues,
  repackBlocks,
  roundWeights,
  twinFormat,
  WeightHolder,
} from '../nn/index.ts'
import type { Variable } from '../tensor/index.ts'
import { attachingKeeper, memoryKeeper, scratchKeeper, type WeightKeeper } from './weight-keeper.ts'

/**
 * What becomes of a checkpoint's weights. `stored`: blocks stay blocks (those that have no equal among our formats are rounded to 8 bits),
 * floats become float32; `float32`: all do; a format: every matrix is rounded to it.
 */
export type WeightsOption = 'stored' | 'float32' | BlockFormat

export interface LoadWeightsOptions {
  readonly weights: WeightsOption
  /** Whether the runtime may map files: large weights are then never held twice. */
  readonly mapped: boolean
  readonly signal?: AbortSignal
  /** Called after each tensor. */
  readonly onProgress?: (loadedBytes: number, totalBytes: number) => void
}

/** What one variable, or one quantised matrix, is made of. */
interface Source {
  readonly stored: StoredTensor
  readonly placement: Placement
}

type Sources = ReadonlyMap<string, Source>

/** Checkpoints of fewer bytes are held in memory: a file would cost more than it saves. */
const leastMapped = 2 ** 25

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
  const keeper = await keeperFor(network, sources, options.mapped)
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
    for (const placement of place(key)) {
      if (sources.has(placement.name)) throw new MismatchError(`two tensors are named ${placement.name}`, { expected: 'one' })
      sources.set(placement.name, { stored, placement })
    }
  }
  return sources
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
  return twinFormat(stored.type) ?? roundedFormats[stored.type]
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
async function keeperFor(network: Module, sources: Sources, mapped: boolean): Promise<WeightKeeper> {
  const variables = namedVariables(network)
  const bytes = [...sources.values()].reduce((total, { stored }) => total + stored.byteLength, 0)
  if (!mapped || bytes < leastMapped) return memoryKeeper()
  const converted = [...sources].filter(([name, source]) => {
    const variable = variables.get(name)
    return variable === undefined || rangeOf(source, variable) === undefined
  })
  const convertedBytes = converted.reduce((total, [, { stored }]) => total + stored.byteLength, 0)
  return convertedBytes < leastMapped ? attachingKeeper() : scratchKeeper()
}

async function fill(
  { network, sources, matrices }: { network: Module; sources: Sources; matrices: Matrices },
  { signal, onProgress }: LoadWeightsOptions,
  keeper: WeightKeeper,
): Promise<void> {
  const variables = namedVariables(network)
  const total = [...sources.values()].reduce((sum, { stored }) => sum + stored.byteLength, 0)
  let loaded = 0
  for (const [name, source] of sources) {
    signal?.throwIfAborted()
    const matrix = matrices.get(name)
    if (matrix === undefined) await keepVariable(variables.get(name)!, source, keeper)
    else await keepMatrix(matrix, source, keeper)
    loaded += source.stored.byteLength
    onProgress?.(loaded, total)
  }
  await keeper.finish()
}

async function keepVariable(variable: Variable, source: Source, keeper: WeightKeeper): Promise<void> {
  const range = rangeOf(source, variable)
  if (range === undefined) await keeper.keep(variable, valuesOf(await readPlaced(source), variable))
  else await keeper.keepRange(variable, range)
}

async function keepMatrix(matrix: QuantizedMatrix, source: Source, keeper: WeightKeeper): Promise<void> {
  const { blocks, scales } = await blocksOf(matrix, source)
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

async function readPlaced({ stored, placement }: Source): Promise<HostTensor> {
  return placedValues(await readStoredTensor(stored), placement)
}

function valuesOf(tensor: HostTensor, { dtype }: Variable): TypedArray {
  return tensor.dtype === dtype ? tensor.data : floatsOf(tensor)
}

function floatsOf({ dtype, data }: HostTensor): Float32Array {
  if (dtype !== 'float16' && dtype !== 'bfloat16') return data as Float32Array
  return Float32Array.from(data as Uint16Array, (bits) => fromHalf(bits, dtype))
}

/** A quantised matrix's values: the checkpoint's own blocks where they have an equal, rounded ones elsewhere. */
async function blocksOf({ bits, blockSize, shape: [rows, columns] }: QuantizedMatrix, source: Source): Promise<QuantizedValues> {
  const { type, shape, byteOffset, byteLength } = source.stored
  const twin = isBlockType(type) ? twinFormat(type) : undefined
  if (isBlockType(type) && twin?.bits === bits && twin.blockSize === blockSize) {
    const bytes = await source.stored.source.read(byteOffset, byteLength)
    return placedBlocks(repackBlocks(type, bytes, shape[0]!, columns), shape[0]!, source.placement)
  }
  return roundWeights(floatsOf(await readPlaced(source)), rows, columns, { bits, blockSize })
}

/** Rows of blocks are chosen and ordered as rows of values are. */
function placedBlocks(values: QuantizedValues, rows: number, placement: Placement): QuantizedValues {
  const placed = <T extends Uint8Array | Float32Array>(dtype: 'uint8' | 'float32', data: T): T =>
    placedValues({ dtype, shape: [rows, data.length / rows], data }, placement).data as T
  return { ...values, blocks: placed('uint8', values.blocks), scales: placed('float32', values.scales) }
}
