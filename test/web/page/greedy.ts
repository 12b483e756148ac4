import { generate, generateText, loadModel, openDevice } from 'nextx'
import type { Device, DeviceOptions } from 'nextx/platform'

export interface Greedy {
  readonly device: DeviceOptions
  readonly model: string
  readonly prompt: readonly number[]
  readonly tokens: number
}

export interface Continuation {
  readonly device: Device['info']
  readonly ids: readonly number[]
  readonly text: string
}

export async function continueGreedily(request: Greedy): Promise<Continuation> {
  await using device = await openDevice(request.device)
  return await continueWith(device, request)
}

export async function continueWith(device: Device, { model: folder, prompt, tokens }: Greedy): Promise<Continuation> {
  await using model = await loadModel(folder, { device })
  const ids: number[] = []
  for await (const { token } of generate(model.stepper, prompt, { temperature: 0, maxTokens: tokens })) ids.push(token)
  let text = ''
  const options = { temperature: 0, maxTokens: 20 }
  for await (const piece of generateText(model.stepper, model.tokenizer, 'Once upon a', options)) text += piece.text
  return { device: device.info, ids, text }
}
