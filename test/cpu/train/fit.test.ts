import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DataError, MismatchError, OptionError } from '../../../src/base/errors.ts'
import { freeze, unfreeze } from '../../../src/nn/index.ts'
import type { Device } from '../../../src/platform/device.ts'
import { openDevice } from '../../../src/platform/index.ts'
import { adamw, cosine, ema, type FitEvent, type FitOptions, fit, lion, loadModule, muon } from '../../../src/train/index.ts'
import { TinyModel, tinyTask, valuesOf } from './tiny-task.ts'

let device: Device
let root: string
beforeAll(async () => {
  device = await openDevice({ threads: 1, worker: false })
})
afterAll(() => device[Symbol.asyncDispose]())
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'nextx-fit-'))
})
afterEach(() => rmSync(root, { recursive: true }))

/** Weights and events of a run of the tiny task. */
async function run(options: Partial<FitOptions> = {}, rows?: number) {
  const task = await tinyTask(rows)
  const events: FitEvent[] = []
  const report = await fit(task, { device, steps: 6, learningRate: 0.01, onEvent: (event) => void events.push(event), ...options })
  return { weights: await valuesOf(task.module), report, events }
}

function expectClose(found: readonly number[], wanted: readonly number[], tolerance: number): void {
  expect(found).toHaveLength(wanted.length)
  expect(Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)))).toBeLessThan(tolerance)
}

const kinds = (events: readonly FitEvent[]) => events.map(({ kind }) => kind)

