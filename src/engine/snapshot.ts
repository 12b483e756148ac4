import type { HostTensor, TypedArray } from '../base/dtype.ts'
import { FormatError, MismatchError } from '../base/errors.ts'
import { readSafetensors, writeSafetensors } from '../formats/index.ts'
import { sha256 } from '../platform/digest.ts'
import type { Inputs, Program, Results, Variable } from '../tensor/index.ts'

/** A state as it is written: which model's, how many positions, and its tensors by name. */
export interface Snapshot {
  /** See `fingerprint`. */
  readonly model: string
  readonly length: number
  readonly floor: number
  readonly intact: number
  readonly tensors: ReadonlyMap<string, HostTensor>
}

const kind = 'nextx-state'
/** Of the tensors' names and shapes. */
const layoutVersion = '1'

/**
 * SHA-256 of what is computed (so that other settings are another model) and of the weights' names, types, shapes and values. `except`: variables
 * that are state.
 */
export async function fingerprint(
  program: Pick<Program<Inputs, Results>, 'graph' | 'trace'>,
  except: readonly Variable[] = [],
): Promise<string> {
  const parts: Uint8Array[] = [await program.graph()]
  for (const variable of program.trace.variables) {
    if (except.includes(variable)) continue
    const data = await variable.read()
    const digest = sha256([new Uint8Array(data.buffer, data.byteOffset, data.byteLength)])
    parts.push(new TextEncoder().encode(`${variable.name} ${variable.dtype} [${variable.concreteShape}] ${digest}\n`))
  }
  return sha256(parts)
}

/** A safetensors file with a checksum. */
export function encodeSnapshot({ model, length, floor, intact, tensors }: Snapshot): Uint8Array {
  const facts = { model, length: String(length), floor: String(floor), intact: String(intact) }
  const metadata = { kind, layout: layoutVersion, ...facts, checksum: checksumOf(tensors, Object.values(facts)) }
  return writeSafetensors(tensors, new Map(Object.entries(metadata)))
}

/** Throws FormatError when the bytes are no state or were damaged, MismatchError when they are of another layout or model. */
export function decodeSnapshot(bytes: Uint8Array, model: string): Snapshot {
  const { tensors, metadata } = readSafetensors(bytes)
  if (metadata.get('kind') !== kind) throw new FormatError('the file is no saved state', { expected: 'what `save` gave' })
  if (metadata.get('layout') !== layoutVersion)
    throw new MismatchError(`the state has layout ${metadata.get('layout')}`, { expected: layoutVersion, fix: 'compute it anew' })
  const saved = metadata.get('model') ?? ''
  const [length, floor, intact] = ['length', 'floor', 'intact'].map((key) => countOf(metadata, key)) as [number, number, number]
  if (metadata.get('checksum') !== checksumOf(tensors, [saved, length, floor, intact]))
    throw new FormatError('the saved state is damaged: its checksum differs')
  if (saved !== model)
    throw new MismatchError('the state was saved by a model with other weights', { fix: 'restore it with the model that saved it' })
  return { model, length, floor, intact, tensors }
}

function countOf(metadata: ReadonlyMap<string, string>, key: string): number {
  const text = metadata.get(key) ?? ''
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new FormatError(`the saved state has ${key} ${JSON.stringify(text)}`)
  return value
}

function checksumOf(tensors: ReadonlyMap<string, HostTensor>, facts: readonly unknown[]): string {
  const names = [...tensors.keys()].sort()
  const encoder = new TextEncoder()
  const pieces = names.flatMap((name) => {
    const { dtype, shape, data } = tensors.get(name)!
    return [encoder.encode(`${name} ${dtype} [${shape}]\n`), new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]
  })
  return sha256([encoder.encode(`${facts}\n`), ...pieces])
}

/** The data of the tensors that a cache has. Throws MismatchError unless the snapshot has exactly these. */
export function snapshotData(
  { tensors }: Snapshot,
  expected: ReadonlyMap<string, Omit<HostTensor, 'data'>>,
): (name: string) => TypedArray {
  const fits = [...expected].every(([name, { dtype, shape }]) => {
    const tensor = tensors.get(name)
    return tensor?.dtype === dtype && String(tensor.shape) === String(shape)
  })
  if (tensors.size !== expected.size || !fits) {
    throw new MismatchError('the saved state does not fit the cache of this stepper', {
      fix: 'open the stepper with the storage that the state was saved with',
    })
  }
  return (name) => tensors.get(name)!.data
}
