import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { HostTensor } from '../../../src/base/dtype.ts'
import { DisposedError, OptionError, RuntimeError } from '../../../src/base/errors.ts'
import type { Device, DeviceView } from '../../../src/platform/device.ts'
import { openOrtCDevice } from '../../../src/platform/ort-c-device.ts'
import { openWorkerDevice } from '../../../src/platform/worker-device.ts'
import { addition, longRun } from './models.ts'

const settings = { threads: 1, spinning: false }
const square = (size: number): HostTensor => ({
  dtype: 'float32',
  shape: [size, size],
  data: new Float32Array(size * size).fill(1 / size),
})

const openers = { worker: () => openWorkerDevice(settings), 'C API': () => openOrtCDevice(settings) }

describe.each(Object.entries(openers))('a device (%s)', (_, open) => {
  it('leaves the event loop free during a run', async () => {
    const device = await open()
    const session = await device.load(longRun(20))
    let running = true
    const run = device.run(session, { x: square(400) }, { y: { kind: 'host' } }).finally(() => {
      running = false
    })
    const timerRanDuringRun = await new Promise<boolean>((resolve) => setTimeout(() => resolve(running), 1))
    const { y } = await run
    expect(timerRanDuringRun).toBe(true)
    expect(y?.data[0]).toBeCloseTo(1 / 400, 6)
    await device[Symbol.asyncDispose]()
  })

  it('comes in numbers, each with numbers of its own', async () => {
    const devices = await Promise.all(Array.from({ length: 12 }, open))
    const sums = await Promise.all(devices.map((device, i) => addOn(device, i)))
    expect(sums).toEqual(devices.map((_, i) => i + 1))
    await Promise.all(devices.map((device) => device[Symbol.asyncDispose]()))
  })

  it('takes the arrays as they are when the call is made', async () => {
    const device = await open()
    const session = await device.load(addition())
    const view: DeviceView = { buffer: await device.allocate(4), dtype: 'float32', shape: [1], byteOffset: 0 }
    const data = new Float32Array([1])
    const [write, run] = [
      device.write(view, data),
      device.run(session, { x: view, y: { dtype: 'float32', shape: [1], data } }, { z: { kind: 'host' } }),
    ]
    structuredClone(data, { transfer: [data.buffer] })
    await write
    expect((await run).z?.data).toEqual(new Float32Array([2]))
    await device[Symbol.asyncDispose]()
  })
})

describe('a worker', () => {
  it('is not sent what cannot be sent', async () => {
    const device = await openWorkerDevice(settings)
    const feeds = { x: { dtype: 'float32', shape: () => 1, data: new Float32Array(1) } as unknown as HostTensor }
    await expect(device.run(1, feeds, { z: { kind: 'host' } })).rejects.toThrow(OptionError)
    expect(await addOn(device, 2)).toBe(3)
    await device[Symbol.asyncDispose]()
  })

  it('that is missing is an error that says so', async () => {
    await expect(openWorkerDevice(settings, join(tmpdir(), 'no-such-worker.js'))).rejects.toThrow(RuntimeError)
  })
})

async function addOn(device: Device, number: number): Promise<number | bigint | undefined> {
  const session = await device.load(addition())
  const tensor = (value: number): HostTensor => ({ dtype: 'float32', shape: [1], data: new Float32Array([value]) })
  const { z } = await device.run(session, { x: tensor(number), y: tensor(1) }, { z: { kind: 'host' } })
  return z?.data[0]
}

describe('a worker that breaks', () => {
  let folder: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nextx-worker-'))
  })

  afterAll(() => rm(folder, { recursive: true }))

  /** Opens like the real worker, and does `body` on the first request. */
  async function openBroken(body: string): Promise<Device> {
    const entry = join(folder, `${Math.abs(hash(body))}.mjs`)
    const opening = `import { parentPort } from 'node:worker_threads'\nparentPort.postMessage({ id: 0, value: { driver: 'broken' } })`
    await writeFile(entry, `${opening}\nparentPort.on('message', () => { ${body} })\n`)
    return openWorkerDevice(settings, entry)
  }

  it.each([
    ['crashes', `throw new Error('out of order')`, /out of order/],
    ['ends', 'process.exit(3)', /exit code 3/],
  ])('(%s) rejects what is pending and what comes later, and can be disposed', async (_, body, message) => {
    const device = await openBroken(body)
    const outcomes = await Promise.allSettled([device.allocate(1), device.memory()])
    for (const outcome of [...outcomes, ...(await Promise.allSettled([device.free(1)]))]) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: expect.any(RuntimeError) })
      expect(String(outcome.status === 'rejected' && outcome.reason)).toMatch(message)
    }
    await device[Symbol.asyncDispose]()
    await expect(device.memory()).rejects.toThrow(DisposedError)
  })

  it('before it is open rejects the opening', async () => {
    const entry = join(folder, 'unopened.mjs')
    await writeFile(entry, `throw new Error('no runtime here')`)
    await expect(openWorkerDevice(settings, entry)).rejects.toThrow(/no runtime here/)
  })
})

function hash(text: string): number {
  return [...text].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) | 0, 7)
}

describe.each([
  ['worker', 'onnxruntime-node'],
  ['C API', 'onnxruntime-c'],
])('a process with a device (%s)', (_, driver) => {
  const root = fileURLToPath(new URL('../../..', import.meta.url))

  /** Runs TypeScript in a process of its own; the exit code is the answer. */
  function exitOf(script: string): Promise<{ code: number; output: string }> {
    const prelude = `
      import { openDevice } from './src/platform/open-device.ts'
      import { longRun } from './test/cpu/platform/models.ts'
      const device = await openDevice({ threads: 2, driver: '${driver}' })
      const startRun = async () => {
        const session = await device.load(longRun(40))
        return device.run(session, { x: { dtype: 'float32', shape: [800, 800], data: new Float32Array(640_000) } }, { y: { kind: 'host' } })
      }
    `
    const args = ['--import', 'tsx', '--input-type=module', '--eval', prelude + script]
    return new Promise((resolve) => {
      execFile(process.execPath, args, { cwd: root }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr })
      })
    })
  }

  it('ends by itself when the device is idle, though nobody disposed it', async () => {
    expect(await exitOf(`await device.allocate(8); console.log('idle')`)).toEqual({ code: 0, output: 'idle\n' })
  })

  it('waits for what is pending', async () => {
    expect(await exitOf(`device.allocate(8).then(() => console.log('answered'))`)).toEqual({ code: 0, output: 'answered\n' })
  })

  it('can be ended in the middle of a run, with the exit code it asks for', async () => {
    expect(await exitOf(`startRun(); setTimeout(() => process.exit(7), 50)`)).toEqual({ code: 7, output: '' })
  })

  it('ends after an uncaught error in the middle of a run with that error', async () => {
    const { code, output } = await exitOf(`startRun(); setTimeout(() => { throw new Error('of the app') }, 50)`)
    expect(code).toBe(1)
    expect(output).toMatch(/of the app/)
    expect(output).not.toMatch(/terminate called/)
  })
})
