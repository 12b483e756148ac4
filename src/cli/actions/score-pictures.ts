import { DataError } from '../../base/errors.ts'
import type { LabelledPictures } from '../../base/pictures.ts'
import { readPictures } from '../../data/index.ts'
import { exists, isFile } from '../../platform/files.ts'
import { type ImageModel, type ImageScore, scoreImages } from '../../systems/index.ts'
import { interruptible } from '../exit.ts'
import { decimals, table, thousands } from '../format.ts'
import { withImageModel } from '../model.ts'
import { openBar } from '../progress.ts'
import type { ScoreFlags } from '../score.ts'
import { oneLine, writeJson, writeLines } from '../terminal.ts'

/** `nextx score` with a model of pictures. */
export async function scorePicturesAction(name: string, path: string, flags: ScoreFlags): Promise<void> {
  await interruptible(async (signal) => {
    const score = await withImageModel(name, { ...flags, signal }, async (model) => {
      const pictures = await readScored(model, path, flags)
      const classes = classesOf(model, pictures, flags)
      const bar = openBar('scoring', 'pictures')
      try {
        return await scoreImages(model, pictures, {
          seed: flags.seed ?? 1,
          ...(classes !== undefined && { classes }),
          signal,
          onProgress: (done, total) => bar.show(done, total),
        })
      } finally {
        bar.close()
      }
    })
    if (flags.json === true) writeJson({ ...score, logProbs: [...score.logProbs] })
    else writeLines(tableOf(score))
  })
}

async function readScored({ tokenizer }: ImageModel, path: string, flags: ScoreFlags): Promise<LabelledPictures> {
  const { labels, part, resize } = flags
  if (!(await exists(path))) throw new DataError(`cannot read '${oneLine(path)}': there is no such file or folder`)
  const { channels, height, width } = tokenizer.picture
  const brought = resize && { resize, size: { height, width }, channels: channels as 1 | 3 }
  if (await isFile(path)) {
    if (part !== undefined) throw new DataError(`'${oneLine(path)}' is a file`, { expected: 'with --part, a folder of idx files' })
    return readPictures({ files: labels === undefined ? path : [path, labels], ...brought })
  }
  if (labels !== undefined) throw new DataError(`'${oneLine(path)}' is a folder`, { expected: 'with --labels, an idx file' })
  return readPictures({ folder: path, ...(part && { part }), ...brought })
}

/** The class asked for, or those of the pictures by name; none where pictures or model have none. */
function classesOf(model: ImageModel, { labels, classes }: LabelledPictures, { class: wanted }: ScoreFlags) {
  if (wanted !== undefined) return !model.classes.includes(wanted) && /^\d{1,9}$/.test(wanted) ? Number(wanted) : wanted
  if (classes.length === 0 || model.classes.length === 0) return undefined
  return Array.from(labels, (label) => classes[label]!)
}

function tableOf({ pictures, values, natsPerPicture, natsPerValue, bitsPerDimension, logProbs }: ImageScore): string[] {
  const rows = [
    ['', 'nats', 'bits'],
    ['per picture', decimals(natsPerPicture, 3), decimals(natsPerPicture / Math.LN2, 3)],
    ['per value', decimals(natsPerValue, 4), decimals(natsPerValue / Math.LN2, 4)],
  ]
  const totals = [
    ...(bitsPerDimension === undefined ? [] : [['bits per dimension', decimals(bitsPerDimension, 4)]]),
    ['pictures', thousands(pictures)],
    ['values of each', thousands(values)],
    [
      'log-probability',
      decimals(
        logProbs.reduce((sum, one) => sum + one, 0),
        3,
      ),
    ],
  ]
  return [...table(rows, ['left', 'right', 'right']), '', ...table(totals, ['left', 'right'])]
}
