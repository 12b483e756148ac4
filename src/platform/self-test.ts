import type { HostTensor } from '../base/dtype.ts'
import { RuntimeError } from '../base/errors.ts'
import type { Device, DeviceView } from './device.ts'
import { testedRuntimeVersion } from './ort-api.ts'
import { boundCacheWorks } from './self-test-cache.ts'
import { selfTestModels } from './self-test-models.ts'

export interface SelfTest {
  /** An output that goes to a view was found in the view's memory, and nowhere else. */
  readonly landed: boolean
  /** An output written over one of the run's own inputs was right. */
  readonly inPlace: boolean
  /** Rows of different lengths were found where they were to go. */
  readonly ragged: boolean
  /** Attention over keys and values that grow in the buffer they are read from was right. */
  readonly boundCache: boolean
}

/**
 * The device, if it does what it `needs` to; otherwise it is disposed.
 * @throws RuntimeError that says what it does not do.
 */
export async function passSelfTest(device: Device, needs: readonly (keyof SelfTest)[], fix: string): Promise<Device> {
  try {
    const result = await runSelfTest(device)
    const failure = needs.find((name) => !result[name])
    if (failure === undefined) return device
    const { driver, version } = device.info
    throw new RuntimeError(`${driver} ${version} ${failures[failure]}`, {
      expected: `the behaviour of ${testedRuntimeVersion}`,
      fix,
    })
  } catch (error) {
    await device[Symbol.asyncDispose]()
    throw error
  }
}

const failures: Readonly<Record<keyof SelfTest, string>> = {
  landed: 'does not write outputs into the memory it is given',
  inPlace: 'does not write outputs over the memory that it reads',
  ragged: 'does not write rows where they are to go',
  boundCache: 'does not attend rightly over a cache that grows in place',
}

/** Runs small models on the device's own buffers. Leaves the device as it was. */
export async function runSelfTest(device: Device): Promise<SelfTest> {
  const session = await device.load(selfTestModels.addition())
  const buffer = await device.allocate(64)
  const [x, y, z] = [0, 1, 2].map((i): DeviceView => ({ buffer, dtype: 'float32', shape: [1, 4], byteOffset: 16 * i })) as [
    DeviceView,
    DeviceView,
    DeviceView,
  ]
  await device.write(x, new Float32Array([1, 2, 3, 4]))
  await device.write(y, new Float32Array([10, 20, 30, 40]))
  await device.run(session, { x, y }, { z: { kind: 'view', view: z } })
  const landed = await holds(device, buffer, [1, 2, 3, 4, 10, 20, 30, 40, 11, 22, 33, 44, 0, 0, 0, 0])
  await device.run(session, { x, y: z }, { z: { kind: 'view', view: x } })
  const inPlace = await holds(device, buffer, [12, 24, 36, 48, 10, 20, 30, 40, 11, 22, 33, 44, 0, 0, 0, 0])
  const sum: HostTensor = { dtype: 'float32', shape: [2, 2], data: new Float32Array([1, 2, 3, 4]) }
  const rows = { kind: 'rows', view: { ...y, shape: [2, 4] }, axis: 1, starts: [1, 3], counts: [2, 1] } as const
  await device.run(session, { x: sum, y: sum }, { z: rows })
  const ragged = await holds(device, buffer, [12, 24, 36, 48, 10, 2, 4, 40, 11, 22, 33, 6, 0, 0, 0, 0])
  await device.free(buffer)
  await device.unload(session)
  return { landed, inPlace, ragged, boundCache: await boundCacheWorks(device) }
}

async function holds(device: Device, buffer: number, expected: readonly number[]): Promise<boolean> {
  const found = await device.read({ buffer, dtype: 'float32', shape: [expected.length], byteOffset: 0 })
  return expected.every((value, i) => found[i] === value)
}