describe('training', () => {
  test('lowers the validation loss and tells what it does', async () => {
    const { report, events } = await run({ steps: 60, learningRate: 0.02, validateEvery: 20 })
    expect(kinds(events.slice(0, 2))).toEqual(['started', 'step'])
    expect(events[0]).toEqual({ kind: 'started', step: 0, steps: 60, parameters: 26 })
    const losses = events.flatMap((event) => (event.kind === 'validation' ? [event.loss] : []))
    expect(losses).toHaveLength(3)
    expect(losses[2]).toBeLessThan(0.7 * losses[0]!)
    const last = events.findLast((event) => event.kind === 'step')!
    expect(Object.keys(last.parts)).toEqual(['bias'])
    expect(report).toEqual({
      stopped: 'finished',
      step: 60,
      loss: last.loss,
      best: { step: 20 * (losses.indexOf(Math.min(...losses)) + 1), loss: Math.min(...losses) },
      checkpoint: undefined,
    })
    expect(events.at(-1)).toEqual({ kind: 'stopped', step: 60, reason: 'finished' })
  })

  test('frees all that it made on the device', async () => {
    const task = await tinyTask()
    const settings = { device, steps: 2, learningRate: 0.01, average: ema({ decay: 0.9 }), validateEvery: 1, accumulate: 2 }
    const before = await device.memory()
    await fit(task, settings)
    const after = await device.memory()
    // What stays: four variables and the second buffers of their updates.
    expect(after.buffers - before.buffers).toBe(8)
    expect(after.sessions).toBe(before.sessions)
  })

  test('a schedule gives each update its rate', async () => {
    const schedule = cosine({ peak: 0.1, warmup: 2, steps: 6 })
    const { events } = await run({ learningRate: schedule })
    const rates = events.flatMap((event) => (event.kind === 'step' ? [event.learningRate] : []))
    expect(rates).toEqual([0, 1, 2, 3, 4, 5].map(schedule))
    await expect(run({ learningRate: () => Number.NaN })).rejects.toThrow(/learning rate of step 1/)
  })

  test('accumulated micro-batches are one big batch', async () => {
    const rows = 4
    const task = await tinyTask(rows)
    const big = await tinyTask(3 * rows)
    const joined = (step: number, name: 'x' | 'y' | 'noise') =>
      Float32Array.from([0, 1, 2].flatMap((i) => Array.from(task.batchAt(3 * step + i)[name] as Float32Array)))
    const batchAt = (step: number) => ({ x: joined(step, 'x'), y: joined(step, 'y'), noise: joined(step, 'noise') })
    const settings = { device, steps: 8, learningRate: 0.02, clip: 0.5 }
    const losses: number[][] = [[], []]
    const record = (i: number) => (event: FitEvent) =>
      void (event.kind === 'step' && losses[i]!.push(event.loss, event.gradientNorm))
    await fit(task, { ...settings, accumulate: 3, onEvent: record(0) })
    await fit({ ...big, batchAt }, { ...settings, onEvent: record(1) })
    const [small, large] = [Object.values(await valuesOf(task.module)).flat(), Object.values(await valuesOf(big.module)).flat()]
    expectClose(small, large, 1e-5)
    expectClose(losses[0]!, losses[1]!, 1e-5)
  })

  test('clipping changes the update, and the norm that is told is the one before', async () => {
    const [plain, clipped] = [
      await run({ steps: 1, optimizer: adamw({ epsilon: 1 }) }),
      await run({ steps: 1, clip: 0.01, optimizer: adamw({ epsilon: 1 }) }),
    ]
    const norms = [plain, clipped].map(({ events }) => events.find((event) => event.kind === 'step')!.gradientNorm)
    expect(norms[0]).toBe(norms[1])
    expect(norms[0]).toBeGreaterThan(0.01)
    expect(clipped.weights).not.toEqual(plain.weights)
    expect((await run({ clip: 1e6 })).weights).toEqual((await run()).weights)
  })

  test('the average follows decay·mean + (1 − decay)·weight, and is what is validated and left behind', async () => {
    const trail: Record<string, number[]>[] = [await valuesOf((await tinyTask()).module)]
    for (let steps = 1; steps <= 4; steps++) trail.push((await run({ steps })).weights)
    let mean = trail[0]!['first.weight']!
    for (const weights of trail.slice(1)) mean = mean.map((value, i) => 0.7 * value + 0.3 * weights['first.weight']![i]!)
    const seen: Record<string, number[]>[] = []
    const { weights } = await run({
      steps: 4,
      average: ema({ decay: 0.7 }),
      validateEvery: 4,
      onValidation: async ({ module }) => void seen.push(await valuesOf(module)),
    })
    expectClose(weights['first.weight']!, mean, 1e-6)
    expect(seen).toEqual([weights])
  })

  test('a device in a worker thread gives the same bits', async () => {
    await using worker = await openDevice({ threads: 1 })
    const settings = { average: ema({ decay: 0.7 }), validateEvery: 2, accumulate: 2 }
    const apart = await run({ ...settings, device: worker })
    expect(apart.weights).toEqual((await run(settings)).weights)
  })

  test('frozen parameters keep their values, and are trained again once unfrozen', async () => {
    const task = await tinyTask()
    const before = await valuesOf(task.module)
    freeze(task.module, (name) => name.startsWith('first'))
    await fit(task, { device, steps: 3, learningRate: 0.01 })
    const between = await valuesOf(task.module)
    expect(between['first.weight']).toEqual(before['first.weight'])
    expect(between['second.weight']).not.toEqual(before['second.weight'])
    unfreeze(task.module)
    await fit(task, { device, steps: 1, learningRate: 0.01 })
    expect((await valuesOf(task.module))['first.weight']).not.toEqual(before['first.weight'])
    freeze(task.module)
    await expect(fit(task, { device, steps: 1, learningRate: 0.01 })).rejects.toThrow('no parameters to train')
  })
})

