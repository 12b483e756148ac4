import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRng } from '../../../src/base/rng.ts'
import type { GeneratedToken } from '../../../src/decode/index.ts'
import { openEngine, openStepper } from '../../../src/engine/index.ts'
import { tiedHead } from '../../../src/heads/index.ts'
import { initialize, quantizeModule, rmsNorm, rotary, swiglu, Transformer } from '../../../src/nn/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'

// Random weights say nearly the same of every token: the smallest difference in rounding changes which one is drawn.
const sizes = { vocabularySize: 300, context: 160, width: 64, layers: 2 }

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 2 })
})
afterAll(() => device[Symbol.asyncDispose]())

async function stepperOf(bits: 4 | 8 | undefined) {
  const attention = { heads: 4, keyValueHeads: 2, headWidth: 16 }
  const backbone = new Transformer({ ...sizes, attention, mlp: swiglu(96), norm: rmsNorm(), positions: rotary() })
  await initialize(backbone, createRng(2))
  if (bits !== undefined) await quantizeModule(backbone, { bits, blockSize: 32 })
  return openStepper({ backbone, head: tiedHead(backbone.embed_tokens) }, { device })
}

const random = createRng(9)
const requests = Array.from({ length: 24 }, (_, i) => ({
  prompt: Array.from({ length: 1 + random.integerAt(i, 70) }, (_, t) => random.fold(i).integerAt(t, sizes.vocabularySize)),
  options: { maxTokens: 5 + random.integerAt(100 + i, 20), temperature: 1, seed: i, priority: random.integerAt(200 + i, 3) },
  delay: random.integerAt(300 + i, 40),
}))

async function collected(stream: AsyncIterable<GeneratedToken>): Promise<GeneratedToken[]> {
  const tokens: GeneratedToken[] = []
  for await (const token of stream) tokens.push(token)
  return tokens
}

describe.each([undefined, 8, 4] as const)('weights of %s bits', (bits) => {
  it('give each request the same tokens and the same bits of their log-probabilities, alone and in any company', async () => {
    await using stepper = await stepperOf(bits)
    const options = { maxRows: 6, chunk: 16 }
    const alone: GeneratedToken[][] = []
    for (const { prompt, options: own } of requests) {
      await using engine = openEngine(stepper, options)
      alone.push(await collected(engine.generate(prompt, own)))
    }
    await using engine = openEngine(stepper, options)
    const together = await Promise.all(
      requests.map(async ({ prompt, options: own, delay }) => {
        await new Promise((resolve) => setTimeout(resolve, delay))
        return collected(engine.generate(prompt, own))
      }),
    )
    expect(together).toEqual(alone)
  })
})
