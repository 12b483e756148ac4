import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silenceRuntime } from '../../../src/platform/runtime-telemetry.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** A token of the embedded model, by the built package and plain Node. */
const generation = (device: object) => `
  import { generate } from 'nextx/decode'
  import { openDevice, packageData } from 'nextx/platform'
  import { loadModel } from 'nextx/systems'
  const device = await openDevice(${JSON.stringify(device)})
  const model = await loadModel(packageData('stories260K'), { device })
  for await (const { token } of generate(model.stepper, [1], { temperature: 0, maxTokens: 1 })) console.log(device.info.driver, token)
  await model[Symbol.asyncDispose]()
  await device[Symbol.asyncDispose]()
`

describe("ONNX Runtime's reports to its maker", () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'nextx-silence-'))
    for (const name of ['home', 'temporary']) mkdirSync(join(folder, name))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it.each([
    { driver: 'onnxruntime-c' },
    { driver: 'onnxruntime-node', worker: false },
    { driver: 'onnxruntime-node', worker: true },
  ])('are off: nothing is left in empty folders (%j)', async (device) => {
    const { PATH } = process.env
    const [HOME, TMPDIR] = [join(folder, 'home'), join(folder, 'temporary')]
    const args = ['--input-type=module', '--eval', generation(device)]
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: root, env: { PATH, HOME, TMPDIR } })
    expect(stdout).toMatch(new RegExp(`^${device.driver} \\d+\\n$`))
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual(['home', 'temporary'])
  })

  it('stay as the user set them', () => {
    const environment: NodeJS.ProcessEnv = { ORT_DISABLE_TELEMETRY: '0' }
    silenceRuntime(environment)
    expect(environment).toEqual({ ORT_DISABLE_TELEMETRY: '0' })
    const unset: NodeJS.ProcessEnv = {}
    silenceRuntime(unset)
    expect(unset).toEqual({ ORT_DISABLE_TELEMETRY: '1' })
  })
})
