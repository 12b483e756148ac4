import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readPictures } from 'nextx/data'
import { decodePicture, encodePng, pictureGrid } from 'nextx/formats'
import { peakSignalToNoise } from 'nextx/metrics'
import type { Device } from 'nextx/platform'
import { createImageModel, decodeCodes, encodePictures, imageTask, loadImageSystem, openTaef2 } from 'nextx/systems'
import { adamw, cosine, fit } from 'nextx/train'
import { metric } from './image/compare.ts'
import { openArmDevice } from './image/setup.ts'
import { drawn } from './image/train-arm.ts'
import { gate } from './lib/gate.ts'
import type { Bench, Findings } from './lib/result.ts'

const photographs = ['cat', 'coffee', 'rocket']
const side = 64

async function reconstruct(name: string, folder: string, device: Device): Promise<number> {
  const picture = await decodePicture(readFileSync(new URL(`../test/photographs/${name}.jpg`, import.meta.url)))
  const { channels, height, width } = picture
  const tokenizer = await openTaef2(folder, { picture: { channels, height, width } })
  const again = await decodeCodes(tokenizer, await encodePictures(tokenizer, picture, { device }), { device })
  return peakSignalToNoise(picture, again).pooled
}

/** Debian's package oxygen-icon-theme (KDE, LGPL-3): 823 colour icons in nine folders, on white; a few are smaller. */
const iconFolder = '/usr/share/icons/oxygen/base/64x64'

export const bench: Bench = {
  title: 'TAEF2: photographs there and back, and xAR on its latents of icons',
  cards: ['44'],
  async run({ quick }): Promise<Findings> {
    await using device = await openArmDevice(2)
    const folder = join(process.env.NEXTX_DATA ?? '', 'models/taef2')
    const ratios: number[] = []
    for (const name of photographs) ratios.push(await reconstruct(name, folder, device))
    const pictures = await readPictures({ folder: iconFolder, channels: 3, size: { height: side, width: side }, resize: 'contain' })
    const tokenizer = await openTaef2(folder, { picture: { channels: 3, height: side, width: side } })
    const codes = await encodePictures(tokenizer, pictures, { device })
    const options = { width: 128, layers: 4, heads: 4, unit: 'cell', groups: [2, 2] }
    const { classes, labels } = pictures
    await using model = await createImageModel({
      system: await loadImageSystem('xar'),
      options,
      tokenizer,
      classes,
      device,
      seed: 1,
    })
    const steps = quick ? 20 : 1500
    const losses: number[] = []
    await fit(imageTask(model, { train: { codes, labels }, batch: 32, seed: 1 }), {
      device,
      steps,
      learningRate: cosine({ peak: 2e-3, warmup: Math.ceil(steps / 10), steps }),
      optimizer: adamw({ betas: [0.9, 0.95], weightDecay: 0.05 }),
      clip: 1,
      onEvent: (event) => void (event.kind === 'step' && losses.push(event.loss)),
    })
    const samples = await drawn(model, classes, 3 * classes.length, { innerSteps: 20, guidance: 1.5 })
    const sheet = pictureGrid(samples, { columns: classes.length, gap: 2, scale: 1 })
    const target = new URL('../docs/images/', import.meta.url)
    mkdirSync(target, { recursive: true })
    if (!quick) writeFileSync(new URL('taef2-xar.png', target), encodePng(sheet))
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
    const [first, last] = [mean(losses.slice(0, 10)), mean(losses.slice(-10))]
    return {
      arms: {
        taef2: Object.fromEntries(photographs.map((name, i) => [`PSNR of ${name}`, metric([ratios[i]!], 'dB')])),
        xar: { 'loss at first': metric([first], ''), 'loss at last': metric([last], '') },
      },
      ratios: {},
      gates: [
        gate('least PSNR of three photographs, dB', Math.min(...ratios), '≥ 28', true),
        gate('xAR: last / first loss', last / first, '≤ 0.8'),
      ],
      notes: [
        `${pictures.count} icons of Oxygen, ${side}×${side}, 8×8 latents in 4 cells; ${steps} updates of 32, none held out; samples in docs/images/taef2-xar.png`,
      ],
      seeds: [1],
      versions: { 'onnxruntime-node': '1.30.0' },
    }
  },
}
