import type { HostTensor } from '../base/dtype.ts'
import { RuntimeError } from '../base/errors.ts'
import type { Device, DeviceView, SessionId } from './device.ts'
import { selfTestModels } from './self-test-models.ts'

const features = 8
const heads = 2
const capacity = 4
const tokens = 3
const tolerance = 1e-5

/** What one position brings. */
interface Token {
  readonly query: Float32Array // [head, feature]
  readonly key: Float32Array // [feature]
  readonly value: Float32Array // [feature]
}

/** Token after token through a cache whose past and present are one buffer, against plain arithmetic. */
export async function boundCacheWorks(device: Device): Promise<boolean> {
  const session = await loadAttention(device)
  if (session === undefined) return false
  const bytes = 4 * capacity * features
  const buffer = await device.allocate(2 * bytes)
  const keys: DeviceView = { buffer, dtype: 'float32', shape: [1, 1, capacity, features], byteOffset: 0 }
  const values = { ...keys, byteOffset: bytes }
  let right = true
  const seen: Token[] = []
  for (let position = 0; position < tokens; position++) {
    seen.push(tokenAt(position))
    const mixed = await attend(device, session, seen, { keys, values })
    right &&= isClose(mixed, expectedMix(seen))
    right &&= isClose(await device.read(keys), padded(seen.map(({ key }) => key)))
    right &&= isClose(await device.read(values), padded(seen.map(({ value }) => value)))
  }
  await device.free(buffer)
  await device.unload(session)
  return right
}

/** Undefined where the runtime has no such attention. */
async function loadAttention(device: Device): Promise<SessionId | undefined> {
  try {
    return await device.load(selfTestModels.cachedAttention())
  } catch (error) {
    if (error instanceof RuntimeError) return undefined
    throw error
  }
}

async function attend(
  device: Device,
  session: SessionId,
  seen: readonly Token[],
  cache: { keys: DeviceView; values: DeviceView },
): Promise<ArrayLike<number | bigint>> {
  const { query, key, value } = seen.at(-1) as Token
  const row = (data: Float32Array): HostTensor => ({ dtype: 'float32', shape: [1, 1, data.length], data })
  const number = (n: number): HostTensor => ({ dtype: 'int32', shape: [1], data: new Int32Array([n]) })
  const { mixed } = await device.run(
    session,
    {
      query: row(query),
      key: row(key),
      value: row(value),
      pastKey: cache.keys,
      pastValue: cache.values,
      last: number(seen.length - 1),
      total: number(seen.length),
    },
    {
      mixed: { kind: 'host' },
      presentKey: { kind: 'view', view: cache.keys },
      presentValue: { kind: 'view', view: cache.values },
    },
  )
  return mixed?.data ?? []
}

/** softmax(q·k / √d) v for each head of the last token. */
function expectedMix(seen: readonly Token[]): number[] {
  const { query } = seen.at(-1) as Token
  return Array.from({ length: heads }, (_, head) => {
    const q = query.subarray(head * features, (head + 1) * features)
    const weights = seen.map(({ key }) => Math.exp(dot(q, key) / Math.sqrt(features)))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return Array.from({ length: features }, (_, f) =>
      seen.reduce((sum, { value }, i) => sum + ((weights[i] ?? 0) / total) * (value[f] ?? 0), 0),
    )
  }).flat()
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)
}

function padded(rows: readonly Float32Array[]): number[] {
  const numbers = rows.flatMap((row) => [...row])
  return [...numbers, ...new Array<number>(capacity * features - numbers.length).fill(0)]
}

function tokenAt(position: number): Token {
  const wave = (length: number, pace: number): Float32Array =>
    Float32Array.from({ length }, (_, i) => Math.sin(pace * (i + 1) + position))
  return { query: wave(heads * features, 0.7), key: wave(features, 1.3), value: wave(features, 2.1) }
}

function isClose(found: ArrayLike<number | bigint>, expected: readonly number[]): boolean {
  return found.length === expected.length && expected.every((value, i) => Math.abs(Number(found[i]) - value) <= tolerance)
}