describe('stopping', () => {
  test('early, when the validation loss has not gained enough for long enough', async () => {
    const settings = { steps: 50, validateEvery: 2, earlyStopping: { patience: 3, minimumGain: 1e9 } }
    const { report } = await run(settings)
    // The first validation is the reference; three more without a gain end the run.
    expect(report).toMatchObject({ stopped: 'stalled', step: 8 })
    expect((await run({ ...settings, earlyStopping: { patience: 3 } })).report.step).toBe(50)
  })

  test('early, and so after a resumption, unless patience has grown', async () => {
    const settings = { steps: 50, validateEvery: 2, folder: root }
    const earlyStopping = { patience: 2, minimumGain: 1e9 }
    expect((await run({ ...settings, earlyStopping })).report).toMatchObject({ stopped: 'stalled', step: 6 })
    const again = await run({ ...settings, earlyStopping })
    expect(kinds(again.events)).toEqual(['started', 'stopped'])
    expect((await run({ ...settings, earlyStopping: { ...earlyStopping, patience: 4 } })).report.step).toBe(10)
  })

  test('on a signal: after the update under way, with a checkpoint', async () => {
    const controller = new AbortController()
    const onEvent = (event: FitEvent) => void (event.kind === 'step' && event.step === 3 && controller.abort())
    const { report } = await run({ steps: 50, signal: controller.signal, onEvent, folder: root })
    expect(report).toMatchObject({ stopped: 'aborted', step: 3, checkpoint: join(root, 'step-3') })
    const rest = await run({ steps: 6, folder: root })
    expect(rest.weights).toEqual((await run()).weights)
    expect((await run({ signal: AbortSignal.abort() })).report).toMatchObject({ stopped: 'aborted', step: 0, loss: undefined })
  })

  test('on an error of a listener, which comes out as it is', async () => {
    const onEvent = (event: FitEvent) => {
      if (event.kind === 'step') throw new RangeError('mine')
    }
    await expect(run({ onEvent })).rejects.toThrow(new RangeError('mine'))
  })
})

describe('resuming', () => {
  const optimizers = { adamw: adamw({ weightDecay: 0.1 }), lion: lion(), muon: muon() }
  test.each(Object.entries(optimizers))('%s: 5 steps and 5 more are 10 steps, to the bit', async (_name, optimizer) => {
    const settings: Partial<FitOptions> = {
      optimizer,
      learningRate: cosine({ peak: 0.05, warmup: 2, steps: 10 }),
      clip: 0.3,
      accumulate: 2,
      average: ema({ decay: 0.8 }),
      validateEvery: 3,
      earlyStopping: { patience: 5 },
    }
    const whole = await run({ ...settings, steps: 10, folder: join(root, 'whole') })
    await run({ ...settings, steps: 5, folder: join(root, 'parts') })
    const parts = await run({ ...settings, steps: 10, folder: join(root, 'parts'), resume: 'always' })
    expect(parts.weights).toEqual(whole.weights)
    expect(parts.report).toEqual({ ...whole.report, checkpoint: join(root, 'parts', 'step-10') })
    expect(parts.events[0]).toMatchObject({ step: 5, resumedFrom: join(root, 'parts', 'step-5') })
    for (const file of ['model.safetensors', 'training.safetensors', 'training.json']) {
      const [a, b] = ['whole', 'parts'].map((name) => readFileSync(join(root, name, 'step-10', file)))
      expect(a!.equals(b!)).toBe(true)
    }
  })

  test('a finished run does nothing more; fewer steps than were done are refused', async () => {
    const first = await run({ folder: root })
    const again = await run({ folder: root })
    expect(kinds(again.events)).toEqual(['started', 'stopped'])
    expect(again.weights).toEqual(first.weights)
    await expect(run({ folder: root, steps: 5 })).rejects.toThrow(/steps is 5, and .* has step 6/)
  })

  test('another way of working than the folder has is refused, not mixed', async () => {
    await run({ folder: root })
    await expect(run({ folder: root, resume: 'never' })).rejects.toThrow(/checkpoints of another run/)
    await expect(run({ folder: join(root, 'none'), resume: 'always' })).rejects.toThrow(DataError)
    await expect(run({ folder: root, steps: 9, optimizer: lion() })).rejects.toThrow(MismatchError)
    await expect(run({ folder: root, steps: 9, average: ema({ decay: 0.5 }) })).rejects.toThrow(/lacks ema\.first\.weight/)
    const other = await tinyTask(4, 2)
    await expect(fit(other, { device, steps: 9, learningRate: 0.01, folder: root })).rejects.toThrow(/"tiny 1".*"tiny 2"/)
  })
})

