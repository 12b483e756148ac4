import { mkdirSync } from 'node:fs'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { architectureMetadata, architectureTensors, type GgufModel, type TensorPlan } from './gguf-architectures.ts'
import { encodeBlocks, type GgufType, ggufTypes, randomBlocks } from './gguf-blocks.ts'
import { type GgufValue, recordBytes, stringBytes, u32Bytes, u64Bytes } from './gguf-values.ts'
import { type VocabularyKind, vocabularyMetadata } from './gguf-vocabulary.ts'
import { namedSeed, uniformGenerator } from './random.ts'

export interface GgufOptions {
  /** Storage of matrices; vectors and learned positions are float32, as in public files. */
  readonly type: GgufType
  /** Storage of the output's matrix. Default: as `type`. */
  readonly outputType?: GgufType
  /** Storage of the embeddings. Default: as `type`. */
  readonly embeddingType?: GgufType
  /** Same seed, same numbers, whatever the type: a q8_0 file holds the rounded numbers of the f32 file. Default: 1. */
  readonly seed?: number
  /** Default: 'llama'. */
  readonly vocabulary?: VocabularyKind
  /** More records, or others in place of the writer's own. */
  readonly metadata?: Readonly<Record<string, GgufValue>>
  /** More float32 vectors, such as `rope_freqs.weight`. */
  readonly vectors?: Readonly<Record<string, Float32Array>>
}

interface PlacedTensor extends TensorPlan {
  readonly type: GgufType
  readonly byteLength: number
  readonly byteOffset: number
  readonly values?: Float32Array
}

const alignment = 32
const padded = (length: number) => Math.ceil(length / alignment) * alignment
/** Numbers made at a time: a multiple of every block. */
const piece = 2 ** 20

/**
 * Writes a GGUF file (version 3) of a network with random weights and a made-up vocabulary, piece by piece. The file appears under its
 * name when it is complete. Throws where a type's blocks do not fit the rows of a tensor.
 */
export async function writeGguf(path: string, model: GgufModel, options: GgufOptions): Promise<void> {
  const tensors = placeTensors(model, options)
  const metadata = {
    'general.architecture': { type: 'string', value: model.architecture },
    'general.name': { type: 'string', value: 'random weights' },
    'general.file_type': { type: 'u32', value: ggufTypes[options.type].fileType },
    ...architectureMetadata(model),
    ...vocabularyMetadata(options.vocabulary ?? 'llama', model.vocabularySize, options.seed ?? 1),
    ...options.metadata,
  } as const satisfies Record<string, GgufValue>
  mkdirSync(dirname(path), { recursive: true })
  const partial = `${path}.${process.pid}.partial`
  const file = await open(partial, 'w')
  try {
    await file.write(headBytes(metadata, tensors))
    for (const tensor of tensors) await writeTensor(file, tensor, options.seed ?? 1)
  } finally {
    await file.close()
  }
  await rename(partial, path)
}

function placeTensors(model: GgufModel, options: GgufOptions): PlacedTensor[] {
  let end = 0
  const place = (plan: TensorPlan, type: GgufType, values?: Float32Array): PlacedTensor => {
    const { elements, bytes } = ggufTypes[type]
    const columns = plan.shape.at(-1)!
    if (columns % elements !== 0)
      throw new Error(`${plan.name} has rows of ${columns}, which blocks of ${type} (${elements} each) do not divide`)
    const byteLength = (plan.shape.reduce((product, size) => product * size, 1) / elements) * bytes
    const byteOffset = end
    end = padded(end + byteLength)
    return { ...plan, type, byteLength, byteOffset, ...(values === undefined ? {} : { values }) }
  }
  const own = architectureTensors(model).map((plan) => place(plan, typeOf(plan, options)))
  const vectors = Object.entries(options.vectors ?? {}).map(([name, values]) =>
    place({ name, shape: [values.length], role: 'bias' }, 'f32', values),
  )
  return [...own, ...vectors]
}

function typeOf({ role }: TensorPlan, { type, outputType, embeddingType }: GgufOptions): GgufType {
  if (role === 'output') return outputType ?? type
  if (role === 'embedding') return embeddingType ?? type
  return role === 'matrix' ? type : 'f32'
}

function headBytes(metadata: Readonly<Record<string, GgufValue>>, tensors: readonly PlacedTensor[]): Buffer {
  const records = Object.entries(metadata)
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32Bytes(3),
    u64Bytes(tensors.length),
    u64Bytes(records.length),
    ...records.map(([key, value]) => recordBytes(key, value)),
    ...tensors.map(tensorRecord),
  ])
  return Buffer.concat([head, Buffer.alloc(padded(head.length) - head.length)])
}

/** Name, axes with the fastest first, type, offset from the start of the data. */
function tensorRecord({ name, shape, type, byteOffset }: PlacedTensor): Buffer {
  const axes = [...shape].reverse()
  return Buffer.concat([
    stringBytes(name),
    u32Bytes(axes.length),
    ...axes.map(u64Bytes),
    u32Bytes(ggufTypes[type].id),
    u64Bytes(byteOffset),
  ])
}

async function writeTensor(file: FileHandle, tensor: PlacedTensor, seed: number): Promise<void> {
  const uniform = uniformGenerator(namedSeed(seed, tensor.name))
  const count = tensor.shape.reduce((product, size) => product * size, 1)
  for (let done = 0; done < count; done += piece) await file.write(pieceBytes(tensor, Math.min(piece, count - done), uniform))
  await file.write(new Uint8Array(padded(tensor.byteLength) - tensor.byteLength))
}

function pieceBytes({ shape, role, type, values, byteLength }: PlacedTensor, count: number, uniform: () => number): Uint8Array {
  if (role === 'scale' || role === 'bias') {
    const out = new Uint8Array(byteLength)
    const centre = role === 'scale' ? 1 : 0
    encodeBlocks(type, values ?? new Float32Array(count).map(() => centre + 0.2 * uniform() - 0.1), out)
    return out
  }
  return randomBlocks(type, count, 1 / Math.sqrt(shape[1]!), uniform)
}
