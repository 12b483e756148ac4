import { type Argument, loadOrtCApi, type NativeFunction, type OrtCApi } from '../../../src/platform/ort-c-api.ts'

/** Functions that make an object of ONNX Runtime each time they succeed. */
const makers: ReadonlySet<string> = new Set([
  'CreateEnv',
  'CreateCpuMemoryInfo',
  'CreateSessionOptions',
  'CreateSessionFromArray',
  'CreateTensorWithDataAsOrtValue',
  'GetTensorTypeAndShape',
  'SessionGetInputTypeInfo',
  'SessionGetOutputTypeInfo',
  'SessionGetInputName',
  'SessionGetOutputName',
])

export interface CountingApi {
  readonly api: OrtCApi
  /** Objects that were made and not released, a failure's status and an output that ONNX Runtime made among them. */
  living(): number
}

/** The real API, changed if need be, counting what lives. */
export async function counting(change: (api: OrtCApi) => OrtCApi = (api) => api): Promise<CountingApi> {
  const counter = { living: 0 }
  const api = change(await loadOrtCApi())
  const functions = Object.fromEntries(Object.entries(api.functions).map(([name, call]) => [name, counted(name, call, counter)]))
  return { api: { ...api, functions: functions as OrtCApi['functions'] }, living: () => counter.living }
}

function counted(name: string, call: NativeFunction, counter: { living: number }): NativeFunction {
  const note = (result: unknown): void => {
    counter.living += name.startsWith('Release') || name === 'AllocatorFree' ? -1 : made(name, result)
  }
  const here = (...args: readonly Argument[]): unknown => {
    const result = call(...args)
    note(result)
    return result
  }
  const later = async (...args: readonly Argument[]): Promise<unknown> => {
    const outputs = name === 'Run' ? (args.at(-1) as BigUint64Array) : new BigUint64Array(0)
    const before = outputs.slice()
    const result = await call.later(...args)
    counter.living += before.filter((pointer, i) => pointer === 0n && outputs[i] !== 0n).length
    note(result)
    return result
  }
  return Object.assign(here, { later })
}

function made(name: string, result: unknown): number {
  if (name === 'GetErrorMessage') return 0
  return makers.has(name) || result !== null ? 1 : 0
}