describe('files', () => {
  test('checkpoints come at their steps, the last few stay, and each is a model', async () => {
    const { events, weights } = await run({ steps: 7, folder: root, checkpointEvery: 2, keep: 2, files: { 'config.json': '{}' } })
    const steps = events.flatMap((event) => (event.kind === 'checkpoint' ? [event.step] : []))
    expect(steps).toEqual([2, 4, 6, 7])
    expect(readdirSync(root).sort()).toEqual(['step-6', 'step-7'])
    const model = new TinyModel()
    await loadModule(join(root, 'step-7'), model)
    expect(await valuesOf(model)).toEqual(weights)
    expect(readFileSync(join(root, 'step-6', 'config.json'), 'utf8')).toBe('{}')
  })

  test('the best weights are kept, also those of an average', async () => {
    const seen = new Map<number, Record<string, number[]>>()
    const { report } = await run({
      folder: root,
      steps: 12,
      learningRate: 0.3,
      average: ema({ decay: 0.5 }),
      validateEvery: 1,
      onValidation: async ({ step, module }) => void seen.set(step, await valuesOf(module)),
    })
    const model = new TinyModel()
    await loadModule(join(root, 'best'), model)
    expect(await valuesOf(model)).toEqual(seen.get(report.best!.step))
  })

  test('the log has a line of JSON per event', async () => {
    const log = join(root, 'log.jsonl')
    const { events } = await run({ log, steps: 3 })
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
    const parsed = lines.map((line) => JSON.parse(line) as { time?: string })
    for (const entry of parsed) {
      expect(Date.parse(entry.time!)).toBeGreaterThan(0)
      delete entry.time
    }
    expect(parsed).toEqual(events)
  })
})

test.each<[string, Record<string, unknown>]>([
  ['an unknown option', { learning_rate: 1 }],
  ['no steps', { steps: 0 }],
  ['half a step', { steps: 1.5 }],
  ['a negative rate', { learningRate: -1 }],
  ['a rate that is text', { learningRate: '0.1' }],
  ['a clip of 0', { clip: 0 }],
  ['no device', { device: {} }],
  ['early stopping without validation', { earlyStopping: { patience: 2 } }],
  ['an unknown field of early stopping', { validateEvery: 1, earlyStopping: { patience: 2, gain: 1 } }],
  ['resuming without a folder', { resume: 'auto' }],
  ['checkpoints without a folder', { checkpointEvery: 5 }],
  ['a hook that nothing calls', { onValidation: () => undefined }],
  ['a way of resuming that there is not', { folder: 'x', resume: 'maybe' }],
  ['a file in another folder', { folder: 'x', files: { '../config.json': '' } }],
  ['a file in place of the weights', { folder: 'x', files: { 'model.safetensors': '' } }],
])('refuses %s', async (_name, options) => {
  await expect(run(options)).rejects.toThrow(OptionError)
})

test('refuses a task that cannot be trained', async () => {
  const task = await tinyTask()
  const settings = { device, steps: 1, learningRate: 0.1 }
  const { validation: _, ...unvalidated } = task
  await expect(fit(unvalidated, { ...settings, validateEvery: 1 })).rejects.toThrow(/no validation batches/)
  const empty = { ...task, validation: { ...task.validation!, batches: 0 } }
  await expect(fit(empty, { ...settings, validateEvery: 1 })).rejects.toThrow(OptionError)
  const clash = { ...task, inputs: { ...task.inputs, learningRate: task.inputs.x } }
  await expect(fit(clash as never, settings)).rejects.toThrow(/input learningRate/)
})
