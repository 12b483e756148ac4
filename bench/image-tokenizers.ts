import type { LabelledPictures } from 'nextx/data'
import { peakSignalToNoise, structuralSimilarity } from 'nextx/metrics'
import type { Device } from 'nextx/platform'
import { decodeCodes, encodePictures } from 'nextx/systems'
import type { ImageTokenizer } from 'nextx/tokenizers'
import { codeUse } from './image/code-use.ts'
import { metric } from './image/compare.ts'
import { first, openArmDevice, pictureSet, type recipes, runs, tokenizer } from './image/setup.ts'
import { gate } from './lib/gate.ts'
import { openPictureJudge, type PictureJudge } from './lib/picture-metrics.ts'
import type { Bench, Findings, Metric } from './lib/result.ts'

type Learnt = Exclude<keyof typeof recipes, 'patches'>
const names = ['vq', 'bae', 'residual', 'latest', 'band', 'vae'] as const satisfies readonly Learnt[]

async function measured(made: ImageTokenizer, pictures: LabelledPictures, judge: PictureJudge, device: Device) {
  const codes = await encodePictures(made, pictures, { device })
  const again = await decodeCodes(made, codes, { device })
  const { frechetDistance, accuracy } = await judge.score({ ...again, labels: pictures.labels, classes: pictures.classes })
  const one = (value: number, unit: string): Metric => metric([value], unit)
  return {
    PSNR: one(peakSignalToNoise(pictures, again).pooled, 'dB'),
    SSIM: one(structuralSimilarity(pictures, again).mean, ''),
    FD64: one(frechetDistance, ''),
    ACC: one(100 * accuracy, '%'),
    'values a picture': one(codes.data.length / pictures.count, ''),
    ...(codes.kind === 'ids' && { 'codes in use': one(100 * codeUse(codes.data, codes.vocabulary), '%') }),
  }
}

export const bench: Bench = {
  title: 'Tokenizers of pictures: what is left of held-out garments after there and back',
  cards: ['150', '54', '60', '25'],
  async run({ quick }): Promise<Findings> {
    await using device = await openArmDevice()
    const set = await pictureSet('fashion')
    await using judge = await openPictureJudge(set, { device, folder: `${runs}judges` })
    const pictures = first(set.test, quick ? 200 : 2000)
    const arms: Record<string, Record<string, Metric>> = {}
    for (const name of names) arms[name] = await measured(await tokenizer(name, 'fashion', set, device), pictures, judge, device)
    const use = (name: string) => arms[name]!['codes in use']!.median
    const coded = names.filter((name) => name !== 'vae')
    return {
      arms,
      ratios: {},
      gates: [
        ...coded.map((name) => gate(`${name}: codes in use, %`, use(name), '≥ 50')),
        gate('bae − vq PSNR, dB', arms.bae!.PSNR!.median - arms.vq!.PSNR!.median, '≥ 0'),
      ],
      notes: [
        'The first 2,000 held-out garments; 30,000 others trained each tokenizer, once over; encoders and decoders of width 16',
      ],
      seeds: [1],
      versions: { 'onnxruntime-node': '1.30.0' },
    }
  },
}
