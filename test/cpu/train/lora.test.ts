import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FormatError, MismatchError, OptionError } from '../../../src/base/errors.ts'
import { createRng } from '../../../src/base/rng.ts'
import { readSafetensors } from '../../../src/formats/index.ts'
import { initialize, Linear, parameters, QuantizedMatrix } from '../../../src/nn/index.ts'
import type { Device } from '../../../src/platform/device.ts'
import { openDevice } from '../../../src/platform/index.ts'
import { assign, compile, float32, gradients, multiply, square, subtract, sum, type Tensor } from '../../../src/tensor/index.ts'
import { fit, loadAdapters, loadModule, lora, saveModule } from '../../../src/train/index.ts'
import { randomBlocks } from '../../null/nn/block-values.ts'
import { TinyModel, tinyTask, valuesOf } from './tiny-task.ts'

let device: Device
let root: string
beforeAll(async () => {
  device = await openDevice({ threads: 1, worker: false })
})
afterAll(() => device[Symbol.asyncDispose]())
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nextx-lora-'))
})
afterEach(() => rmSync(root, { recursive: true }))

const rng = createRng(11)
const x = rng.fold('x').fillNormal(new Float32Array(6))
const options = { selects: () => true, rank: 2, alpha: 4, rng }

/** What the model makes of x `[2, 3]`. */
async function outputOf({ first, second }: TinyModel): Promise<number[]> {
  const program = compile({ x: float32(2, 3) }, ({ x }) => ({ y: second.forward(first.forward(x)) }), { device })
  const { y } = await program.run({ x })
  await program.dispose()
  return Array.from(y.data, Number)
}

async function tuned() {
  const task = await tinyTask()
  const before = { values: await valuesOf(task.module), output: await outputOf(task.module) }
  const adapters = await lora(task.module, options)
  await fit(task, { device, steps: 5, learningRate: 0.05 })
  return { task, model: task.module, adapters, before }
}

function largestGap(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)))
}

describe('adapters', () => {
  test('start without effect, and are all that is trained', async () => {
    const model = await initialized()
    const before = await outputOf(model)
    const { layers } = await lora(model, options)
    expect(layers).toEqual(['first', 'second'])
    expect(await outputOf(model)).toEqual(before)
    expect(parameters(model).map(({ name }) => name)).toEqual([
      'first.lora_A.weight',
      'first.lora_B.weight',
      'second.lora_A.weight',
      'second.lora_B.weight',
    ])
  })

  test('training leaves every weight of the base as it was', async () => {
    const { model, before } = await tuned()
    const after = await valuesOf(model)
    for (const [name, values] of Object.entries(before.values)) expect(after[name]).toEqual(values)
    expect(largestGap(await outputOf(model), before.output)).toBeGreaterThan(1e-3)
  })

  test('compute x·Wᵀ + b + (α/r)·x·Aᵀ·Bᵀ', async () => {
    const { model } = await tuned()
    const values = await valuesOf(model)
    const of = (layer: string, input: readonly number[]) => {
      const [w, b] = [values[`${layer}.weight`]!, values[`${layer}.bias`]!]
      const [down, up] = [values[`${layer}.lora_A.weight`]!, values[`${layer}.lora_B.weight`]!]
      const narrow = [0, 1].map((r) => input.reduce((total, value, i) => total + value * down[r * input.length + i]!, 0))
      return b.map((bias, o) => {
        const change = 2 * narrow.reduce((total, value, r) => total + value * up[o * 2 + r]!, 0)
        return bias + change + input.reduce((total, value, i) => total + value * w[o * input.length + i]!, 0)
      })
    }
    const wanted = [0, 1].flatMap((row) => of('second', of('first', [...x.slice(3 * row, 3 * row + 3)])))
    expect(largestGap(await outputOf(model), wanted)).toBeLessThan(1e-5)
  })

  test('merging keeps what the model computes, and makes it plain and trainable again', async () => {
    const { model, adapters, before } = await tuned()
    const tunedOutput = await outputOf(model)
    await adapters.merge()
    expect(largestGap(await outputOf(model), tunedOutput)).toBeLessThan(1e-5)
    expect(Object.keys(await valuesOf(model))).toEqual(Object.keys(before.values))
    expect(model.first).toBeInstanceOf(Linear)
    expect(parameters(model)).toHaveLength(4)
    await saveModule(join(root, 'merged'), model)
    await loadModule(join(root, 'merged'), new TinyModel())
  })

  test('removing takes every change back', async () => {
    const { model, adapters, before } = await tuned()
    await adapters.remove()
    expect(await valuesOf(model)).toEqual(before.values)
    expect(await outputOf(model)).toEqual(before.output)
    expect(parameters(model)).toHaveLength(4)
  })

  test('are resumed from checkpoints like everything else', async () => {
    const settings = { device, learningRate: 0.05 }
    const [whole, parts, again] = [await tinyTask(), await tinyTask(), await tinyTask()]
    for (const { module } of [whole, parts, again]) await lora(module, { ...options, selects: (name) => name === 'first' })
    await fit(whole, { ...settings, steps: 6 })
    await fit(parts, { ...settings, steps: 3, folder: root })
    await fit(again, { ...settings, steps: 6, folder: root })
    expect(await valuesOf(again.module)).toEqual(await valuesOf(whole.module))
  })

  test('go where they are told to, with the rank and scale they are told', async () => {
    const model = await initialized()
    const { layers } = await lora(model, { ...options, selects: (name) => name === 'second', rank: 1 })
    expect(layers).toEqual(['second'])
    expect((await valuesOf(model))['second.lora_A.weight']).toHaveLength(5)
    await expect(lora(model, options)).rejects.toThrow(/has low-rank adapters already/)
    await expect(lora(await initialized(), { ...options, selects: () => false })).rejects.toThrow(/expected some of first, second/)
    await expect(lora(await initialized(), { ...options, rank: 0 })).rejects.toThrow(OptionError)
    await expect(lora(await initialized(), { ...options, dropout: 0.1 } as never)).rejects.toThrow(OptionError)
  })

  test('a layer with two places is extended once, in both', async () => {
    const shared = new Linear(3, 3)
    class Twice {
      readonly a = shared
      readonly b = [shared]
    }
    const model = new Twice()
    await initialize(model, rng)
    const adapters = await lora(model, options)
    expect(adapters.layers).toEqual(['a'])
    expect(model.a).not.toBe(shared)
    expect(model.b[0]).toBe(model.a)
    await adapters.remove()
    expect([model.a, model.b[0]]).toEqual([shared, shared])
  })
})

