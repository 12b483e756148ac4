import type { ByteRange, ByteSource } from '../base/byte-source.ts'
import type { Device } from '../platform/device.ts'
import type { InitialValue } from './emit.ts'
import type { Variable } from './variable.ts'

export interface MappedValues {
  /** The folder of all files below; undefined when there are none. */
  readonly folder: string | undefined
  readonly sources: ReadonlySet<ByteSource>
  readonly values: ReadonlyMap<Variable, InitialValue>
}

/** Smaller tensors (norms, biases) go into the model: nothing is gained by mapping them. */
const leastBytes = 2 ** 16

/**
 * Attached values that the runtime is to map from their files, so that weights are never held twice. A model has its external files in one folder:
 * the one with the most bytes; what lies elsewhere is read.
 */
export function mappedValues(variables: readonly Variable[], device: Device): MappedValues {
  const files = variables.flatMap((variable) => placeOf(variable) ?? [])
  const folder = device.info.driver === 'onnxruntime-web' ? undefined : largestFolder(files)
  const chosen = files.filter((file) => file.folder === folder)
  const values = chosen.map(({ variable, range, location }) => {
    const external = { location, offset: range.byteOffset, length: range.byteLength }
    return [variable, { dtype: variable.dtype, shape: variable.concreteShape, external }] as const
  })
  return { folder, sources: new Set(chosen.map(({ range }) => range.source)), values: new Map(values) }
}

interface FilePlace {
  readonly variable: Variable
  readonly range: ByteRange
  readonly folder: string
  readonly location: string
}

function placeOf(variable: Variable): FilePlace | undefined {
  const { range } = variable
  if (range?.source.path === undefined || range.byteLength < leastBytes) return undefined
  const { path } = range.source
  const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'))
  return { variable, range, folder: path.slice(0, cut), location: path.slice(cut + 1) }
}

function largestFolder(files: readonly FilePlace[]): string | undefined {
  const bytes = new Map<string, number>()
  for (const { folder, range } of files) bytes.set(folder, (bytes.get(folder) ?? 0) + range.byteLength)
  return [...bytes].sort(([, a], [, b]) => b - a)[0]?.[0]
}
