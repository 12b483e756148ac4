import type { ByteSource } from '../base/byte-source.ts'
import { FormatError, OptionError } from '../base/errors.ts'
import type { TextTokenizer } from '../base/model.ts'
import type { Placement } from '../base/placement.ts'
import type { StoredTensors } from '../base/stored-tensor.ts'
import { openSafetensors, openShards, readGguf, readSafetensorsIndex, readStoredTensor } from '../formats/index.ts'
import { openFileSource } from '../platform/file-source.ts'
import { exists, isFile, readFileBytes } from '../platform/files.ts'
import { currentFolder } from '../platform/folders.ts'
import { fileBeside } from '../platform/resolve-inside.ts'
import { tokenizerFromGguf } from '../tokenizers/index.ts'
import { checkCompanions } from '../train/index.ts'
import { ggufModel } from './gguf-model.ts'
import { ggufFactorTensors } from './gguf-places.ts'
import { readJson, readTokenizer } from './model-files.ts'
import type { TextSystem } from './system.ts'

/** A model's files, opened: what it is, and where its tensors lie. */
export interface Checkpoint extends AsyncDisposable {
  /** A config.json, or what would stand in one. */
  readonly config: unknown
  readonly tensors: StoredTensors
  readTokenizer(): Promise<TextTokenizer>
  /** What variables of the system get of a tensor. */
  place(key: string, system: TextSystem, options: unknown): readonly Placement[]
}

const indexName = 'model.safetensors.index.json'
const weightsName = 'model.safetensors'
/** Largest index: some hundred thousand tensors. */
const maxIndexBytes = 50_000_000

/**
 * Opens a GGUF file, or a folder with config.json, safetensors (one file, or several with an index) and a tokenizer. Throws DataError when a
 * file is missing, FormatError when one is malformed, OptionError on a file that another function reads.
 */
export async function openCheckpoint(path: string): Promise<Checkpoint> {
  return (await isFile(path)) ? openGguf(path) : openFolder(path)
}

const ggufMagic = 0x46554747 // 'GGUF'
const rwkvCppMagic = 0x67676d66

async function refuseOthers(file: ByteSource): Promise<void> {
  const head = await file.read(0, Math.min(4, file.byteLength))
  const magic = head.length < 4 ? undefined : new DataView(head.buffer, head.byteOffset).getUint32(0, true)
  if (magic === ggufMagic) return
  if (magic === rwkvCppMagic)
    throw new OptionError(`'${file.name}' is a file of rwkv.cpp`, {
      expected: 'a GGUF file or a model folder',
      fix: 'read it with loadRwkv7',
    })
  throw new FormatError(`'${file.name}' is no GGUF file`, {
    expected: 'a file that begins with GGUF, or a folder with config.json, safetensors and a tokenizer',
  })
}

async function openFolder(path: string): Promise<Checkpoint> {
  const folder = await currentFolder(path)
  const config = await readJson(folder, 'config.json')
  const files: AsyncDisposable[] = []
  const dispose = async () => {
    for (const file of files) await file[Symbol.asyncDispose]()
  }
  const open = async (path: string) => {
    const file = await openFileSource(path)
    files.push(file)
    return file
  }
  try {
    const tensors = await openTensors(folder, open)
    return {
      config,
      tensors,
      readTokenizer: () => readTokenizer(folder, config),
      place: (key, system, options) => system.place?.(key, options) ?? [{ name: key }],
      [Symbol.asyncDispose]: dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function openTensors(folder: string, open: (path: string) => Promise<ByteSource>): Promise<StoredTensors> {
  if (!(await exists(`${folder}/${weightsName}`)) && (await exists(`${folder}/${indexName}`))) {
    const index = readSafetensorsIndex(await readFileBytes(`${folder}/${indexName}`, { maxBytes: maxIndexBytes }))
    return openShards(index, async (name) => open(await fileBeside(folder, name)))
  }
  const { tensors, metadata } = await openSafetensors(await open(`${folder}/${weightsName}`))
  await checkCompanions(folder, metadata)
  return tensors
}

async function openGguf(path: string): Promise<Checkpoint> {
  const file = await openFileSource(path)
  try {
    await refuseOthers(file)
    const { metadata, tensors } = await readGguf(file)
    const { config, place } = ggufModel({ metadata, tensors }, await factorsOf(tensors))
    return {
      config,
      tensors,
      readTokenizer: async () => tokenizerFromGguf(metadata),
      place,
      [Symbol.asyncDispose]: () => file[Symbol.asyncDispose](),
    }
  } catch (error) {
    await file[Symbol.asyncDispose]()
    throw error
  }
}

/** Values of the small tensors that decide how positions are rotated. */
async function factorsOf(tensors: StoredTensors): Promise<ReadonlyMap<string, ArrayLike<number>>> {
  const factors = new Map<string, ArrayLike<number>>()
  for (const name of ggufFactorTensors) {
    const stored = tensors.get(name)
    if (stored !== undefined) factors.set(name, (await readStoredTensor(stored)).data as Float32Array)
  }
  return factors
}
