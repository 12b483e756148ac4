import { generate, generateText, loadModel, openDevice, saveModel } from 'nextx'
import { type Device, type DeviceOptions, packageData } from 'nextx/platform'

/** What a test asks of the page. Arguments and answers are plain data; whatever the page throws comes back as a Failure. */
export interface Page {
  /** Continues a prompt greedily with a model on the server, on a device of its own. */
  continueGreedily(request: Greedy): Promise<Continuation>
  /** Loads and drops the model again and again on one device; what the device still holds after each time. */
  loadAgainAndAgain(request: Greedy, times: number): Promise<Dropped[]>
  /** What a browser refuses, by name. */
  refusals(request: Greedy): Promise<Record<string, Failure | undefined>>
  open(options: DeviceOptions): Promise<Device['info']>
}

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

export interface Dropped {
  readonly ids: readonly number[]
  readonly left: Awaited<ReturnType<Device['memory']>>
}

export interface Failure {
  readonly name: string
  readonly message: string
}

async function continueWith(device: Device, { model: folder, prompt, tokens }: Greedy): Promise<Continuation> {
  await using model = await loadModel(folder, { device })
  const ids: number[] = []
  for await (const { token } of generate(model.stepper, prompt, { temperature: 0, maxTokens: tokens })) ids.push(token)
  let text = ''
  const options = { temperature: 0, maxTokens: 20 }
  for await (const piece of generateText(model.stepper, model.tokenizer, 'Once upon a', options)) text += piece.text
  return { device: device.info, ids, text }
}

const page: Page = {
  async continueGreedily(request) {
    await using device = await openDevice(request.device)
    return await continueWith(device, request)
  },

  async loadAgainAndAgain(request, times) {
    await using device = await openDevice(request.device)
    const dropped: Dropped[] = []
    for (let i = 0; i < times; i++) {
      const { ids } = await continueWith(device, request)
      dropped.push({ ids, left: await device.memory() })
    }
    return dropped
  },

  async refusals({ device: options, model: folder }) {
    await using device = await openDevice(options)
    await using model = await loadModel(folder, { device })
    return {
      save: await failureOf(() => saveModel(model, 'mine')),
      packageData: await failureOf(async () => packageData('stories260K')),
      missing: await failureOf(() => loadModel('/models/missing', { device })),
      afterwards: await failureOf(() => continueWith(device, { device: options, model: folder, prompt: [1], tokens: 1 })),
    }
  },

  async open(options) {
    await using device = await openDevice(options)
    return device.info
  },
}

async function failureOf(action: () => Promise<unknown>): Promise<Failure | undefined> {
  try {
    await action()
    return undefined
  } catch (error) {
    return error instanceof Error ? { name: error.name, message: error.message } : { name: 'no error', message: String(error) }
  }
}

Object.assign(globalThis, { page, failureOf })
