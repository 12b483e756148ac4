import { openChildArm } from '../lib/child-arm.ts'
import type { DecodeRun, DecodeTimes, EngineSpec, ExtendRun, ServedTimes, ServeRun, SoakFindings, SoakRun } from './arm.ts'
import type { EngineName } from './arms.ts'

/** What an engine's process is asked. */
export type Request =
  | { readonly kind: 'open'; readonly spec: EngineSpec }
  | { readonly kind: 'decode'; readonly run: DecodeRun }
  | { readonly kind: 'extend'; readonly run: ExtendRun }
  | { readonly kind: 'serve'; readonly run: ServeRun }
  | { readonly kind: 'soak'; readonly run: SoakRun }
  | { readonly kind: 'memory' }

export interface ProcessMemory {
  /** Bytes now. */
  readonly resident: number
  /** Bytes at most so far. */
  readonly peak: number
}

/** An engine in a process of its own, which stands still except while it answers. */
export interface IsolatedEngine {
  readonly description: string
  /** From the start of loading until the first call could be made, in ms. */
  readonly loading: number
  decode(run: DecodeRun): Promise<DecodeTimes>
  extend(run: ExtendRun): Promise<number[]>
  serve(run: ServeRun): Promise<ServedTimes>
  soak(run: SoakRun): Promise<SoakFindings>
  memory(): Promise<ProcessMemory>
  close(): Promise<void>
}

export async function openIsolated(name: EngineName, spec: EngineSpec): Promise<IsolatedEngine> {
  const child = openChildArm<Request>(new URL('./arm-process.ts', import.meta.url), [name])
  const ask = async (request: Request): Promise<unknown> => {
    child.pause(false)
    const answer = await child.ask(request)
    child.pause(true)
    return answer
  }
  try {
    const opened = (await ask({ kind: 'open', spec })) as { readonly description: string; readonly loading: number }
    return {
      ...opened,
      decode: async (run) => (await ask({ kind: 'decode', run })) as DecodeTimes,
      extend: async (run) => (await ask({ kind: 'extend', run })) as number[],
      serve: async (run) => (await ask({ kind: 'serve', run })) as ServedTimes,
      soak: async (run) => (await ask({ kind: 'soak', run })) as SoakFindings,
      memory: async () => (await ask({ kind: 'memory' })) as ProcessMemory,
      close: child.close,
    }
  } catch (error) {
    await child.close()
    throw error
  }
}
