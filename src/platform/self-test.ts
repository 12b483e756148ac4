import type { Device, DeviceView } from './device.ts'

export interface SelfTest {
  /** An output that goes to a view was found in the view's memory, and nowhere else. */
  readonly landed: boolean
  /** An output written over one of the run's own inputs was right. */
  readonly inPlace: boolean
}

/** `z = x + y`, float32, one dimension of any size (opset 21, IR 10). The tests build the same bytes from the schema. */
export function selfTestModel(): Uint8Array {
  return Uint8Array.from(atob(addition), (character) => character.charCodeAt(0))
}

const addition = 'CAo6TAoOCgF4CgF5EgF6IgNBZGQSBHRlc3RaEAoBeBILCgkIARIFCgMSAW5aEAoBeRILCgkIARIFCgMSAW5iEAoBehILCgkIARIFCgMSAW5CAhAV'

/** Runs a small model on the device's own buffers. Leaves the device as it was. */
export async function runSelfTest(device: Device): Promise<SelfTest> {
  const session = await device.load(selfTestModel())
  const buffer = await device.allocate(64)
  const [x, y, z] = [0, 1, 2].map((i): DeviceView => ({ buffer, dtype: 'float32', shape: [4], byteOffset: 16 * i })) as [
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
  await device.free(buffer)
  await device.unload(session)
  return { landed, inPlace }
}

async function holds(device: Device, buffer: number, expected: readonly number[]): Promise<boolean> {
  const found = await device.read({ buffer, dtype: 'float32', shape: [expected.length], byteOffset: 0 })
  return expected.every((value, i) => found[i] === value)
}
