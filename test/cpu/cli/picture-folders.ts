import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LabelledPictures } from '../../../src/base/pictures.ts'
import { createRng } from '../../../src/base/rng.ts'
import { encodePng } from '../../../src/formats/index.ts'
import { initialize } from '../../../src/nn/index.ts'
import { openDevice } from '../../../src/platform/index.ts'
import { createImageModel, loadImageSystem, saveImageModel } from '../../../src/systems/index.ts'
import { type ImageTokenizer, multiScale, patches, vae, vq } from '../../../src/tokenizers/index.ts'

export const picture = { channels: 1, height: 8, width: 8 }
const coder = { picture, width: 4, downsample: 4 } as const

/** Systems with the smallest tokenizer that each takes, and sizes for both. */
export const tinySystems = {
  var: { options: sizes(), tokenizer: () => multiScale({ ...coder, codes: 8, dimension: 4, scales: [1, 2] }) },
  flexvar: {
    options: sizes(),
    tokenizer: () => multiScale({ ...coder, codes: 8, dimension: 4, scales: [1, 2], carry: 'latest' }),
  },
  elm: { options: sizes(), tokenizer: () => vq({ ...coder, codes: 8, dimension: 4 }) },
  maskgit: { options: sizes(), tokenizer: () => vq({ ...coder, codes: 8, dimension: 4 }) },
  nar: { options: sizes(2), tokenizer: () => vq({ ...coder, codes: 8, dimension: 4 }) },
  starflow: { options: { width: 16, heads: 2, layers: [1, 1] }, tokenizer: () => patches({ picture, size: 4 }) },
  xar: { options: sizes(), tokenizer: () => vae({ ...coder, channels: 4 }) },
} satisfies Record<string, { options: object; tokenizer: () => ImageTokenizer }>

function sizes(layers = 1) {
  return { width: 16, layers, heads: 2 }
}

export type TinySystem = keyof typeof tinySystems

/** A model folder with first weights, of pictures of 8 × 8 in the classes 'dark' and 'light'. */
export async function saveTinyModel(
  system: TinySystem,
  folder: string,
  extra: object = {},
  make: () => ImageTokenizer = tinySystems[system].tokenizer,
): Promise<string> {
  const device = await openDevice({ worker: false, threads: 1 })
  const { options } = tinySystems[system]
  const tokenizer = make()
  await initialize(tokenizer, createRng(1).fold('tokenizer'))
  const classes = ['dark', 'light']
  const loaded = await loadImageSystem(system)
  const model = await createImageModel({ system: loaded, options: { ...options, ...extra }, tokenizer, classes, device, seed: 1 })
  await saveImageModel(model, folder)
  await model[Symbol.asyncDispose]()
  await device[Symbol.asyncDispose]()
  return folder
}

/** `count` pictures of bars whose brightness their class decides: dark, light. */
export function bars(count: number, { height, width } = picture): LabelledPictures {
  const labels = Int32Array.from({ length: count }, (_, i) => i % 2)
  const pixels = new Uint8Array(count * height * width)
  for (let i = 0; i < count; i++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const bar = (x + i) % 4 < 2 ? 40 : 0
        pixels[(i * height + y) * width + x] = (i % 2) * 200 + bar + ((7 * i + y) % 8)
      }
    }
  }
  return { count, channels: 1, height, width, pixels, labels, classes: ['dark', 'light'] }
}

/** A folder of PNG files in a subfolder for each class. */
export function writePictures(folder: string, pictures: LabelledPictures): string {
  for (const name of pictures.classes) mkdirSync(join(folder, name), { recursive: true })
  for (const [i, label] of pictures.labels.entries())
    writeFileSync(join(folder, pictures.classes[label]!, `${String(i).padStart(3, '0')}.png`), encodePng(pictures, i))
  return folder
}
