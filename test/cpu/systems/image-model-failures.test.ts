import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { DisposedError, NextxError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { initialize, namedVariables } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { createImageModel, type ImageModel, loadImageModel, saveImageModel } from '../../../src/systems/image-model.ts'
import { loadImageSystem } from '../../../src/systems/image-registry.ts'
import type { ImageNetwork } from '../../../src/systems/image-system.ts'
import { loadImageTokenizer, saveImageTokenizer } from '../../../src/systems/image-tokenizer-files.ts'
import { Variable } from '../../../src/tensor/index.ts'
import { vq } from '../../../src/tokenizers/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'nextx-failures-'))
let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(async () => {
  await device[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

const options = { width: 16, layers: 1, heads: 2 }

async function trainedTokenizer() {
  const tokenizer = vq({ picture: { channels: 1, height: 8, width: 8 }, width: 4, downsample: 4, codes: 8, dimension: 4 })
  await initialize(tokenizer, createRng(1))
  return tokenizer
}

async function model(): Promise<ImageModel> {
  return createImageModel({ system: await loadImageSystem('elm'), options, tokenizer: await trainedTokenizer(), device, seed: 1 })
}

/** Weights that end in the middle of the last tensor. */
function cut(path: string): void {
  const file = join(path, 'model.safetensors')
  writeFileSync(file, readFileSync(file).subarray(0, -4))
}

it('a network whose first weights cannot be made is freed; its tokenizer stays the caller’s', async () => {
  const system = await loadImageSystem('elm')
  const built: ImageNetwork[] = []
  const failing = {
    ...system,
    build: (...given: Parameters<typeof system.build>) => {
      const network = system.build(...given)
      const last = [...namedVariables(network).values()].at(-1)!
      Object.defineProperty(last, 'initializer', {
        value: () => {
          throw new RangeError('no memory')
        },
      })
      built.push(network)
      return network
    },
  }
  const tokenizer = await trainedTokenizer()
  await expect(createImageModel({ system: failing, options, tokenizer, device, seed: 1 })).rejects.toThrow('no memory')
  for (const variable of namedVariables(built[0]!).values()) await expect(variable.read()).rejects.toThrow(DisposedError)
  for (const variable of namedVariables(tokenizer).values()) expect((await variable.read()).length).toBeGreaterThan(0)
})

it('a model or tokenizer whose weights cannot be read is freed', async () => {
  const saved = await model()
  const places = { model: join(folder, 'model'), tokenizer: join(folder, 'tokenizer') }
  await saveImageModel(saved, places.model)
  await saveImageTokenizer(saved.tokenizer, places.tokenizer)
  const own = [...namedVariables(saved.tokenizer).keys()].length
  const all = own + [...namedVariables(saved.network).keys()].length
  await saved[Symbol.asyncDispose]()
  for (const path of Object.values(places)) cut(path)
  const freed = vi.spyOn(Variable.prototype, 'dispose')
  await expect(loadImageModel(places.model, { device })).rejects.toThrow(NextxError)
  expect(freed).toHaveBeenCalledTimes(all)
  freed.mockClear()
  await expect(loadImageTokenizer(places.tokenizer)).rejects.toThrow(NextxError)
  expect(freed).toHaveBeenCalledTimes(own)
})
