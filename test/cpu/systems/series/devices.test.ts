import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Device } from '../../../../src/platform/index.ts'
import { crossValidate, fitForecaster, restoreForecaster } from '../../../../src/systems/index.ts'
import { frameOf, waveOf, wavesOf } from '../../../null/systems/series/frames.ts'

/** Devices that were opened without being given, and how many of them were closed. */
const devices = vi.hoisted(() => ({ opened: 0, closed: 0 }))

vi.mock('../../../../src/platform/index.ts', async (importOriginal) => {
  const platform = await importOriginal<typeof import('../../../../src/platform/index.ts')>()
  const openDevice = async (): Promise<Device> => {
    devices.opened++
    const device = await platform.openDevice({ worker: false, threads: 1 })
    const close = device[Symbol.asyncDispose].bind(device)
    device[Symbol.asyncDispose] = async () => {
      devices.closed++
      await close()
    }
    return device
  }
  return { ...platform, openDevice }
})

beforeEach(() => {
  devices.opened = 0
  devices.closed = 0
})

const options = { inputSize: 6, minSteps: 0, maxSteps: 2 }
const settings = { model: 'arnet', horizon: 2, options }

describe('a device that nobody gave', () => {
  it('is closed with the forecaster, and the one that calibrated it before', async () => {
    const forecaster = await fitForecaster(wavesOf(1, 60), { ...settings, calibrationWindows: 12 })
    expect(devices).toEqual({ opened: 2, closed: 1 })
    await forecaster.forecast()
    await forecaster.dispose()
    expect(devices).toEqual({ opened: 2, closed: 2 })
  })

  it('is closed where learning or calibration fails', async () => {
    const abort = new AbortController()
    const stopping = fitForecaster(wavesOf(1, 60), { ...settings, signal: abort.signal, onProgress: () => abort.abort() })
    await expect(stopping).rejects.toThrow(/abort/i)
    expect(devices).toEqual({ opened: 1, closed: 1 })
    const many = fitForecaster(wavesOf(1, 60), { ...settings, calibrationWindows: 50 })
    await expect(many).rejects.toThrow(/fewer calibrationWindows/)
    const huge = frameOf([{ values: waveOf('huge', 60).map((value) => 1e40 * value) }])
    const overflowing = fitForecaster(huge, { ...settings, options: { ...options, scaler: 'none' } })
    await expect(overflowing).rejects.toThrow(/finite/)
    expect(devices.closed).toBe(devices.opened)
  })

  it('is opened by what was restored when it is needed, and closed with it', async () => {
    const forecaster = await fitForecaster(wavesOf(1, 60), { ...settings, calibrationWindows: 0 })
    await forecaster.dispose()
    const restored = await restoreForecaster(JSON.parse(JSON.stringify(forecaster)))
    expect(devices.opened).toBe(1)
    await restored.forecast({ history: wavesOf(1, 60), levels: [] })
    expect(devices.opened).toBe(2)
    await restored.dispose()
    await restored.dispose()
    expect(devices).toEqual({ opened: 2, closed: 2 })
  })

  it('is closed after each window of a backtest', async () => {
    await crossValidate(wavesOf(1, 60), { ...settings, windows: 2, calibrationWindows: 0 })
    expect(devices).toEqual({ opened: 2, closed: 2 })
  })
})

it('a process ends though nobody disposed of its forecaster', async () => {
  const script = fileURLToPath(new URL('child-forecast.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', 'tsx', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  const code = await new Promise((resolve) => child.on('exit', resolve))
  expect(printed.trim()).toBe('2 steps')
  expect(code).toBe(0)
})
