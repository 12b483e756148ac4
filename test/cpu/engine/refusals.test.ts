import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ContextError, OptionError } from '../../../src/base/errors.ts'
import { generate, generateText, openChatSession, type Stepper, score } from '../../../src/decode/index.ts'
import {
  embed,
  embedTexts,
  openEngine,
  openRecomputeStepper,
  openRecurrentStepper,
  openStepper,
} from '../../../src/engine/index.ts'
import { type Device, openDevice, packageData } from '../../../src/platform/index.ts'
import { loadModel, type TextModel } from '../../../src/systems/index.ts'

let device: Device
let model: TextModel
beforeAll(async () => {
  device = await openDevice({ threads: 1, worker: false })
  model = await loadModel(packageData('stories260K'), { device })
})
afterAll(async () => {
  await model[Symbol.asyncDispose]()
  await device[Symbol.asyncDispose]()
})

/** What a caller without types may pass. */
const wrong = (value: unknown) => value as never
const nothings = [undefined, null, {}, 'x', 5]

describe.each([
  ['of a cache', () => openStepper({ backbone: model.network.model, head: model.network.lm_head }, { device })],
  ['that computes anew', () => openRecomputeStepper({ backbone: model.network.model, head: model.network.lm_head }, { device })],
])('a stepper %s', (_, open) => {
  const append = { keep: 'append', logits: 'last' } as const

  it('refuses extensions that are none, and goes on', async () => {
    await using stepper = open()
    const state = await stepper.open()
    for (const batch of [...nothings, [], [undefined], ['x']])
      await expect(stepper.extend(wrong(batch), append)).rejects.toThrow(OptionError)
    for (const tokens of [undefined, null, {}, 'abc', 5, [], ['1'], [0.5], { length: -1 }, { length: 0.5 }])
      await expect(stepper.extend([{ state, tokens: wrong(tokens) }], append)).rejects.toThrow(OptionError)
    const endless = { length: 2 ** 40 }
    await expect(stepper.extend([{ state, tokens: endless }], append)).rejects.toThrow(ContextError)
    const scratch = { keep: 'scratch', logits: 'last' } as const
    for (const parents of [null, {}, 'x', [0, 1], endless])
      await expect(stepper.extend([{ state, tokens: [1], parents: wrong(parents) }], scratch)).rejects.toThrow(OptionError)
    await expect(stepper.extend([{ state, tokens: endless, parents: endless }], scratch)).rejects.toThrow(OptionError)
    for (const options of nothings)
      await expect(stepper.extend([{ state, tokens: [1] }], wrong(options))).rejects.toThrow(OptionError)
    const [output] = await stepper.extend([{ state, tokens: [1] }], append)
    expect([output!.logits.length, state.length]).toEqual([stepper.vocabularySize, 1])
  })

  it('refuses states, copies, paths and saved bytes that are none', async () => {
    await using stepper = open()
    const state = await stepper.open()
    for (const foreign of nothings) {
      await expect(stepper.close(wrong(foreign))).rejects.toThrow(OptionError)
      await expect(stepper.rewind(wrong(foreign), 0)).rejects.toThrow(OptionError)
    }
    for (const count of [0, -1, 1.5, 1e9, 65_537, Number.NaN, wrong('2'), wrong(undefined)])
      await expect(stepper.fork(state, count)).rejects.toThrow(OptionError)
    for (const bytes of [undefined, 'abc', [1, 2], new ArrayBuffer(8)])
      await expect(stepper.restore(wrong(bytes))).rejects.toThrow(/no bytes; expected a Uint8Array/)
    await stepper.extend([{ state, tokens: [1] }], { keep: 'scratch', logits: 'none' })
    for (const slots of nothings) await expect(stepper.commit(state, wrong(slots))).rejects.toThrow(OptionError)
    expect(stepper.memory().states).toBe(1)
  })
})

it('forgetting takes a range', async () => {
  await using stepper = openStepper({ backbone: model.network.model, head: model.network.lm_head }, { device })
  const state = await stepper.open()
  await stepper.extend([{ state, tokens: [1, 2, 3] }], { keep: 'append', logits: 'none' })
  for (const range of [...nothings, { start: 0 }, { start: 0, count: 4 }])
    await expect(stepper.forget(state, wrong(range))).rejects.toThrow(OptionError)
  expect(state.length).toBe(3)
})

it('what makes steppers, engines and vectors refuses what it cannot use', async () => {
  const decoder = { backbone: model.network.model, head: model.network.lm_head }
  for (const nothing of nothings) {
    expect(() => openStepper(wrong(nothing), { device })).toThrow(OptionError)
    expect(() => openRecomputeStepper(wrong(nothing), { device })).toThrow(OptionError)
    expect(() => openRecurrentStepper(wrong(nothing), { device })).toThrow(OptionError)
    expect(() => openStepper(decoder, { device: wrong(nothing) })).toThrow(OptionError)
    expect(() => openStepper(decoder, wrong(nothing))).toThrow(OptionError)
    expect(() => openEngine(wrong(nothing))).toThrow(OptionError)
    const stepper = wrong(nothing) as Stepper
    expect(() => generate(stepper, [1])).toThrow(OptionError)
    expect(() => generateText(stepper, model.tokenizer, 'Once')).toThrow(OptionError)
    expect(() => openChatSession(stepper, model.tokenizer, { encode: () => [1] })).toThrow(OptionError)
    await expect(score(stepper, [1, 2])).rejects.toThrow(OptionError)
    await expect(embed(stepper, [[1]])).rejects.toThrow(OptionError)
    await expect(embed(model.stepper, wrong(nothing))).rejects.toThrow(OptionError)
    await expect(embedTexts(model.stepper, model.tokenizer, wrong(nothing))).rejects.toThrow(OptionError)
  }
})
