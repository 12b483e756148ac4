import type { Pictures } from '../base/pictures.ts'
import type { Device } from '../platform/index.ts'
import { scheduledTokenizer } from '../systems/edit-images.ts'
import { type GenerateImagesOptions, generateCodes, loadImageModel, openImageCoder } from '../systems/index.ts'
import type { ServeLimits } from './limits.ts'
import type { Host } from './model-pool.ts'
import { Turns } from './turns.ts'

export interface PictureHost extends Host {
  readonly kind: 'pictures'
  /** What its method takes, as `generateImages` names it. */
  readonly options: readonly string[]
  /** Width and height of its pictures. */
  readonly size: string
  /** Draws when its turn has come. Rejects as `generateImages` does, and with BusyError. */
  draw(options: GenerateImagesOptions, signal: AbortSignal): Promise<Pictures>
}

export interface HostContext {
  readonly device: Device
  readonly limits: ServeLimits
}

/** A model of pictures, which draws for one request after another. */
export async function openPictureHost(path: string, bytes: number, { device, limits }: HostContext): Promise<PictureHost> {
  const model = await loadImageModel(path, { device })
  const turns = new Turns(limits.queuedRequests)
  const { height, width } = model.tokenizer.picture
  return {
    kind: 'pictures',
    options: model.sampler.options,
    size: `${width}x${height}`,
    bytes: () => bytes,
    check: () => [],
    draw: (options, signal) =>
      turns.run(async () => {
        const codes = await generateCodes(model, { ...options, signal })
        const coder = openImageCoder(scheduledTokenizer(model.tokenizer, options), { device })
        try {
          return await coder.decode(codes, { signal })
        } finally {
          await coder[Symbol.asyncDispose]()
        }
      }, signal),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  }
}