test('over quantised weights are trained beside them, and cannot be merged', async () => {
  class Quantized {
    readonly first = Object.assign(new Linear(16, 5), { weight: new QuantizedMatrix(5, 16, { bits: 4, blockSize: 16 }) })
  }
  const [model, values] = [new Quantized(), randomBlocks(5, 16, { bits: 4, blockSize: 16 })]
  await model.first.weight.write(values)
  const adapters = await lora(model, options)
  const [input, target] = [rng.fold('input').fillNormal(new Float32Array(32)), new Float32Array(10).fill(1)]
  const loss = ({ x, y }: { readonly x: Tensor; readonly y: Tensor }) => sum(square(subtract(model.first.forward(x), y)))
  const program = compile(
    { x: float32(2, 16), y: float32(2, 5) },
    (inputs) => {
      const error = loss(inputs)
      const trained = parameters(model)
      const step = gradients(error, trained).map((gradient, i) =>
        assign(trained[i]!, subtract(trained[i]!, multiply(gradient, 0.005))),
      )
      return { error, step }
    },
    { device },
  )
  const errors: number[] = []
  for (let step = 0; step < 60; step++) errors.push(Number((await program.run({ x: input, y: target })).error.data[0]))
  await program.dispose()
  expect(errors.at(-1)!).toBeLessThan(0.1 * errors[0]!)
  await expect(adapters.merge()).rejects.toThrow(/a change cannot be merged into 4-bit weights; keep the adapters/)
  await adapters.remove()
  expect(await model.first.weight.read()).toEqual(values)
})

async function initialized(): Promise<TinyModel> {
  return (await tinyTask()).module
}

describe('adapter files', () => {
  test('hold the adapters alone, under the names of the PEFT library, and give them back', async () => {
    const { model, adapters } = await tuned()
    await adapters.save(join(root, 'adapter'))
    const { tensors } = readSafetensors(readFileSync(join(root, 'adapter', 'adapter_model.safetensors')))
    expect([...tensors.keys()]).toContain('base_model.model.first.lora_A.weight')
    expect(tensors.size).toBe(4)
    const other = await initialized()
    expect((await loadAdapters(join(root, 'adapter'), other)).layers).toEqual(['first', 'second'])
    expect(await valuesOf(other)).toEqual(await valuesOf(model))
    expect(await outputOf(other)).toEqual(await outputOf(model))
  })

  test('that do not fit, or ask for what is not supported, change nothing', async () => {
    const { adapters } = await tuned()
    const folder = join(root, 'adapter')
    await adapters.save(folder)
    const narrow = { first: new Linear(3, 4), second: new Linear(4, 1) }
    class Other {
      readonly first = narrow.first
      readonly second = narrow.second
    }
    const other = new Other()
    await expect(loadAdapters(folder, other)).rejects.toThrow(/first\.lora_B\.weight is float32 \[5, 2\] and not float32 \[4, 2\]/)
    expect(other.first).toBe(narrow.first)
    class Renamed {
      readonly one = new Linear(3, 5)
    }
    await expect(loadAdapters(folder, new Renamed())).rejects.toThrow(MismatchError)
    const path = join(folder, 'adapter_config.json')
    const settings = JSON.parse(readFileSync(path, 'utf8')) as object
    for (const change of [{ use_dora: true }, { bias: 'all' }, { rank_pattern: { first: 3 } }, { peft_type: 'IA3' }, { r: 0 }]) {
      writeFileSync(path, JSON.stringify({ ...settings, ...change }))
      await expect(loadAdapters(folder, await initialized())).rejects.toThrow(FormatError)
    }
    writeFileSync(path, JSON.stringify({ ...settings, r: 3 }))
    await expect(loadAdapters(folder, await initialized())).rejects.toThrow(MismatchError)
  })
})
