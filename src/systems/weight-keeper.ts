import type { ByteRange } from '../base/byte-source.ts'
import type { TypedArray } from '../base/dtype.ts'
import { openScratchFile } from '../platform/scratch-file.ts'
import type { Variable } from '../tensor/index.ts'

/** Puts a checkpoint's values where a program will find them. */
export interface WeightKeeper extends AsyncDisposable {
  /** Values that had to be computed. */
  keep(variable: Variable, values: TypedArray): Promise<void>
  /** Values that lie in a file as the variable has them. */
  keepRange(variable: Variable, range: ByteRange): Promise<void>
  /** When all are kept. */
  finish(): Promise<void>
}

/** In memory. */
export function memoryKeeper(): WeightKeeper {
  return {
    keep: (variable, values) => variable.write(values, variable.concreteShape),
    keepRange: async (variable, range) => {
      variable.attach(range)
      await variable.write(await variable.read())
    },
    finish: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** Where they are: for checkpoints whose large tensors need no conversion, so that the runtime can map their own files. */
export function attachingKeeper(): WeightKeeper {
  return { ...memoryKeeper(), keepRange: async (variable, range) => variable.attach(range) }
}

/** In a file that the runtime will map, so that converted weights are never in memory twice. */
export async function scratchKeeper(): Promise<WeightKeeper> {
  const scratch = await openScratchFile()
  const places: { variable: Variable; place: Pick<ByteRange, 'byteOffset' | 'byteLength'> }[] = []
  const append = async (variable: Variable, bytes: Uint8Array) => {
    places.push({ variable, place: await scratch.append([bytes]) })
  }
  return {
    keep: (variable, values) => append(variable, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
    keepRange: async (variable, { source, byteOffset, byteLength }) => append(variable, await source.read(byteOffset, byteLength)),
    async finish() {
      const source = await scratch.finish()
      for (const { variable, place } of places) variable.attach({ source, ...place })
    },
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  }
}
