import type { ByteSource } from '../base/byte-source.ts'
import { FormatError } from '../base/errors.ts'
import type { StoredTensor, StoredTensors } from '../base/stored-tensor.ts'
import { isPlainFileName } from './file-names.ts'
import { isJsonObject, type JsonLimits, parseJson } from './json.ts'
import { openSafetensors } from './open-safetensors.ts'
import type { SafetensorsLimits } from './safetensors-header.ts'
import { quoted } from './text.ts'

/** The names of a checkpoint's tensors, by the file of the same folder that has them. */
export type SafetensorsIndex = ReadonlyMap<string, ReadonlySet<string>>

/** As deep as an index goes, with room for what its metadata may hold. */
const maxDepth = 16

/**
 * Reads `model.safetensors.index.json`, which tells which file has which tensor of a checkpoint in several files.
 *
 * @throws FormatError when it is no such index, is over a limit, or names a file that is not in its own folder.
 * @example
 * const index = readSafetensorsIndex(await readFile('model.safetensors.index.json'))
 * console.log([...index.keys()]) // ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']
 */
export function readSafetensorsIndex(bytes: Uint8Array, limits: JsonLimits = {}): SafetensorsIndex {
  const index = parseJson(bytes, { maxDepth, ...limits, what: 'safetensors index', refuseDuplicates: true })
  const map = isJsonObject(index) ? index.weight_map : undefined
  if (!isJsonObject(map)) throw new FormatError('safetensors index has no weight_map', { expected: 'an object of file names' })
  const files = new Map<string, Set<string>>()
  for (const [name, file] of Object.entries(map)) {
    if (typeof file !== 'string' || !isPlainFileName(file)) {
      const given = typeof file === 'string' ? quoted(file) : 'something that is no text'
      throw new FormatError(`safetensors index has tensor ${quoted(name)} in ${given}`, {
        expected: 'the name of a file in its own folder',
      })
    }
    const names = files.get(file) ?? new Set()
    files.set(file, names.add(name))
  }
  if (files.size === 0) throw new FormatError('safetensors index names no tensor')
  return files
}

/**
 * Where all tensors of a checkpoint in several files lie. `open` gives the file of a name; who opened the files closes them, and
 * not before the tensors are read.
 *
 * @throws FormatError when a file is no safetensors file, lacks a tensor that the index has in it, or has one that the index has not
 * in it; whatever `open` throws.
 * @example
 * const index = readSafetensorsIndex(await readFile('model/model.safetensors.index.json'))
 * const tensors = await openShards(index, (name) => openFileSource(`model/${name}`))
 */
export async function openShards(
  index: SafetensorsIndex,
  open: (name: string) => Promise<ByteSource>,
  limits: SafetensorsLimits = {},
): Promise<StoredTensors> {
  const all = new Map<string, StoredTensor>()
  for (const [file, names] of index) {
    const { tensors } = await openSafetensors(await open(file), limits)
    const missing = [...names].find((name) => !tensors.has(name))
    if (missing !== undefined) throw new FormatError(`${quoted(file)} lacks tensor ${quoted(missing)}, which the index has in it`)
    for (const [name, tensor] of tensors) {
      if (!names.has(name)) throw new FormatError(`${quoted(file)} has tensor ${quoted(name)}, which the index has not in it`)
      all.set(name, tensor)
    }
  }
  return all
}
